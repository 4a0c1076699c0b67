"""Which of many rows are looked at, where all of them would take too long."""

from __future__ import annotations

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
