"""Training folds: earlier cutoffs of a history, and what users chose in the days after them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.choices import order_by_age, pair_starts
from pipelines.models.kernels.sampling import hash_ids, lowest_hashes


@dataclass(frozen=True)
class Fold:
    """A training fold: what was known at an earlier cutoff, and what users chose after it.

    Parameters
    ----------
    history : Interactions
        The whole history, with what came after the fold's cutoff.
    cutoff : date
    users : ndarray of int64, shape (n_users,)
        Users to learn from, as positions, ascending.
    truth : csr_array of shape (n_users, n_items), bool
        Relevant items, in the rows of `users`.
    """

    history: Interactions
    cutoff: date
    users: np.ndarray
    truth: sparse.csr_array

    @cached_property
    def past(self) -> Interactions:
        """History before the fold's cutoff, over the users and items of the whole history."""
        return self.history.before(self.cutoff)

    @cached_property
    def past_of_users(self) -> Interactions:
        """History before the fold's cutoff of the users to learn from."""
        return self.history.select_users(self.users).before(self.cutoff)


def cut_folds(
    history: Interactions,
    truth_events: Sequence[str],
    *,
    horizon_days: int,
    n_folds: int,
    repeats: bool,
    max_users: int,
    step_days: int | None = None,
) -> Iterator[Fold]:
    """Cut training folds from a history, newest first; all lie before the history's own cutoff.

    Parameters
    ----------
    truth_events : sequence of str
        Events that make an item relevant.
    horizon_days : int
        Days of truth; the first fold's cutoff is this many days before the history's.
    n_folds : int
        Maximum number of folds; the oldest is the last with a user to learn from.
    repeats : bool
        Whether items met before the fold's cutoff are relevant.
    max_users : int
        Users of a fold with a history and a truth: if there are more, those with the lowest
        CRC-32 of their user_id are kept.
    step_days : int, optional
        Days from one fold to the one before it; default `horizon_days`, so that the truths of
        folds do not overlap.

    Yields
    ------
    Fold
    """
    step = horizon_days if step_days is None else step_days
    chosen = np.flatnonzero(history.rows_of(truth_events))
    chosen = chosen[order_by_age(history.age_days[chosen])]
    age = history.age_days[chosen]
    met_for = None if repeats else _days_met(history)
    known_for = np.zeros(history.n_users, dtype=np.int32)
    is_known = np.diff(history.row_starts) > 0
    known_for[is_known] = np.maximum.reduceat(history.age_days, history.row_starts[:-1][is_known])
    hashes = hash_ids(history.user_ids)
    for end in range(0, n_folds * step, step):
        begin = end + horizon_days
        # begin >= age > end, and the pair not known at the cutoff
        ends = np.array([end, begin], dtype=age.dtype)  # of another type, all ages would be cast
        rows = chosen[slice(*np.searchsorted(age, ends, side="right"))]
        if met_for is not None:
            rows = rows[met_for[rows] <= begin]
        truth = history.pairs_of_rows(rows)
        users = np.flatnonzero((known_for > begin) & (np.diff(truth.indptr) > 0))
        if not len(users):
            return
        users = lowest_hashes(users, hashes, max_users)
        yield Fold(history, history.cutoff - timedelta(days=begin), users, truth[users])


def _days_met(history: Interactions) -> np.ndarray:
    """Days from the first event of each row's user and item to the cutoff."""
    starts = pair_starts(history.user, history.item)
    if not len(starts):
        return history.age_days
    oldest = np.maximum.reduceat(history.age_days, starts)
    return np.repeat(oldest, np.diff(starts, append=len(history.user)))
