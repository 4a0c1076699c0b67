"""Popular lists held in memory, for the moment when the publication's file cannot be read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from pipelines.base.errors import PublicationNotFoundError
from pipelines.serve.answer.list_store import ItemInfo, ListStore, StoredList

#: Errors of a look-up in a file that was damaged after it was checked.
STORE_FAILURES = (
    sqlite3.Error,
    PublicationNotFoundError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
)


class StaticLists:
    """The look-ups of a `ListStore`, held in memory for the lists for anyone only.

    Parameters
    ----------
    store : ListStore
        Its lists for anyone, with their items, are copied.
    """

    def __init__(self, store: ListStore) -> None:
        self.publication_id = store.publication_id
        self.as_of = store.as_of
        self.generated_at = store.generated_at
        self.placements = store.placements
        self.exposure_types = store.exposure_types
        self._lists = {name: store.get_fallback(name) for name in store.placements}
        shown = {item for one in self._lists.values() if one is not None for item in one.items}
        self._kept = {name: store.get_exclusions(name, "") for name in store.placements}
        pinned = {pin["item_id"] for rules in store.placements.values() for pin in rules.pinned}
        self._items = store.get_items(sorted(shown | pinned))
        has_rules = any(rules.eligible for rules in store.placements.values())
        self._attributes = store.get_item_attributes(sorted(shown | pinned)) if has_rules else {}

    def get_list(self, placement: str, variant: str, user_id: str) -> StoredList | None:
        """None: nobody's own list is held."""
        del placement, variant, user_id
        return None

    def get_fallback(self, placement: str, category: str = "") -> StoredList | None:
        """A placement's list for anyone, whatever the category."""
        del category
        return self._lists.get(placement)

    def get_exclusions(self, placement: str, user_id: str) -> frozenset[str]:
        """Items kept from everybody; items kept from single users are not held."""
        del user_id
        return self._kept[placement]

    def get_person(self, user_id: str) -> dict[str, Any]:
        """Nothing: nobody's attributes are held."""
        del user_id
        return {}

    def get_item_attributes(self, item_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Further attributes, by item_id, of those items that are in a list for anyone."""
        return {one: self._attributes[one] for one in item_ids if one in self._attributes}

    def get_pool(self, placement: str) -> StoredList | None:
        """None: only the list for anyone is held."""
        del placement
        return None

    def get_similar(self, item_id: str) -> StoredList | None:
        """None: no list of similar items is held."""
        del item_id
        return None

    def get_items(self, item_ids: Iterable[str]) -> dict[str, ItemInfo]:
        """Attributes, by item_id, of those items that are in a list for anyone."""
        return {item_id: self._items[item_id] for item_id in item_ids if item_id in self._items}
