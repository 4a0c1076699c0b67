"""Put items at fixed ranks of lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipelines.models.base import Exclusion


@dataclass(frozen=True)
class Pin:
    """An item and the rank at which it is pinned.

    Parameters
    ----------
    rank : int
        From 1; a list that ends before this rank gets the item at its end.
    item : int
        Position in the vocabulary of the lists.
    """

    rank: int
    item: int


@dataclass(frozen=True)
class PinnedLists:
    """Lists into which pinned items were inserted.

    Parameters
    ----------
    items : ndarray of int32, shape (n_users, k)
        -1 past the end.
    scores : ndarray of float, shape (n_users, k)
        Non-increasing along a row; NaN past the end.
    origin : ndarray of int64, shape (n_users, k)
        Column of the item in the lists as they were; -1 for a pinned item and past the end.
    """

    items: np.ndarray
    scores: np.ndarray
    origin: np.ndarray

    @property
    def is_pinned(self) -> np.ndarray:
        """Mask of the cells that hold a pinned item."""
        return (self.items >= 0) & (self.origin < 0)


def insert_pins(
    items: np.ndarray, scores: np.ndarray, pins: Sequence[Pin], exclude: Exclusion
) -> PinnedLists:
    """Insert pinned items at their ranks; the items from there on move down by one.

    Parameters
    ----------
    items : ndarray of int32, shape (n_users, k)
        Ranked positions; -1 past the end.
    scores : ndarray of float, shape (n_users, k)
    pins : sequence of Pin
        Distinct items and ranks.
    exclude : Exclusion
        In the rows of `items` and its vocabulary: a pinned item is not shown to users for whom it
        is excluded.

    Returns
    -------
    PinnedLists
        At most k items, as before; an item that was in a list already moves to its pinned rank.
        An empty list stays empty.

    Notes
    -----
    Pins are inserted from the first rank to the last, so none moves another. A pinned item gets
    the best score below it or, at the end of a list, the last score above it.
    """
    n_users, width = items.shape
    ordered = sorted(pins, key=lambda one: one.rank)
    has_list = (items >= 0).any(axis=1)
    wanted = [has_list & _may_be_shown(pin.item, n_users, exclude) for pin in ordered]
    found = _without(items, scores, ordered, wanted)
    for pin, users in zip(ordered, wanted, strict=True):
        order = _order_with(found.items, pin, users)
        cells = (
            np.column_stack([found.items, np.full(n_users, pin.item, dtype=items.dtype)]),
            np.column_stack([found.scores, np.full(n_users, np.nan, dtype=scores.dtype)]),
            np.column_stack([found.origin, np.full(n_users, -1)]),
        )
        found = PinnedLists(*(np.take_along_axis(cell, order, axis=1)[:, :width] for cell in cells))
    return replace(found, scores=falling_scores(found.items, found.scores))


def _without(
    items: np.ndarray, scores: np.ndarray, pins: Sequence[Pin], wanted: Sequence[np.ndarray]
) -> PinnedLists:
    """Take each user's pinned items out of the list and close the gaps."""
    goes = np.zeros(items.shape, dtype=bool)
    for pin, users in zip(pins, wanted, strict=True):
        goes |= (items == pin.item) & users[:, None]
    left = np.where(goes, -1, items)
    order = np.argsort(left < 0, axis=1, kind="stable")
    items = np.take_along_axis(left, order, axis=1)
    kept = np.take_along_axis(scores, order, axis=1)
    kept[items < 0] = np.nan
    return PinnedLists(items, kept, np.where(items >= 0, order, -1))


def _may_be_shown(item: int, n_users: int, exclude: Exclusion) -> np.ndarray:
    """Mask of the users for whom an item is not excluded."""
    if exclude.items is not None and exclude.items[item]:
        return np.zeros(n_users, dtype=bool)
    shown = np.ones(n_users, dtype=bool)
    if exclude.pairs is not None:
        shown &= exclude.pairs[:, [item]].toarray().ravel() == 0
    if exclude.groups is not None and exclude.group_items is not None:
        shown &= ~exclude.group_items[exclude.groups, item]
    return shown


def _order_with(items: np.ndarray, pin: Pin, wanted: np.ndarray) -> np.ndarray:
    """Order of every list's columns and of the pin, which counts as one more column."""
    width = items.shape[1]
    place = np.tile(np.arange(width, dtype=np.float64), (len(items), 1))
    at = np.minimum(pin.rank - 1, (items >= 0).sum(axis=1)) - 0.5
    # a pin that is not wanted sorts last and is cut off
    order: np.ndarray = np.argsort(
        np.column_stack([place, np.where(wanted, at, width)]), axis=1, kind="stable"
    )
    return order


def falling_scores(items: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Scores that never rise along a list: an item that moved up gets the best score below it.

    Parameters
    ----------
    items : ndarray of int, shape (n_users, k)
        -1 past the end.
    scores : ndarray of float, shape (n_users, k)
        Of the items, in any order; NaN where an item has none.

    Returns
    -------
    ndarray of float, shape (n_users, k)
        An item without a score at the end of a list gets the last score above it, 0 if there is
        none. NaN past the end.

    Examples
    --------
    >>> falling_scores(np.array([[5, 3, 4, -1]]), np.array([[0.2, 0.5, np.nan, np.nan]]))
    array([[0.5, 0.5, 0.5, nan]])
    """
    known = np.where((items >= 0) & ~np.isnan(scores), scores, -np.inf)
    best_below = np.maximum.accumulate(known[:, ::-1], axis=1)[:, ::-1]
    last_above = np.minimum.accumulate(
        np.where(np.isneginf(best_below), np.inf, best_below), axis=1
    )
    fallen = np.where(np.isneginf(best_below), last_above, best_below)
    fallen = np.where(np.isposinf(fallen), 0.0, fallen)
    result: np.ndarray = np.where(items >= 0, fallen, np.nan).astype(scores.dtype)
    return result
