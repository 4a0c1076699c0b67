"""The first stage of a ranker: the items that its parts list for users, and their scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender

#: Features of a candidate from one part: its score, that over the user's best, its rank.
PART_FEATURES = ("score", "relative_score", "rank")
#: Numbers of four bytes that a candidate takes while its features are read.
NUMBERS_PER_CANDIDATE = 200


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
    proposals = [_Proposals(part, history, depth, exclude) for part in parts]
    candidates = np.unique(np.concatenate([proposed.keys for proposed in proposals]))
    user, item = np.divmod(candidates, history.n_items)
    gains = [np.zeros(len(user))]
    columns = []
    for proposed in proposals:
        rank: np.ndarray = np.full(len(user), np.nan, dtype=np.float32)
        rank[np.searchsorted(candidates, proposed.keys)] = proposed.place + 1.0
        score = proposed.score(user, item)
        gains.append(np.where(np.isnan(rank), 0.0, 1.0 / (rank_offset + rank)))
        known = np.where(np.isfinite(score), score, np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = known / proposed.best[user]
        columns += [known, relative, rank]
    fused: np.ndarray = np.asarray(np.sum(gains, axis=0), dtype=np.float32)
    return CandidateBlock(user, item, np.column_stack(columns).astype(np.float32), fused)


def count_candidates(parts: Sequence[Recommender], history: Interactions, depth: int) -> np.ndarray:
    """Numbers of four bytes that `gather_candidates` holds for each user, at most: (n_users,)."""
    counts = np.full(history.n_users, NUMBERS_PER_CANDIDATE * depth * len(parts))
    for part in parts:
        counts += part.count_scores(history.with_items(part.item_ids_))
    return counts


class _Proposals:
    """What one part lists for a block of users, and its scores.

    Attributes
    ----------
    keys : ndarray of int64, shape (n_proposed,)
        ``user * n_items + item`` of what is listed, user by user from the first rank on.
    place : ndarray of int64, shape (n_proposed,)
        Rank in the user's list, from 0.
    best : ndarray of float32, shape (n_users,)
        Every user's highest score, of excluded items too.
    """

    def __init__(
        self, part: Recommender, history: Interactions, depth: int, exclude: Exclusion
    ) -> None:
        self._column = None  # of the part's vocabulary, by column of the history's
        column = np.arange(history.n_items)
        if not np.array_equal(part.item_ids_, history.item_ids):
            column = np.searchsorted(history.item_ids, part.item_ids_)
            self._column = np.full(history.n_items, -1)
            self._column[column] = np.arange(len(column))
            exclude = exclude.with_items(history.item_ids, part.item_ids_)
        self._scores = part.score_block(history.with_items(part.item_ids_))
        self.best = self._scores.best()
        items, _ = self._scores.top_n(
            depth, exclude_pairs=exclude.pairs, exclude_items=exclude.items
        )
        user, self.place = np.nonzero(items >= 0)
        self.keys = user * history.n_items + column[items[user, self.place]]

    def score(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores of pairs, sorted by user and then by item; -inf where the part gives none."""
        if self._column is None:
            return self._scores.read(user, item)
        known = np.flatnonzero(self._column[item] >= 0)
        score = np.full(len(user), -np.inf, dtype=np.float32)
        score[known] = self._scores.read(user[known], self._column[item[known]])
        return score
