"""Complete short lists with another recommender's items, without mixing up their scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pipelines.models.base import TopN


@dataclass(frozen=True)
class FilledLists:
    """Lists after back-filling.

    Parameters
    ----------
    item_ids : ndarray of str, shape (n_items,)
    items : ndarray of int32, shape (n_users, k)
        Positions into `item_ids`; -1 where nothing is left to show.
    scores : ndarray of float64, shape (n_users, k)
        Non-increasing along a row.
    own_count : ndarray of int, shape (n_users,)
        How many items at the head of each list are the recommender's own.
    is_met : ndarray of bool, shape (n_users, k), optional
        Of those, the ones that do not just complete the list; None if all are.
    origin : ndarray of int, shape (n_users, k), optional
        Where each item stood before the placement's pins were put in: the column that
        `own_count` and `is_met` speak of; -1 for a pinned item. None without pins.
    """

    item_ids: np.ndarray
    items: np.ndarray
    scores: np.ndarray
    own_count: np.ndarray
    is_met: np.ndarray | None = None
    origin: np.ndarray | None = None


def back_fill(own: TopN, spare: TopN) -> FilledLists:
    """Complete each list with another recommender's items that are not in it yet.

    Parameters
    ----------
    own : TopN
        Lists to complete, of shape (n_users, k).
    spare : TopN
        The other recommender's lists of the same users and length.

    Returns
    -------
    FilledLists

    Notes
    -----
    The two recommenders' scores have different scales. A filled row keeps its distance to the
    first filled row, shifted to start at the list's last own score: with own scores
    ``s_1 >= … >= s_m`` and filled scores ``f_1 >= f_2 >= …``, row ``m + j`` gets
    ``s_m - (f_1 - f_j)``. So a whole list never increases, stays finite, and where there is no
    own item the fallback's scores are unchanged.
    """
    item_ids = own.item_ids
    own_items, spare_items = own.items, spare.items
    if not np.array_equal(own.item_ids, spare.item_ids):
        item_ids = np.union1d(own.item_ids, spare.item_ids)
        own_items = _translate(own, item_ids)
        spare_items = _translate(spare, item_ids)
    items = own_items.copy()
    scores = own.scores.astype(np.float64)
    own_count = (own_items >= 0).sum(axis=1)
    rows, columns, targets = _placed(own_items, spare_items, own_count, len(item_ids))
    items[rows, targets] = spare_items[rows, columns]
    scores[rows, targets] = spare.scores[rows, columns]
    _shift_filled(scores, own_count)
    return FilledLists(item_ids, items, scores, own_count)


def _placed(
    own_items: np.ndarray, spare_items: np.ndarray, own_count: np.ndarray, n_items: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row, column in `spare` and column in the list of every item that is filled in."""
    offset = np.arange(len(own_items), dtype=np.int64)[:, None] * n_items
    taken = np.where(own_items >= 0, own_items + offset, -1)
    is_new = (spare_items >= 0) & ~np.isin(spare_items + offset, taken)
    target = own_count[:, None] + np.cumsum(is_new, axis=1) - 1
    rows, columns = np.nonzero(is_new & (target < own_items.shape[1]))
    return rows, columns, target[rows, columns]


def _shift_filled(scores: np.ndarray, own_count: np.ndarray) -> None:
    """Let filled scores start at the last own score; in place."""
    width = scores.shape[1]
    mixed = np.flatnonzero((own_count > 0) & (own_count < width))
    start = own_count[mixed]
    first_filled = scores[mixed, start]
    last_own = scores[mixed, start - 1]
    is_filled = np.arange(width) >= start[:, None]
    shifted = last_own[:, None] - (first_filled[:, None] - scores[mixed])
    scores[mixed] = np.where(is_filled, shifted, scores[mixed])


def _translate(lists: TopN, item_ids: np.ndarray) -> np.ndarray:
    """Positions into another sorted vocabulary that holds every item of this one."""
    position = np.searchsorted(item_ids, lists.item_ids).astype(np.int32)
    return np.where(lists.items >= 0, position[lists.items], -1).astype(np.int32)
