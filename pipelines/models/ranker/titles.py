"""How much an item's title resembles the titles of what a user chose."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.parameters import choice_types

#: Half-life in days of a choice in a user's profile.
PROFILE_HALF_LIFE_DAYS = 60.0
#: Number of nearest titles that are averaged.
NEAREST = 3

TITLE_FEATURES = (
    "title_nearest",
    "title_nearest_3",
    "title_nearest_last_basket",
    "title_profile",
)


def read_likeness(
    history: Interactions,
    event_weights: Mapping[str, float],
    vectors: sparse.csr_array,
    user: np.ndarray,
    item: np.ndarray,
) -> np.ndarray:
    """Cosine similarities between an item's title and those a user chose, for many pairs.

    Parameters
    ----------
    event_weights : mapping of str to float
        Weight of one event of a type; types of positive weight are choices.
    vectors : csr_array of shape (n_items, n_tokens), float32
        As `weigh_titles` returns them.
    user, item : ndarray of int, shape (n_rows,)
        Sorted by user.

    Returns
    -------
    ndarray of float32, shape (n_rows, 4)
        Columns `TITLE_FEATURES`: the cosine with the nearest other item that the user chose, the
        mean over the nearest three, the nearest in the user's last basket, and the cosine with
        the decayed sum of all. 0 where nothing is known.
    """
    found = np.zeros((len(user), len(TITLE_FEATURES)), dtype=np.float32)
    if not vectors.shape[1]:
        return found
    choices = dict.fromkeys(choice_types(event_weights), 1.0)
    decayed = history.matrix(choices, half_life_days=PROFILE_HALF_LIFE_DAYS)
    is_last = _in_last_basket(history, choices)
    starts = np.searchsorted(user, np.arange(history.n_users + 1))
    for one in np.unique(user):
        rows = slice(starts[one], starts[one + 1])
        of_user = slice(decayed.indptr[one], decayed.indptr[one + 1])
        chosen = decayed.indices[of_user]
        if len(chosen):
            found[rows] = _describe(
                vectors, chosen, decayed.data[of_user], is_last[of_user], item[rows]
            )
    return found


def _in_last_basket(history: Interactions, choices: Mapping[str, float]) -> np.ndarray:
    """Mask of the entries in the matrix of choices that are in the user's last basket."""
    is_choice = history.rows_of(choices)
    user, item = history.user[is_choice], history.item[is_choice]
    age = history.age_days[is_choice]
    newest = np.full(history.n_users, np.iinfo(np.int32).max, dtype=np.int64)
    np.minimum.at(newest, user, age)
    keys = user.astype(np.int64) * history.n_items + item
    return np.isin(np.unique(keys), keys[age == newest[user]])


def _describe(
    vectors: sparse.csr_array,
    chosen: np.ndarray,
    weight: np.ndarray,
    is_last: np.ndarray,
    item: np.ndarray,
) -> np.ndarray:
    mine = vectors[chosen]
    alike = (mine @ vectors[item].T).toarray()
    # cos(p_u, v_i) = p_u·v_i / |p_u|, as |v_i| = 1
    length = np.linalg.norm(np.asarray(weight @ mine))
    profile = weight @ alike / max(length, np.finfo(np.float32).tiny)
    alike[chosen[:, None] == item] = 0.0  # an item resembles itself whatever its title
    few = min(NEAREST, len(chosen))
    nearest = np.partition(alike, len(chosen) - few, axis=0)[-few:]
    last = alike[is_last].max(axis=0, initial=0.0)
    return np.column_stack([nearest.max(axis=0), nearest.mean(axis=0), last, profile])
