"""Repeatable samples of rows and users, where all of them would take too long."""

from __future__ import annotations

import zlib

import numpy as np


def evenly_spaced(count: int, at_most: int) -> np.ndarray:
    """Positions of `at_most` evenly spaced rows, the first and the last among them, or of all.

    Returns
    -------
    ndarray of int64, shape (min(count, at_most),)
        Ascending.

    Examples
    --------
    >>> evenly_spaced(3, 4), evenly_spaced(9, 3)
    (array([0, 1, 2]), array([0, 4, 8]))
    """
    if count <= at_most:
        return np.arange(count)
    return np.linspace(0, count - 1, at_most).astype(np.int64)


def hash_ids(ids: np.ndarray) -> np.ndarray:
    """CRC-32 of every id: ndarray of int64."""
    return np.array([zlib.crc32(one.encode()) for one in ids.tolist()], dtype=np.int64)


def lowest_hashes(users: np.ndarray, hashes: np.ndarray, at_most: int) -> np.ndarray:
    """The `at_most` users with the lowest hashes, or all if they are fewer.

    Other users decide only where the line falls, not the order in which users are taken.

    Parameters
    ----------
    users : ndarray of int, shape (n_users,)
        Positions into `hashes`, ascending.
    hashes : ndarray of int
        Hashes of everybody's user_id.

    Returns
    -------
    ndarray of int, shape (min(n_users, at_most),)
        Ascending.
    """
    if len(users) <= at_most:
        return users
    kept = np.lexsort((users, hashes[users]))[:at_most]
    return np.sort(users[kept])
