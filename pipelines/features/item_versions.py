"""Attributes of items in versions, each with the first cutoff that knew it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True)
class ItemAttributes:
    """Attributes of every item of a vocabulary, as known at one cutoff.

    Parameters
    ----------
    title, category : ndarray of object, shape (n_items,)
        Text; empty where unknown.
    price : ndarray of float64, shape (n_items,)
        Of one unit; NaN where unknown.
    is_available : ndarray of bool, shape (n_items,)
        True where unknown, as in `features.feat_items`.
    """

    title: np.ndarray
    category: np.ndarray
    price: np.ndarray
    is_available: np.ndarray


@dataclass(frozen=True)
class ItemVersions:
    """Versions of items' attributes that a cutoff knows: the newest and earlier ones.

    One row per item and first cutoff that knew it, sorted by item, the newest version last. A
    version becomes known at the first cutoff after the day it holds from and the day it arrived
    (`intermediate.int_item_versions`): what holds from the cutoff's own day on is not known to it.
    Versions that a later one replaced before any cutoff knew them are left out.

    Parameters
    ----------
    item : ndarray of int32, shape (n_versions,)
        Positions into the history's `item_ids`.
    known_age_days : ndarray of int32, shape (n_versions,)
        Days from the first cutoff that knew the version to this one; 0 if this is the first.
    title, category : ndarray of object, shape (n_versions,)
        Text; empty where unknown.
    price : ndarray of float64, shape (n_versions,)
        Of one unit; NaN where unknown.
    is_available : ndarray of bool, shape (n_versions,)
    """

    item: np.ndarray
    known_age_days: np.ndarray
    title: np.ndarray
    category: np.ndarray
    price: np.ndarray
    is_available: np.ndarray

    @classmethod
    def none(cls) -> ItemVersions:
        """No versions: nothing is known of any item."""
        return cls(
            item=np.empty(0, dtype=np.int32),
            known_age_days=np.empty(0, dtype=np.int32),
            title=np.empty(0, dtype=object),
            category=np.empty(0, dtype=object),
            price=np.empty(0, dtype=np.float64),
            is_available=np.empty(0, dtype=bool),
        )

    def __len__(self) -> int:
        """Number of versions."""
        return len(self.item)

    def before(self, shift_days: int) -> ItemVersions:
        """The versions known at a cutoff `shift_days` earlier, as of that cutoff."""
        earlier = self._select(self.known_age_days >= shift_days)
        return replace(
            earlier, known_age_days=(earlier.known_age_days - shift_days).astype(np.int32)
        )

    def with_items(self, position: np.ndarray, is_kept: np.ndarray) -> ItemVersions:
        """The same versions over another sorted vocabulary.

        Parameters
        ----------
        position : ndarray of int, shape (n_items,)
            Of each item of the old vocabulary, its place in the new one.
        is_kept : ndarray of bool, shape (n_items,)
            Whether the new vocabulary has the item; versions of others are dropped.
        """
        kept = self._select(is_kept[self.item])
        return replace(kept, item=position[kept.item].astype(np.int32))

    def current(self, n_items: int) -> ItemAttributes:
        """Attributes of every item in its newest known version.

        Parameters
        ----------
        n_items : int
            Size of the vocabulary that `item` points into.
        """
        is_newest = np.append(self.item[1:] != self.item[:-1], True)[: len(self)]
        newest = self._select(is_newest)
        title, category = (np.full(n_items, "", dtype=object) for _ in range(2))
        price, is_available = np.full(n_items, np.nan), np.ones(n_items, dtype=bool)
        title[newest.item], category[newest.item] = newest.title, newest.category
        price[newest.item], is_available[newest.item] = newest.price, newest.is_available
        return ItemAttributes(title, category, price, is_available)

    def first_known_age_days(self, n_items: int) -> np.ndarray:
        """Days since the first cutoff that knew anything of each item.

        Parameters
        ----------
        n_items : int
            Size of the vocabulary that `item` points into.

        Returns
        -------
        ndarray of float64, shape (n_items,)
            0 where nothing is known.
        """
        age = np.zeros(n_items)
        np.maximum.at(age, self.item, self.known_age_days)
        return age

    def content_hash(self) -> str:
        """sha256 over every array: equal for equal versions."""
        digest = hashlib.sha256()
        for array in (self.item, self.known_age_days, self.price, self.is_available):
            digest.update(np.ascontiguousarray(array).tobytes())
        for text in (self.title, self.category):
            digest.update(("\x1f".join(text.tolist()) + "\x1e").encode())
        return digest.hexdigest()

    def _select(self, chosen: np.ndarray) -> ItemVersions:
        return replace(
            self, **{field.name: getattr(self, field.name)[chosen] for field in fields(self)}
        )
