"""Histories as sequences of baskets; a basket is what a user chose on one day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.parameters import choice_types


@dataclass(frozen=True)
class Baskets:
    """Baskets, one per user and day with a choice, by user and then from oldest to newest.

    Parameters
    ----------
    items : csr_array of shape (n_baskets, n_items), float32
        1 where the basket holds the item.
    user : ndarray of int32, shape (n_baskets,)
    age_days : ndarray of int32, shape (n_baskets,)
    place : ndarray of int64, shape (n_baskets,)
        Number of later baskets of the same user; 0 for the user's last.
    """

    items: sparse.csr_array
    user: np.ndarray
    age_days: np.ndarray
    place: np.ndarray


def read_baskets(history: Interactions, event_weights: Mapping[str, float]) -> Baskets:
    """Read the baskets of a history from its events of positive weight.

    Parameters
    ----------
    event_weights : mapping of str to float
        Weight of one event of a type; types of positive weight are choices.
    """
    chosen = history.rows_of(choice_types(event_weights))
    user, age, item = history.user[chosen], history.age_days[chosen], history.item[chosen]
    longest = int(age.max(initial=0)) + 1
    key = user.astype(np.int64) * longest + (longest - 1 - age)
    distinct, row = np.unique(key, return_inverse=True)
    items = sparse.csr_array(
        (np.ones(len(row), dtype=np.float32), (row, item)),
        shape=(len(distinct), history.n_items),
    )
    items.sum_duplicates()
    items.data[:] = 1.0
    owner = (distinct // longest).astype(np.int32)
    end = np.searchsorted(owner, owner, side="right")
    place = end - 1 - np.arange(len(owner))
    return Baskets(items, owner, (longest - 1 - distinct % longest).astype(np.int32), place)
