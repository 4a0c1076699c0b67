"""The first stage of a ranker: the items that its parts list for users, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.kernels.top_n import top_n_of_scores

#: Features of a candidate from one part: its score, that over the user's best, its rank.
PART_FEATURES = ("score", "relative_score", "rank")


@dataclass(frozen=True)
class CandidateBlock:
    """Candidates of a block of users, one row per user and item, by user and then by item.

    Parameters
    ----------
    user : ndarray of int64, shape (n_rows,)
        Position in the block.
    item : ndarray of int64, shape (n_rows,)
    features : ndarray of float32, shape (n_rows, 3 * n_parts)
        `PART_FEATURES` of each part; NaN where it gives no score, or the item is past its depth.
    fused : ndarray of float32, shape (n_rows,)
        Sum of reciprocal ranks over the parts.
    """

    user: np.ndarray
    item: np.ndarray
    features: np.ndarray
    fused: np.ndarray

    def select(self, rows: np.ndarray) -> CandidateBlock:
        """Candidates in some of the rows, given as ascending positions."""
        return CandidateBlock(
            self.user[rows], self.item[rows], self.features[rows], self.fused[rows]
        )


def gather_candidates(
    parts: Sequence[Recommender],
    history: Interactions,
    depth: int,
    exclude: Exclusion,
    *,
    rank_offset: float = 60.0,
) -> CandidateBlock:
    """Gather the candidates of a block of users: the union of the parts' lists.

    Parameters
    ----------
    parts : sequence of Recommender
        Fitted.
    history : Interactions
        Of the block's users, over the items that may be candidates.
    depth : int
        Items taken from each part.
    exclude : Exclusion
        In the rows and columns of `history`; excluded items are no candidates.
    rank_offset : float, default 60.0
        c in 1 / (c + rank), as in `Blend`.
    """
    scores, best, keys, places = [], [], [], []
    for part in parts:
        dense = _dense_scores(part, history)
        best.append(dense.max(axis=1, initial=-np.inf))
        items, _ = top_n_of_scores(
            dense,
            depth,
            exclude_pairs=exclude.pairs,
            exclude_items=exclude.items,
            overwrite_scores=True,
        )
        user, place = np.nonzero(items >= 0)
        keys.append(user * history.n_items + items[user, place])
        places.append(place)
        scores.append(dense)
    candidates = np.unique(np.concatenate(keys))
    user, item = np.divmod(candidates, history.n_items)
    gains = [np.zeros(len(user))]
    columns = []
    for number, dense in enumerate(scores):
        rank: np.ndarray = np.full(len(user), np.nan, dtype=np.float32)
        rank[np.searchsorted(candidates, keys[number])] = places[number] + 1.0
        score = dense[user, item]
        gains.append(np.where(np.isnan(rank), 0.0, 1.0 / (rank_offset + rank)))
        known = np.where(np.isfinite(score), score, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = known / best[number][user]
        columns += [known, relative, rank]
    fused: np.ndarray = np.asarray(np.sum(gains, axis=0), dtype=np.float32)
    return CandidateBlock(user, item, np.column_stack(columns).astype(np.float32), fused)


def _dense_scores(part: Recommender, history: Interactions) -> np.ndarray:
    """Scores of a part in the columns of the history; -inf where it gives none."""
    found = part.score(history)
    if np.array_equal(part.item_ids_, history.item_ids):
        return found
    dense = np.full(history.shape, -np.inf, dtype=np.float32)
    dense[:, np.searchsorted(history.item_ids, part.item_ids_)] = found
    return dense
