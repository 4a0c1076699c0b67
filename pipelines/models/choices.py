"""What users chose and in which baskets: the rows that a ranker's features are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.baskets import read_baskets
from pipelines.models.parameters import choice_types


@dataclass(frozen=True)
class Choices:
    """Choices, one row per user, item and day, in that order, a pair's oldest day first.

    Parameters
    ----------
    user, item : ndarray of int64, shape (n_rows,)
    age : ndarray of int32, shape (n_rows,)
        Days before the cutoff.
    count : ndarray of float32, shape (n_rows,)
        Events of that day.
    """

    user: np.ndarray
    item: np.ndarray
    age: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class BasketFacts:
    """Facts on every user's baskets: how many, how large, how long ago.

    Parameters
    ----------
    n_baskets : ndarray of int64, shape (n_users,)
    last_age, first_age : ndarray of float32, shape (n_users,)
        Days before the cutoff; NaN without a basket.
    last_size, mean_size : ndarray of float32, shape (n_users,)
        Items in a basket.
    keys, place : ndarray of int64, shape (n_baskets,)
        `age_keys` of every basket, ascending, and how many of the user's baskets came after it.
    """

    n_baskets: np.ndarray
    last_age: np.ndarray
    first_age: np.ndarray
    last_size: np.ndarray
    mean_size: np.ndarray
    keys: np.ndarray
    place: np.ndarray

    def place_of(self, rows: Choices) -> np.ndarray:
        """Number of the user's baskets that came after the one that each row belongs to."""
        return self.place[np.searchsorted(self.keys, age_keys(rows.user, rows.age))]


def choice_rows(history: Interactions, event_weights: Mapping[str, float]) -> Choices:
    """Choice rows of a history (events of positive weight), not added up over a day's types."""
    chosen = history.rows_of(choice_types(event_weights))
    columns = (history.user, history.item, history.age_days, history.event_count)
    return Choices(*(column[chosen] for column in columns))


def read_choices(history: Interactions, event_weights: Mapping[str, float]) -> Choices:
    """Choices of a history: its events of positive weight, added up by user, item and day."""
    rows = choice_rows(history, event_weights)
    span = int(rows.age.max(initial=0)) + 1
    pair = rows.user.astype(np.int64) * history.n_items + rows.item
    keys = pair * span + (span - 1 - rows.age)
    order = np.argsort(keys, kind="stable")  # sorted already but for the types of a pair
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    first = order[starts]
    count = np.add.reduceat(rows.count[order], starts) if len(order) else rows.count
    return Choices(
        rows.user[first].astype(np.int64), rows.item[first].astype(np.int64), rows.age[first], count
    )


def order_by_age(age: np.ndarray) -> np.ndarray:
    """Positions that sort ages, stably; numpy sorts the small integer type by radix."""
    return np.argsort(age.astype(np.min_scalar_type(age.max(initial=0))), kind="stable")


def pair_starts(user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """First row of every user-item pair; rows must be sorted by user and item."""
    is_first = np.ones(len(user), dtype=bool)
    is_first[1:] = (np.diff(user) != 0) | (np.diff(item) != 0)
    return np.flatnonzero(is_first)


def describe_baskets(history: Interactions, event_weights: Mapping[str, float]) -> BasketFacts:
    """Number, sizes and ages of the baskets of a history's users."""
    baskets = read_baskets(history, event_weights)
    size = np.diff(baskets.items.indptr).astype(np.float32)
    n_users = history.n_users
    number = np.bincount(baskets.user, minlength=n_users)
    total = np.bincount(baskets.user, size, minlength=n_users)
    last_age = np.full(n_users, np.nan, dtype=np.float32)
    first_age, last_size = last_age.copy(), last_age.copy()
    is_last = baskets.place == 0
    last_age[baskets.user[is_last]] = baskets.age_days[is_last]
    last_size[baskets.user[is_last]] = size[is_last]
    is_first = baskets.place == number[baskets.user] - 1
    first_age[baskets.user[is_first]] = baskets.age_days[is_first]
    with np.errstate(invalid="ignore"):
        mean_size = (total / number).astype(np.float32)
    keys = age_keys(baskets.user, baskets.age_days)
    order = np.argsort(keys)
    return BasketFacts(
        number, last_age, first_age, last_size, mean_size, keys[order], baskets.place[order]
    )


def age_keys(user: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Sorting key of a user and an age in days: ascending by user and then by age."""
    return np.asarray(user.astype(np.int64) * 2**20 + age)


def stack_columns(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    """Stack the named columns, in the order of `names`, as float32 of shape (n_rows, n_names)."""
    return np.column_stack([columns[name] for name in names]).astype(np.float32)
