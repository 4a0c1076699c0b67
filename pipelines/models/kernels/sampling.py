"""Which of many rows are looked at, where all of them would take too long."""

from __future__ import annotations

import zlib

import numpy as np


def evenly_spaced(count: int, at_most: int) -> np.ndarray:
    """Positions of rows: all of them, or so many evenly spaced, the first and the last among them.

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
    """All of some users, or those with the lowest hashes.

    Who is taken does not depend on who else is there, but for where the line falls.

    Parameters
    ----------
    users : ndarray of int, shape (n_users,)
        Positions into `hashes`, ascending.
    hashes : ndarray of int
        Of everybody's user_id.
    at_most : int

    Returns
    -------
    ndarray of int, shape (min(n_users, at_most),)
        Ascending.
    """
    if len(users) <= at_most:
        return users
    kept = np.lexsort((users, hashes[users]))[:at_most]
    return np.sort(users[kept])
