"""Scores of a block of users: of every item, of few, or as products of factors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.models.kernels.shared_ranking import top_n_of_one_ranking
from pipelines.models.kernels.sparse_top_n import merge_lists, top_n_of_sparse
from pipelines.models.kernels.top_n import top_n_of_factors, top_n_of_scores


class Scores(ABC):
    """Scores of some users for all items; -inf is never listed."""

    @abstractmethod
    def top_n(
        self,
        k: int,
        *,
        exclude_pairs: sparse.csr_array | None = None,
        exclude_items: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Items and scores of every user's k best; parameters and result as `top_n_of_scores`."""

    @abstractmethod
    def best(self) -> np.ndarray:
        """Every user's highest score: float32, shape (n_users,); -inf for users without any."""

    @abstractmethod
    def read(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Scores of pairs, sorted by user and then by item, each once: float32, shape (n_pairs,).

        After `top_n`, those of excluded pairs mean nothing.
        """

    @abstractmethod
    def to_dense(self) -> np.ndarray:
        """Scores of every item: fresh C-contiguous float32 (n_users, n_items)."""


@dataclass(frozen=True)
class DenseScores(Scores):
    """Scores of every item.

    Parameters
    ----------
    values : ndarray of float32, shape (n_users, n_items)
        `top_n` writes into it.
    """

    values: np.ndarray

    def top_n(
        self,
        k: int,
        *,
        exclude_pairs: sparse.csr_array | None = None,
        exclude_items: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Scores.top_n`."""
        return top_n_of_scores(
            self.values,
            k,
            exclude_pairs=exclude_pairs,
            exclude_items=exclude_items,
            overwrite_scores=True,
        )

    def best(self) -> np.ndarray:
        """As `Scores.best`."""
        return np.asarray(self.values.max(axis=1, initial=-np.inf))

    def read(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """As `Scores.read`."""
        return np.asarray(self.values[user, item])

    def to_dense(self) -> np.ndarray:
        """As `Scores.to_dense`."""
        return self.values


@dataclass(frozen=True)
class SparseScores(Scores):
    """Scores of few items for each user, and of the others by a ranking that users share.

    Parameters
    ----------
    own : csr_array of shape (n_users, n_items), float32
        Stored entries are scores; their indices need no order.
    shared : ndarray of float32, shape (n_rankings, n_items), optional
        Scores of the items that are not stored; without it they are -inf.
    ranking : ndarray of int, shape (n_users,), optional
        Each user's row of `shared`; -1 for users to whom only stored items are listed.
    """

    own: sparse.csr_array
    shared: np.ndarray | None = None
    ranking: np.ndarray | None = None

    def top_n(
        self,
        k: int,
        *,
        exclude_pairs: sparse.csr_array | None = None,
        exclude_items: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Scores.top_n`."""
        own = top_n_of_sparse(self.own, k, exclude_pairs=exclude_pairs, exclude_items=exclude_items)
        if self.shared is None:
            return own
        shared = self._top_of_shared(k, exclude_pairs, exclude_items)
        return merge_lists(own, shared) if self.own.nnz else shared

    def best(self) -> np.ndarray:
        """As `Scores.best`."""
        best = np.full(self.own.shape[0], -np.inf, dtype=np.float32)
        has_own = np.diff(self.own.indptr) > 0
        best[has_own] = np.maximum.reduceat(self.own.data, self.own.indptr[:-1][has_own])
        if self.shared is None:
            return best
        of_others = self._top_of_shared(1, None, None)[1][:, 0]
        return np.fmax(best, of_others)

    def read(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """As `Scores.read`."""
        own, n_items = self.own, self.own.shape[1]
        starts = np.searchsorted(user, np.arange(own.shape[0] + 1))
        wanted = sparse.csr_array((np.ones(len(item)), item, starts), shape=own.shape)
        place = np.arange(1.0, own.nnz + 1)
        stored = sparse.csr_array((place, own.indices, own.indptr), shape=own.shape)
        found = sparse.csr_array(stored.multiply(wanted))  # places of stored pairs that are wanted
        owner = np.repeat(np.arange(own.shape[0]), np.diff(found.indptr))
        at = np.searchsorted(user * n_items + item, owner * n_items + found.indices)
        scores = self._shared_of(user, item)
        scores[at] = own.data[found.data.astype(np.int64) - 1]
        return scores

    def to_dense(self) -> np.ndarray:
        """As `Scores.to_dense`."""
        scores = np.full(self.own.shape, -np.inf, dtype=np.float32)
        if self.shared is not None and self.ranking is not None:
            has_ranking = self.ranking >= 0
            scores[has_ranking] = self.shared[self.ranking[has_ranking]]
        owner = np.repeat(np.arange(len(scores)), np.diff(self.own.indptr))
        scores[owner, self.own.indices] = self.own.data
        return scores

    def _shared_of(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        if self.shared is None or self.ranking is None:
            return np.full(len(user), -np.inf, dtype=np.float32)
        ranking = self.ranking[user]
        return np.where(ranking < 0, np.float32(-np.inf), self.shared[ranking, item])

    def _top_of_shared(
        self, k: int, exclude_pairs: sparse.csr_array | None, exclude_items: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lists of the items that are not stored."""
        n_users = self.own.shape[0]
        items = np.full((n_users, k), -1, dtype=np.int32)
        scores = np.full((n_users, k), np.nan, dtype=np.float32)
        if self.shared is None or self.ranking is None:
            return items, scores
        stored = np.ones(self.own.nnz, dtype=bool)
        pairs = sparse.csr_array((stored, self.own.indices, self.own.indptr), self.own.shape)
        if exclude_pairs is not None:
            pairs = sparse.csr_array(pairs + exclude_pairs.astype(bool))
        for number, shared in enumerate(self.shared):
            users = np.flatnonzero(self.ranking == number)
            if len(users):
                items[users], scores[users] = top_n_of_one_ranking(
                    shared, len(users), k, exclude_pairs=pairs[users], exclude_items=exclude_items
                )
        return items, scores


@dataclass(frozen=True)
class FactorScores(Scores):
    """Scores that are inner products of factors.

    Parameters
    ----------
    users : ndarray of float32, shape (n_users, n_factors)
        Users without a factor other than 0 get no list.
    items : ndarray of float32, shape (n_items, n_factors)
    unlisted : ndarray of bool, shape (n_items,), optional
        Items that are not listed for anybody.
    """

    users: np.ndarray
    items: np.ndarray
    unlisted: np.ndarray | None = None

    def top_n(
        self,
        k: int,
        *,
        exclude_pairs: sparse.csr_array | None = None,
        exclude_items: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """As `Scores.top_n`."""
        if self.unlisted is not None:
            gone = False if exclude_items is None else exclude_items
            exclude_items = self.unlisted | gone
        items, scores = top_n_of_factors(
            self.users, self.items, k, exclude_pairs=exclude_pairs, exclude_items=exclude_items
        )
        says_nothing = _without_factors(self.users)
        items[says_nothing], scores[says_nothing] = -1, np.nan
        return items, scores

    def best(self) -> np.ndarray:
        """As `Scores.best`."""
        return np.fmax(self.top_n(1)[1][:, 0], np.float32(-np.inf))

    def read(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """As `Scores.read`; sums may differ from those of `top_n` in the last bit."""
        scores = np.einsum("ij,ij->i", self.users[user], self.items[item])
        is_unlisted = _without_factors(self.users)[user]
        if self.unlisted is not None:
            is_unlisted |= self.unlisted[item]
        return np.where(is_unlisted, np.float32(-np.inf), scores)

    def to_dense(self) -> np.ndarray:
        """As `Scores.to_dense`."""
        scores = np.ascontiguousarray(self.users @ self.items.T)
        if self.unlisted is not None:
            scores[:, self.unlisted] = -np.inf
        scores[_without_factors(self.users)] = -np.inf
        return scores


def _without_factors(users: np.ndarray) -> np.ndarray:
    """Mask of the users without a factor other than 0."""
    return np.asarray(~users.any(axis=1))
