"""The one interface of every recommender: `fit(history)` and `recommend(history, k, exclude=…)`.

A recommender learns items; a user is a history. `recommend` ranks for the histories it is given,
so fresh events, users that `fit` never saw, and sessions need no other interface.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from pipelines.base.errors import InvalidHistoryError
from pipelines.features.interactions import Interactions
from pipelines.models.kernels.signals import cut_rows, read_interest
from pipelines.models.kernels.threads import in_threads
from pipelines.models.parameters import (
    PURCHASES_ONLY,
    check_event_weights,
    check_parameters,
    number,
)
from pipelines.models.scores import DenseScores, Scores

if TYPE_CHECKING:
    import pandas as pd

#: Bytes of scores that each of several threads holds at once; they bound the users of a block.
THREAD_BLOCK_BYTES = 64 * 1024**2
#: Numbers of four bytes that a place of a list takes while it is made.
NUMBERS_PER_PLACE = 16


@dataclass(frozen=True)
class TopN:
    """Ranked lists, best first.

    Parameters
    ----------
    user_ids : ndarray of str, shape (n_users,)
    item_ids : ndarray of str, shape (n_items,)
        Vocabulary that `items` points into.
    items : ndarray of int32, shape (n_users, k)
        Positions into `item_ids`; -1 where a list has no more items.
    scores : ndarray of float32, shape (n_users, k)
        Non-increasing along a row; NaN where there is no item.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    items: np.ndarray
    scores: np.ndarray

    def over(self, item_ids: np.ndarray) -> TopN:
        """Lists of the same items over another vocabulary, which holds every listed item."""
        if np.array_equal(self.item_ids, item_ids):
            return self
        order = np.argsort(item_ids, kind="stable")
        place = np.searchsorted(item_ids, self.item_ids, sorter=order).clip(0, len(order) - 1)
        items = np.where(self.items < 0, -1, order[place][self.items]).astype(np.int32)
        return replace(self, item_ids=item_ids, items=items)


@dataclass(frozen=True)
class Exclusion:
    """Items that must not be recommended to single users, or to anybody.

    Parameters
    ----------
    pairs : csr_array of shape (n_users, n_items), bool, optional
        Items excluded for single users, in the rows and columns of the history it goes with.
    items : ndarray of bool, shape (n_items,), optional
        Items excluded for everybody, such as those out of stock.
    groups : ndarray of int, shape (n_users,), optional
        Each user's row of `group_items`.
    group_items : ndarray of bool, shape (n_groups, n_items), optional
        Items excluded for groups of users, such as those of other countries.
    impersonal : ndarray of bool, shape (n_users,), optional
        Users whose history must not be used.
    """

    pairs: sparse.csr_array | None = None
    items: np.ndarray | None = None
    groups: np.ndarray | None = None
    group_items: np.ndarray | None = None
    impersonal: np.ndarray | None = None

    def select_users(self, positions: np.ndarray | slice) -> Exclusion:
        """Exclusion for some of the users."""
        pairs, groups, impersonal = (
            None if one is None else one[positions]
            for one in (self.pairs, self.groups, self.impersonal)
        )
        return replace(self, pairs=pairs, groups=groups, impersonal=impersonal)

    def by_group(self) -> Iterator[tuple[np.ndarray | slice, Exclusion]]:
        """Positions of the users of each group, and their exclusion as that of everybody."""
        if self.groups is None or self.group_items is None:
            yield slice(None), self
            return
        for group in np.unique(self.groups):
            users = np.flatnonzero(self.groups == group)
            hidden = self.group_items[group]
            items = hidden if self.items is None else self.items | hidden
            yield (
                users,
                replace(self.select_users(users), items=items, groups=None, group_items=None),
            )

    def has(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Whether each of some items, by position, is excluded for the user beside it."""
        found = np.zeros(len(users), dtype=bool)
        if not len(users):
            return found
        if self.pairs is not None:
            found |= np.asarray(self.pairs[users, items]).ravel().astype(bool)
        if self.items is not None:
            found |= self.items[items]
        if self.groups is not None and self.group_items is not None:
            found |= self.group_items[self.groups[users], items]
        return found

    def with_items(self, old: np.ndarray, new: np.ndarray) -> Exclusion:
        """Exclusion over another sorted vocabulary."""
        if np.array_equal(old, new):
            return self
        if not len(old):
            return replace(Exclusion(), impersonal=self.impersonal)
        position = np.searchsorted(old, new).clip(0, len(old) - 1)
        known = old[position] == new
        items = None if self.items is None else np.where(known, self.items[position], False)
        pairs = self.pairs
        if pairs is not None:
            columns = np.flatnonzero(known)
            chosen = pairs.tocsc()[:, position[columns]].tocoo()
            pairs = sparse.csr_array(
                (chosen.data, (chosen.row, columns[chosen.col])), shape=(pairs.shape[0], len(new))
            )
        groups = self.group_items
        if groups is not None:
            groups = np.where(known, groups[:, position], True)  # of what is unknown nothing holds
        return replace(self, pairs=pairs, items=items, group_items=groups)


@dataclass(frozen=True)
class Explanation:
    """Explanation of a fitted recommender: gain of its features, and effect of the strongest.

    Parameters
    ----------
    gain : DataFrame
        One row per feature, by falling `gain_share` and then in the order of the features:
        feature, gain_share (sums to 1).
    dependence : DataFrame
        One row per feature and value, features as in `gain`, values ascending: feature, value
        (NaN for "unknown", last, if a row of the sample has no value), log_odds, row_share (share
        of the sample's rows with this value or a smaller one; for NaN, of rows without a value).
    user_count, row_count : int
        Size of the sample that is averaged over.
    """

    gain: pd.DataFrame
    dependence: pd.DataFrame
    user_count: int
    row_count: int


@dataclass(kw_only=True, eq=False)
class Recommender(BaseEstimator, ABC):
    """Base of all recommenders; subclasses add `_fit` and `_score`, or those of `BlockRecommender`.

    scikit-learn conventions: `__init__` takes keywords and only stores them, `fit` validates and
    returns `self`, what is learned ends in ``_``. Ties are broken by item_id, lowest first.
    A subclass with hyperparameters is a dataclass of keywords, each declared with its range by a
    function of `parameters`; a constructor of its own will do, too.

    Parameters
    ----------
    event_weights : mapping of str to float
        Weight of one event of a type, at least one, finite; default 1.0 for a purchase. Types
        left out weigh nothing.

    Attributes
    ----------
    item_ids_ : ndarray of str, shape (n_items,)
        The vocabulary of `fit`.
    """

    #: `strategy` of its items' rows in lists.
    strategy: ClassVar[str] = "recommender"
    #: `reason` of its items' rows in lists.
    reason: ClassVar[str] = ""
    #: Whether it completes lists with popular items by itself.
    completes_itself: ClassVar[bool] = False

    event_weights: Mapping[str, float] = field(default_factory=lambda: PURCHASES_ONLY)

    def fit(self, history: Interactions) -> Self:
        """Learn from histories.

        Parameters
        ----------
        history : Interactions
            Everything known before a cutoff. Not changed, and no reference is kept.

        Returns
        -------
        Self

        Raises
        ------
        InvalidHistoryError
            If the history has no items.
        SettingsError
            If `event_weights` or another parameter is out of its range.
        """
        check_event_weights(self.event_weights)
        check_parameters(self)
        if history.n_items == 0:
            raise InvalidHistoryError(
                "A history must hold at least one item. Got an empty vocabulary. "
                "Check that days before the cutoff were loaded."
            )
        self.item_ids_ = np.array(history.item_ids)
        self._fit(history)
        return self

    def recommend(self, history: Interactions, k: int, *, exclude: Exclusion | None = None) -> TopN:
        """Rank items for the users of a history.

        Parameters
        ----------
        history : Interactions
            Of the users to rank for, seen in `fit` or not.
        k : int
            Maximum length of a list; at least 1.
        exclude : Exclusion, optional
            In the rows and columns of `history`.

        Returns
        -------
        TopN
            One row per user of `history`, in its order, over `item_ids_`. Shorter lists are
            padded.

        Raises
        ------
        InvalidHistoryError
            If `k` < 1.
        NotFittedError
            If `fit` was not called.
        """
        check_is_fitted(self, "item_ids_")
        if k < 1:
            raise InvalidHistoryError(f"`k` must be at least 1. Got {k}. Ask for one item or more.")
        rule = (exclude or Exclusion()).with_items(history.item_ids, self.item_ids_)
        known = history.with_items(self.item_ids_)
        if rule.impersonal is not None:
            known = known.without_rows_of(rule.impersonal)
        if rule.groups is None:
            return self._rank(known, k, rule)
        items = np.full((history.n_users, k), -1, dtype=np.int32)
        scores = np.full((history.n_users, k), np.nan, dtype=np.float32)
        for users, one in rule.by_group():
            found = self._rank(known.select_users(users), k, one)
            items[users], scores[users] = found.items, found.scores
        return TopN(history.user_ids, self.item_ids_, items, scores)

    def score(self, history: Interactions) -> np.ndarray:
        """Score every item for the users of a history.

        Parameters
        ----------
        history : Interactions
            Of the users to rank for, seen in `fit` or not.

        Returns
        -------
        ndarray of float32, shape (n_users, len(item_ids_))
            Higher is better, -inf for what is never listed. The caller may write into it.

        Raises
        ------
        NotFittedError
            If `fit` was not called.
        """
        check_is_fitted(self, "item_ids_")
        return self._score(history.with_items(self.item_ids_))

    def list_candidates(
        self, history: Interactions, *, exclude: Exclusion | None = None
    ) -> sparse.csr_array | None:
        """Items that the second stage of a two-stage recommender ranks, by user of a history.

        Parameters
        ----------
        history : Interactions
            Of the users to rank for, seen in `fit` or not.
        exclude : Exclusion, optional
            In the rows and columns of `history`.

        Returns
        -------
        csr_array of shape (n_users, n_items), bool, or None
            In the rows and columns of `history`; None without a first stage: every item is ranked.
        """
        return None

    def explain(self, history: Interactions) -> Explanation | None:
        """Explain which features decide the ranking of a fitted recommender.

        Parameters
        ----------
        history : Interactions
            The history of `fit`; effects are averaged over a sample of its users' candidates.

        Returns
        -------
        Explanation or None
            None without features, or where there was nothing to learn from.
        """
        return None

    def score_block(self, history: Interactions) -> Scores:
        """Scores of a block of users over `item_ids_`, which the history is over, too."""
        return DenseScores(self._score(history))

    def count_scores(self, history: Interactions) -> np.ndarray:
        """Numbers of four bytes that `score_block` holds for each user, at most: (n_users,)."""
        return np.full(history.n_users, len(self.item_ids_))

    def _rank(self, history: Interactions, k: int, exclude: Exclusion) -> TopN:
        """Lists over `item_ids_`, block by block."""
        items = np.full((history.n_users, k), -1, dtype=np.int32)
        scores = np.full((history.n_users, k), np.nan, dtype=np.float32)

        def rank_block(block: slice) -> None:
            items[block], scores[block] = self.score_block(history.select_users(block)).top_n(
                k, exclude_pairs=exclude.select_users(block).pairs, exclude_items=exclude.items
            )

        counts = self.count_scores(history) + NUMBERS_PER_PLACE * k
        for _ in in_threads(rank_block, user_blocks(counts)):
            pass
        return TopN(history.user_ids, self.item_ids_, items, scores)

    @abstractmethod
    def _fit(self, history: Interactions) -> None:
        """Set the learned attributes."""

    @abstractmethod
    def _score(self, history: Interactions) -> np.ndarray:
        """Score every item: fresh C-contiguous float32 (n_users, n_items); -inf is never listed."""


#: For recommenders whose own constructor leaves it out.
Recommender.event_weights = PURCHASES_ONLY


def user_blocks(counts: np.ndarray) -> Iterator[slice]:
    """Cut users into blocks whose scores a thread can hold at once.

    Parameters
    ----------
    counts : ndarray of int, shape (n_users,)
        Numbers of four bytes held for each user, at most.
    """
    return cut_rows(counts, THREAD_BLOCK_BYTES // 4)


@dataclass(kw_only=True, eq=False)
class InterestRecommender(Recommender, ABC):
    """Base of recommenders that see a history as a vector of interest in each item.

    Parameters
    ----------
    half_life_days : float, optional
        An event this old counts half; above 0. Without it, histories are binary: 1 where the
        weights of a user's events with an item sum to more than 0.
    clip : float or None, default 1.0
        Upper bound of a decayed history value, min(value, clip): many events say little more than
        one. Above 0; None for no bound.
    """

    half_life_days: float | None = number(None, above=0, optional=True)
    clip: float | None = number(1.0, above=0, optional=True)

    def _interest(self, history: Interactions) -> sparse.csr_array:
        return read_interest(
            history, self.event_weights, half_life_days=self.half_life_days, clip=self.clip
        )
