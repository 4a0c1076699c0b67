"""One publication's lists, looked up in microseconds by any thread."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any

from pipelines.errors import PublicationNotFoundError
from pipelines.experiments import Experiment
from pipelines.models.shown_items import CONTROL
from pipelines.recommend.current import LOOKUPS, SCHEMA_VERSION, Publication

#: What a file that is not one of ours, or not whole, may raise.
BROKEN = (sqlite3.Error, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class StoredList:
    """A list as it was published, best first.

    Parameters
    ----------
    items : list of str
        Item ids in order of rank.
    scores : list of float
        Of the items; non-increasing.
    labels : list of dict
        ``from_rank``, ``strategy`` and ``reason``; each holds up to the next one's rank.
    model_version : str
    """

    items: list[str]
    scores: list[float]
    labels: list[dict[str, Any]]
    model_version: str


@dataclass(frozen=True)
class ItemInfo:
    """What the publication's night knew of an item; None where it knew nothing."""

    title: str | None
    category: str | None
    price: float | None
    is_available: bool | None


@dataclass(frozen=True)
class PlacementRules:
    """What a placement may show, as the publication's night had it.

    Parameters
    ----------
    exclude : str or tuple of str
        ``none``, ``all``, or the event types that keep an item from its user.
    exclude_within_days : int or None
        Only events this recent do.
    list_length, rerank_depth : int
    max_per_category : int or None
    pinned : tuple of mapping
        ``item_id`` and ``rank``.
    """

    exclude: str | tuple[str, ...]
    exclude_within_days: int | None
    list_length: int
    max_per_category: int | None
    rerank_depth: int
    pinned: tuple[Mapping[str, Any], ...]


class ListStore:
    """Look-ups in the `lists.sqlite` of one publication.

    The file never changes, so it is opened without locks, and what was read once stays true. Every
    thread may ask.

    Attributes
    ----------
    publication_id : str
    as_of : date
    generated_at : datetime
        UTC.
    placements : mapping of str to PlacementRules
        The first is the default placement.
    exposure_types : frozenset of str
        Event types that tell what a user was shown, not what the user did.
    experiments : mapping of str to Experiment
        By placement: the one whose arms' lists are in the file.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # One connection and a lock: a look-up is shorter than what a second connection would save.
        self._lock = threading.Lock()
        meta = dict(connection.execute("select key, value from meta"))
        if int(meta["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"schema_version {meta['schema_version']}")
        self.publication_id: str = meta["publication_id"]
        self.as_of = date.fromisoformat(meta["as_of"])
        self.generated_at = datetime.fromisoformat(meta["generated_at"]).replace(tzinfo=UTC)
        self.exposure_types = frozenset(json.loads(meta["exposure_types"]))
        self.placements: Mapping[str, PlacementRules] = {
            name: _read_rules(values) for name, values in json.loads(meta["placements"]).items()
        }
        running = [Experiment.from_dict(one) for one in json.loads(meta.get("experiments", "[]"))]
        self.experiments = {one.definition.placement: one for one in running}

    @classmethod
    def open(cls, publication: Publication) -> ListStore:
        """Open a publication whose hashes were verified.

        Raises
        ------
        PublicationNotFoundError
            If its `lists.sqlite` cannot be read, is of another schema version, or is another
            publication's.
        """
        path = publication.folder / LOOKUPS
        try:
            connection = sqlite3.connect(
                f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
            )
            try:
                store = cls(connection)
                if store.publication_id != publication.publication_id:
                    raise ValueError(f"the lists of {store.publication_id}")
            except BROKEN:
                connection.close()
                raise
        except BROKEN as error:
            raise PublicationNotFoundError(
                f"{LOOKUPS} must be that of {publication.publication_id}, readable, and of schema "
                f"version {SCHEMA_VERSION}. Found {error!r} in {path}. Publish that night again "
                f"(`recsys publish --as-of {publication.as_of}`) or roll back to another one."
            ) from error
        return store

    def get_list(self, placement: str, variant: str, user_id: str) -> StoredList | None:
        """A user's list; None if there is none."""
        payload = self._payload(
            "select payload from lists where placement = ? and variant = ? and user_id = ?",
            *(placement, variant, user_id),
        )
        return None if payload is None else StoredList(**json.loads(payload))

    def variants(self, placement: str) -> tuple[str, ...]:
        """Variants that a placement has lists of, control first."""
        experiment = self.experiments.get(placement)
        return tuple(arm.name for arm in experiment.definition.arms) if experiment else (CONTROL,)

    def get_fallback(self, placement: str, category: str = "") -> StoredList | None:
        """The list for anyone, or the best items of a category for anyone."""
        payload = self._payload(
            "select payload from fallbacks where placement = ? and category = ?",
            *(placement, category),
        )
        return None if payload is None else StoredList(**json.loads(payload))

    def get_exclusions(self, placement: str, user_id: str) -> frozenset[str]:
        """Items that the placement's rule kept from a user at `as_of`."""
        payload = self._payload(
            "select payload from exclusions where placement = ? and user_id = ?",
            *(placement, user_id),
        )
        return frozenset() if payload is None else frozenset(json.loads(payload))

    def get_similar(self, item_id: str) -> StoredList | None:
        """Items like this one; None if nothing is known to be."""
        payload = self._payload("select payload from similar where item_id = ?", item_id)
        return None if payload is None else StoredList(**json.loads(payload))

    def get_items(self, item_ids: Iterable[str]) -> dict[str, ItemInfo]:
        """What is known of some items, by item_id; those not known are left out."""
        wanted = json.dumps(list(item_ids))
        with self._lock:
            rows = self._connection.execute(
                "select item_id, title, category, price, is_available from items"
                " where item_id in (select value from json_each(?))",
                (wanted,),
            ).fetchall()
        return {
            item_id: ItemInfo(title, category, price, None if shown is None else bool(shown))
            for item_id, title, category, price, shown in rows
        }

    def sample_check(self, n: int = 100) -> None:
        """Look up random lists, as a last test before a publication is served.

        Parameters
        ----------
        n : int, default 100
            Look-ups; fewer if there are fewer lists.

        Raises
        ------
        PublicationNotFoundError
            If one cannot be read, or is not a list.
        """
        try:
            with self._lock:
                keys = self._connection.execute(
                    "select placement, variant, user_id from lists"
                ).fetchall()
            for key in random.sample(keys, min(n, len(keys))):
                found = self.get_list(*key)
                if found is None or not 0 < len(found.items) == len(found.scores):
                    raise ValueError(f"no list of {key} but {found}")
        except BROKEN as error:
            raise PublicationNotFoundError(
                f"Random look-ups in {self.publication_id} must give lists. Found {error!r}. "
                f"Publish that night again (`recsys publish --as-of {self.as_of}`) or roll back."
            ) from error

    def close(self) -> None:
        """Let the file go; later look-ups raise `sqlite3.ProgrammingError`."""
        with self._lock:
            self._connection.close()

    def _payload(self, sql: str, *key: str) -> str | None:
        with self._lock:
            row = self._connection.execute(sql, key).fetchone()
        return None if row is None else str(row[0])


def _read_rules(values: Mapping[str, Any]) -> PlacementRules:
    """The rules that answers need; a publication may tell others, for people."""
    exclude, pinned = values["exclude"], tuple(values["pinned"])
    chosen = exclude if isinstance(exclude, str) else tuple(exclude)
    needed = {field.name: values[field.name] for field in fields(PlacementRules)}
    return PlacementRules(**{**needed, "exclude": chosen, "pinned": pinned})
