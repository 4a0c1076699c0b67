"""Rank fusion: what several recommenders agree on comes first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import NUMBERS_PER_PLACE, Exclusion, TopN, user_blocks
from pipelines.models.block_recommenders import BlockRecommender
from pipelines.models.composed import ComposedRecommender
from pipelines.models.kernels.threads import in_threads
from pipelines.models.parameters import check_number, number, whole
from pipelines.models.scores import SparseScores

#: Neighbours of chosen items, and the items that the customer chooses most.
DEFAULT_PARTS: tuple[Mapping[str, Any], ...] = (
    {"recommender": "item_knn"},
    {"recommender": "personal_frequency"},
)


@dataclass(kw_only=True, eq=False)
class Blend(ComposedRecommender, BlockRecommender):
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

    def score_block(self, history: Interactions) -> SparseScores:
        """As `Recommender.score_block`: what the parts list."""
        return self._fuse(history, self.depth, Exclusion())

    def count_scores(self, history: Interactions) -> np.ndarray:
        """As `Recommender.count_scores`."""
        return np.full(history.n_users, self._count_of_lists(self.depth))

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        depth = max(k, self.depth)
        items = np.full((history.n_users, k), -1, dtype=np.int32)
        scores = np.full((history.n_users, k), np.nan, dtype=np.float32)
        for block in user_blocks(np.full(history.n_users, self._count_of_lists(depth))):
            fused = self._fuse(history.select_users(block), depth, exclude.select_users(block))
            items[block], scores[block] = fused.top_n(k)
        return TopN(history.user_ids, self.item_ids_, items, scores)

    def _count_of_lists(self, depth: int) -> int:
        """Numbers of four bytes that the parts' lists for one user hold."""
        return NUMBERS_PER_PLACE * depth * len(self.parts_)

    def _fuse(self, history: Interactions, depth: int, exclude: Exclusion) -> SparseScores:
        """Sums of weighted reciprocal ranks of the items that a part lists."""
        fused = sparse.csr_array(history.shape, dtype=np.float32)
        for part, settings in zip(self.parts_, self.parts, strict=True):
            # a part may have learned fewer items
            items = part.recommend(history, depth, exclude=exclude).over(self.item_ids_).items
            is_listed = items >= 0
            # w_p / (c + rank)
            rank = np.arange(1.0, items.shape[1] + 1)
            gain = settings.get("weight", 1.0) / (self.rank_offset + rank)
            starts = np.concatenate([[0], np.cumsum(is_listed.sum(axis=1))])
            gains = np.broadcast_to(gain.astype(np.float32), items.shape)[is_listed]
            fused = fused + sparse.csr_array((gains, items[is_listed], starts), history.shape)
        return SparseScores(sparse.csr_array(fused))
