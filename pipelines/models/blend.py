"""Rank fusion: what several recommenders agree on comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import SCORE_BLOCK_BYTES, Exclusion, TopN
from pipelines.models.composed import ComposedRecommender
from pipelines.models.kernels.threads import in_threads
from pipelines.models.kernels.top_n import top_n_of_scores
from pipelines.models.parameters import check_number, number, whole

#: Neighbours of chosen items, and the items that the customer chooses most.
DEFAULT_PARTS: tuple[Mapping[str, Any], ...] = (
    {"recommender": "item_knn"},
    {"recommender": "personal_frequency"},
)


@dataclass(kw_only=True, eq=False)
class Blend(ComposedRecommender):
    """Rank items by the sum of their reciprocal ranks in the lists of other recommenders.

    Parameters
    ----------
    parts : sequence of mapping
        Recommenders to fuse: ``{"recommender": key, "params": {...}, "weight": w}``; `weight`
        is 1.0 where it is left out.
    rank_offset : float, default 60.0
        c; the larger, the less the first ranks stand out.
    depth : int, default 200
        Items taken from each part for one user, but never fewer than the list is to have.
    event_weights : mapping of str to float
        Weight of one event of a type, for parts without their own.

    Attributes
    ----------
    parts_ : tuple of Recommender

    Notes
    -----
    ``score(u, i) = sum over parts p that list i for u: w_p / (c + rank_p(u, i))``, ranks from 1.
    Items that no part lists are not listed. Ranks, not scores, are fused, so parts need no
    common scale.

    References
    ----------
    G. V. Cormack, C. L. A. Clarke, S. Büttcher (2009). Reciprocal Rank Fusion outperforms
    Condorcet and individual Rank Learning Methods. SIGIR.
    """

    strategy = "blend"
    reason = "Several signs point to it"

    parts: Sequence[Mapping[str, Any]] = DEFAULT_PARTS
    rank_offset: float = number(60.0, at_least=0)
    depth: int = whole(200)

    def _fit(self, history: Interactions) -> None:
        self.parts_ = tuple(in_threads(lambda part: part.fit(history), self.make_parts()))
        for part in self.parts:
            check_number("weight", part.get("weight", 1.0), above=0)

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        block_users = max(1, SCORE_BLOCK_BYTES // (4 * len(self.item_ids_)))
        items = np.full((history.n_users, k), -1, dtype=np.int32)
        scores = np.full((history.n_users, k), np.nan, dtype=np.float32)
        for start in range(0, history.n_users, block_users):
            block = slice(start, start + block_users)
            fused = self._fuse(
                history.select_users(block), max(k, self.depth), exclude.select_users(block)
            )
            items[block], scores[block] = top_n_of_scores(fused, k, overwrite_scores=True)
        return TopN(history.user_ids, self.item_ids_, items, scores)

    def _score(self, history: Interactions) -> np.ndarray:
        return self._fuse(history, self.depth, Exclusion())

    def _fuse(self, history: Interactions, depth: int, exclude: Exclusion) -> np.ndarray:
        """Sums of weighted reciprocal ranks, -inf where no part lists the item."""
        fused = np.zeros((history.n_users, len(self.item_ids_)), dtype=np.float32)
        for part, settings in zip(self.parts_, self.parts, strict=True):
            # a part may have learned fewer items
            items = part.recommend(history, depth, exclude=exclude).over(self.item_ids_).items
            user, rank = np.nonzero(items >= 0)
            # w_p / (c + rank)
            gain = settings.get("weight", 1.0) / (self.rank_offset + rank + 1.0)
            fused[user, items[user, rank]] += gain.astype(np.float32)
        fused[fused == 0] = -np.inf
        return fused
