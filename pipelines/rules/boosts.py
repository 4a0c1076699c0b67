"""Boosts: items that a condition is true of stand some places higher, or lower, than ranked.

A boost is told in places, not as a factor of scores: recommenders' scores have scales of their own,
and a setting must mean the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np

from pipelines.base.settings_sections import BoostSettings
from pipelines.rules.eligibility import Eligibility, Row

_conditions = lru_cache(maxsize=256)(Eligibility)


def attributes_read(boosts: Iterable[BoostSettings]) -> tuple[set[str], set[str]]:
    """Names of the items' and of the users' attributes that boosts read."""
    judges = [_conditions((boost.when,)) for boost in boosts]
    items = {name for judge in judges for name in judge.item_names}
    return items, {name for judge in judges for name in judge.user_names}


def boosted_order(places: np.ndarray, is_listed: np.ndarray) -> np.ndarray:
    """Order of the ranks of lists after each item has moved by its places.

    Parameters
    ----------
    places : ndarray of int, shape (n_users, n_ranks)
        How much higher an item is to stand; below zero, how much lower.
    is_listed : ndarray of bool, shape (n_users, n_ranks)
        False past the end of a list, which stays there.

    Returns
    -------
    ndarray of int64, shape (n_users, n_ranks)
        Columns in their new order. One boosted item moves by exactly its places, as far as the list
        goes; two that meet keep their order.

    Examples
    --------
    >>> listed = np.ones((1, 5), dtype=bool)
    >>> boosted_order(np.array([[0, 0, 0, 2, 0]]), listed).tolist()
    [[0, 3, 1, 2, 4]]
    >>> boosted_order(np.array([[-2, 0, 0, 0, 0]]), listed).tolist()
    [[1, 2, 0, 3, 4]]
    """
    # half a place more, so that who moves passes whom it meets
    wanted = np.arange(places.shape[1]) - places - 0.5 * np.sign(places)
    order: np.ndarray = np.argsort(np.where(is_listed, wanted, np.inf), axis=1, kind="stable")
    return order


def places_of_rows(boosts: Sequence[BoostSettings], items: Sequence[Row], user: Row) -> np.ndarray:
    """Places that each of some items, given as rows, moves up for one user: int64, (n_items,)."""
    places = np.zeros(len(items), dtype=np.int64)
    for boost in boosts:
        places += boost.places * _conditions((boost.when,)).allowed(items, user)
    return places
