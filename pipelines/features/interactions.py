"""`Interactions`: histories of users as arrays, as known at one cutoff."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from typing import Any

import numpy as np
from scipy import sparse

from pipelines.base.errors import InvalidHistoryError
from pipelines.features.item_versions import ItemAttributes, ItemVersions

#: Attributes with a value per row.
ROW_COLUMNS = ("user", "item", "event_type", "age_days", "event_count", "last_event_at")


@dataclass(frozen=True)
class Interactions:
    """Histories of users over a fixed vocabulary of items, as of a cutoff.

    One row per (user, item, event type, day), sorted in that order. Rows are positions into
    `user_ids` and `item_ids`. Users without rows are allowed.

    Parameters
    ----------
    cutoff : date
        Nothing at or after this day is inside.
    user_ids : ndarray of str, shape (n_users,)
        Sorted, unique.
    item_ids : ndarray of str, shape (n_items,)
        Sorted, unique; the column order everywhere, so ties broken by column are broken by
        item_id.
    event_types : tuple of str
        Names of the codes in `event_type`.
    user, item : ndarray of int32, shape (n_rows,)
    event_type : ndarray of int8, shape (n_rows,)
    age_days : ndarray of int32, shape (n_rows,)
        Whole days between the day and the cutoff; the day before the cutoff has age 1.
    event_count : ndarray of float32, shape (n_rows,)
        Events on that day.
    last_event_at : ndarray of datetime64[us], shape (n_rows,)
        The latest of them, UTC.
    item_attributes : ItemVersions, optional
        Titles, categories and prices as the cutoff and those before it knew them, one row per
        version of an item; default none known.
    """

    cutoff: date
    user_ids: np.ndarray
    item_ids: np.ndarray
    event_types: tuple[str, ...]
    user: np.ndarray
    item: np.ndarray
    event_type: np.ndarray
    age_days: np.ndarray
    event_count: np.ndarray
    last_event_at: np.ndarray
    item_attributes: ItemVersions = field(default_factory=ItemVersions.none)

    @property
    def n_users(self) -> int:
        """Number of users, with or without rows."""
        return len(self.user_ids)

    @property
    def n_items(self) -> int:
        """Size of the item vocabulary."""
        return len(self.item_ids)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_users, n_items)."""
        return (self.n_users, self.n_items)

    @cached_property
    def row_starts(self) -> np.ndarray:
        """First row of every user, and the number of rows: int64, shape (n_users + 1,)."""
        return np.searchsorted(self.user, np.arange(self.n_users + 1))

    def current_attributes(self) -> ItemAttributes:
        """Title, category, price and availability of every item, as known at the cutoff."""
        return self.item_attributes.current(self.n_items)

    def matrix(
        self,
        event_weights: Mapping[str, float],
        *,
        half_life_days: float | None = None,
    ) -> sparse.csr_array:
        """Weighted user-item matrix.

        Parameters
        ----------
        event_weights : mapping of str to float
            Weight of one event of a type; types left out weigh nothing.
        half_life_days : float, optional
            An event this old counts half: ``2 ** (-age_days / half_life_days)``.

        Returns
        -------
        csr_array of shape (n_users, n_items), float32
            Sums, with pairs whose sum is not positive left out; indices sorted.
        """
        weight_of = np.array([event_weights.get(kind, 0.0) for kind in self.event_types])
        value = (weight_of[self.event_type] if len(weight_of) else 0.0) * self.event_count
        if half_life_days is not None:
            value = value * np.exp2(-self.age_days / half_life_days)
        matrix = sparse.csr_array(
            (value.astype(np.float64), (self.user, self.item)), shape=self.shape
        )
        matrix.sum_duplicates()
        matrix.data[matrix.data < 0] = 0.0
        matrix.eliminate_zeros()
        return matrix.astype(np.float32)

    def pairs(
        self, event_types: Sequence[str] | None = None, *, within_days: int | None = None
    ) -> sparse.csr_array:
        """User-item matrix of the pairs with at least one event.

        Parameters
        ----------
        event_types : sequence of str, optional
            Only events of these types; default all.
        within_days : int, optional
            Only events at most this many days before the cutoff.

        Returns
        -------
        csr_array of shape (n_users, n_items), bool
        """
        keep = self.rows_of(self.event_types if event_types is None else event_types)
        if within_days is not None:
            keep &= self.age_days <= within_days
        return self.pairs_of_rows(keep)

    def rows_of(self, event_types: Collection[str]) -> np.ndarray:
        """Mask of the rows with some event types: ndarray of bool, shape (n_rows,)."""
        is_asked = np.array([kind in event_types for kind in self.event_types], dtype=bool)
        return is_asked[self.event_type]

    def pairs_of_rows(self, keep: np.ndarray) -> sparse.csr_array:
        """User-item matrix of the pairs that occur in some rows.

        Parameters
        ----------
        keep : ndarray of bool, shape (n_rows,), or of int, positions of rows

        Returns
        -------
        csr_array of shape (n_users, n_items), bool
        """
        user, item = self.user[keep], self.item[keep]
        ones = np.ones(len(user), dtype=np.int32)
        met = sparse.csr_array((ones, (user, item)), shape=self.shape)
        met.sum_duplicates()
        return met.astype(bool)

    def select_users(self, positions: np.ndarray | slice) -> Interactions:
        """Histories of some users, in the order given, over the same items.

        Parameters
        ----------
        positions : ndarray of int or slice
            Positions into `user_ids`; the result keeps this order.
        """
        chosen = np.arange(self.n_users)[positions]
        counts = np.diff(self.row_starts)[chosen]
        offsets = np.repeat(self.row_starts[chosen] - (np.cumsum(counts) - counts), counts)
        rows = np.arange(counts.sum()) + offsets
        new_user = np.repeat(np.arange(len(chosen), dtype=np.int32), counts)
        return replace(
            self,
            user_ids=self.user_ids[chosen],
            **self._columns(rows) | {"user": new_user},
        )

    def without_rows_of(self, users: np.ndarray) -> Interactions:
        """The same users and items, but no rows of the users of a mask."""
        keep = ~users[self.user]
        return replace(
            self,
            user=self.user[keep],
            item=self.item[keep],
            event_type=self.event_type[keep],
            age_days=self.age_days[keep],
            event_count=self.event_count[keep],
            last_event_at=self.last_event_at[keep],
        )

    def before(self, day: date) -> Interactions:
        """The same histories as of an earlier cutoff, over the same users and items.

        Parameters
        ----------
        day : date
            The earlier cutoff. Users and items without a row before it stay, without rows; of
            items, only what that cutoff knew stays known.
        """
        shift = (self.cutoff - day).days
        kept = self._columns(self.age_days > shift)
        return replace(
            self,
            cutoff=day,
            item_attributes=self.item_attributes.before(shift),
            **kept | {"age_days": (kept["age_days"] - shift).astype(np.int32)},
        )

    def with_items(self, item_ids: np.ndarray) -> Interactions:
        """The same histories over another sorted vocabulary; items outside it are dropped."""
        if np.array_equal(item_ids, self.item_ids):
            return self
        if not len(item_ids):
            raise InvalidHistoryError(
                "A vocabulary must hold at least one item. Got none. Check the item feed."
            )
        position = np.searchsorted(item_ids, self.item_ids).clip(0, len(item_ids) - 1)
        known = item_ids[position] == self.item_ids
        kept = self._columns(known[self.item])
        return replace(
            self,
            item_ids=item_ids,
            item_attributes=self.item_attributes.with_items(position, known),
            **kept | {"item": position[kept["item"]].astype(np.int32)},
        )

    def _columns(self, rows: np.ndarray) -> dict[str, Any]:
        """The columns of some rows, given as a mask or as positions."""
        return {name: getattr(self, name)[rows] for name in ROW_COLUMNS}

    def content_hash(self) -> str:
        """sha256 over every array: equal for equal histories, whatever file they came from."""
        return self._content_hash

    @cached_property
    def _content_hash(self) -> str:
        digest = hashlib.sha256(repr((self.cutoff, self.event_types)).encode())
        for ids in (self.user_ids, self.item_ids):
            digest.update("\x1f".join(ids.tolist()).encode())
        for name in ROW_COLUMNS:
            digest.update(np.ascontiguousarray(getattr(self, name)).tobytes())
        digest.update(self.item_attributes.content_hash().encode())
        return digest.hexdigest()
