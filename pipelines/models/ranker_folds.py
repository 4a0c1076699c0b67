"""Training folds of a ranker: earlier cutoffs of a history, and what users went on to choose."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions


@dataclass(frozen=True)
class Fold:
    """What was known at an earlier cutoff, and what came in the days after it.

    Parameters
    ----------
    past : Interactions
        Over the users and items of the whole history.
    users : ndarray of int64, shape (n_users,)
        Users to learn from, as positions, ascending.
    truth : csr_array of shape (n_users, n_items), bool
        In the rows of `users`.
    """

    past: Interactions
    users: np.ndarray
    truth: sparse.csr_array


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
    """Folds of a history, the newest first; all lie before the history's own cutoff.

    Parameters
    ----------
    history : Interactions
    truth_events : sequence of str
        Events that make an item relevant.
    horizon_days : int
        Days of truth; the first fold is cut so many days before the history's cutoff.
    n_folds : int
        At most; the oldest fold is the last with a user to learn from.
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
    for end in range(0, n_folds * step, step):
        past = history.before(history.cutoff - timedelta(days=end + horizon_days))
        truth = _truth(history, truth_events, end, horizon_days)
        if not repeats:
            truth = _without(truth, past.pairs())
        has_past = np.bincount(past.user, minlength=past.n_users) > 0
        users = np.flatnonzero(has_past & (np.diff(truth.indptr) > 0))
        if not len(users):
            return
        users = _sample(users, history.user_ids, max_users)
        yield Fold(past, users, truth[users])


def _truth(
    history: Interactions, events: Sequence[str], after_days: int, horizon_days: int
) -> sparse.csr_array:
    """Pairs with an event of age in (after_days, after_days + horizon_days]."""
    codes = [n for n, kind in enumerate(history.event_types) if kind in set(events)]
    age = history.age_days
    inside = np.isin(history.event_type, codes)
    inside &= (age > after_days) & (age <= after_days + horizon_days)
    ones = np.ones(int(inside.sum()), dtype=np.int32)
    truth = sparse.csr_array(
        (ones, (history.user[inside], history.item[inside])), shape=history.shape
    )
    truth.sum_duplicates()
    return truth.astype(bool)


def _without(pairs: sparse.csr_array, met: sparse.csr_array) -> sparse.csr_array:
    left = pairs.astype(np.int8) - pairs.multiply(met).astype(np.int8)
    left = sparse.csr_array(left)
    left.eliminate_zeros()
    return left.astype(bool)


def _sample(users: np.ndarray, user_ids: np.ndarray, max_users: int) -> np.ndarray:
    if len(users) <= max_users:
        return users
    hashes = np.array([zlib.crc32(str(user_id).encode()) for user_id in user_ids[users]])
    kept = np.lexsort((users, hashes))[:max_users]
    return np.sort(users[kept])
