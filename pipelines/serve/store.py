"""One verified publication, looked up in microseconds."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pipelines.errors import PublicationNotFoundError
from pipelines.recommend.current import SCHEMA_VERSION, Publication

_BROKEN = (sqlite3.Error, OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class StoredList:
    """A list as it was published."""

    items: list[str]
    scores: list[float]
    labels: list[dict[str, Any]]
    model_version: str


@dataclass(frozen=True)
class ItemInfo:
    """What the publication knows of an item."""

    title: str | None
    category: str | None
    price: float | None
    is_available: bool | None


@dataclass(frozen=True)
class PlacementRules:
    """A placement's rules as the publication's night had them."""

    exclude: str | tuple[str, ...]
    exclude_within_days: int | None
    list_length: int
    max_per_category: int | None
    rerank_depth: int
    pinned: tuple[Mapping[str, Any], ...]


class ListStore:
    """Look-ups in `lists.sqlite`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        meta = dict(connection.execute("select key, value from meta"))
        if int(meta["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"schema_version {meta['schema_version']}")
        self.publication_id: str = meta["publication_id"]
        self.as_of = date.fromisoformat(meta["as_of"])
        moment = datetime.fromisoformat(meta["generated_at"])
        self.generated_at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self.exposure_types = frozenset(json.loads(meta["exposure_types"]))
        self.placements: Mapping[str, PlacementRules] = {
            name: PlacementRules(
                **{
                    **rules,
                    "exclude": rules["exclude"]
                    if isinstance(rules["exclude"], str)
                    else tuple(rules["exclude"]),
                    "pinned": tuple(rules["pinned"]),
                }
            )
            for name, rules in json.loads(meta["placements"]).items()
        }

    @classmethod
    def open(cls, publication: Publication) -> ListStore:
        """Open a publication's look-ups."""
        path = publication.folder / "lists.sqlite"
        try:
            connection = sqlite3.connect(
                f"file:{path}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            return cls(connection)
        except _BROKEN as error:
            raise PublicationNotFoundError(
                f"lists.sqlite must be readable and of schema {SCHEMA_VERSION}. Found {error!r} in "
                f"{path}. Publish the night again."
            ) from error

    def _one(self, sql: str, *values: str) -> Any:
        with self._lock:
            row = self._connection.execute(sql, values).fetchone()
        return None if row is None else json.loads(row[0])

    def get_list(self, placement: str, variant: str, user_id: str) -> StoredList | None:
        """A user's list."""
        found = self._one(
            "select payload from lists where placement = ? and variant = ? and user_id = ?",
            *(placement, variant, user_id),
        )
        return None if found is None else StoredList(**found)

    def get_fallback(self, placement: str, category: str = "") -> StoredList | None:
        """The list for anyone."""
        found = self._one(
            "select payload from fallbacks where placement = ? and category = ?",
            *(placement, category),
        )
        return None if found is None else StoredList(**found)

    def get_exclusions(self, placement: str, user_id: str) -> frozenset[str]:
        """Items that the placement's rule kept from a user at as_of."""
        found = self._one(
            "select payload from exclusions where placement = ? and user_id = ?", placement, user_id
        )
        return frozenset(found or ())

    def get_similar(self, item_id: str) -> StoredList | None:
        """Items like this one."""
        found = self._one("select payload from similar where item_id = ?", item_id)
        return None if found is None else StoredList(**found)

    def get_items(self, item_ids: Iterable[str]) -> dict[str, ItemInfo]:
        """What is known of some items."""
        wanted = list(item_ids)
        marks = ", ".join("?" * len(wanted))
        with self._lock:
            rows = self._connection.execute(
                f"select item_id, title, category, price, is_available from items"
                f" where item_id in ({marks})",
                wanted,
            ).fetchall()
        return {
            row[0]: ItemInfo(row[1], row[2], row[3], None if row[4] is None else bool(row[4]))
            for row in rows
        }

    def sample_check(self, n: int = 100) -> None:
        """Look up n random lists."""
        try:
            rows = self._connection.execute("select placement, variant, user_id from lists")
            keys = rows.fetchall()
            for key in random.Random(0).sample(keys, min(n, len(keys))):
                self.get_list(*key)
        except _BROKEN as error:
            raise PublicationNotFoundError(
                f"Random look-ups must parse. Found {error!r}. Publish the night again."
            ) from error

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()
