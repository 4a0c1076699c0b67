"""`ListStore`: look-ups in one verified publication, in microseconds, from any thread."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any

from pipelines.base.current import LOOKUPS, SCHEMA_VERSION, Publication
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.settings_sections import PlacementSettings
from pipelines.experiments.definition import CONTROL, Experiment
from pipelines.publications.lookup_file import open_lookups

#: Errors of a look-up in a file that was damaged after it was checked.
STORE_FAILURES = (
    *(sqlite3.Error, PublicationNotFoundError),
    *(OSError, ValueError, KeyError, TypeError),
)
#: Errors from reading a file that is damaged or is no `lists.sqlite`.
_BROKEN = (*STORE_FAILURES, AttributeError)
#: Random characters of a probe key, after the prefix that all keys share.
_PROBE_LENGTH = 8
#: Rules of a placement that answers keep to.
_RULES = (
    *("exclude", "exclude_within_days", "list_length"),
    *("max_per_category", "rerank_depth", "pinned"),
)
#: Further ones, which older publications have not: their nights had no such rules.
_LATER_RULES = ("boosts", "eligible", "personalise_without_consent")
_ITEMS = (
    "select item_id, title, category, price, is_available from items"
    " where item_id in (select value from json_each(?))"
)
_ATTRIBUTES = (
    "select item_id, payload from item_attributes where item_id in (select value from json_each(?))"
)


@dataclass(frozen=True)
class StoredList:
    """A list as it was published, best first.

    Parameters
    ----------
    items : list of str
        item_ids in order of rank, from 1.
    scores : list of float
        Of the items, non-increasing, on the scale of what ranked them.
    labels : list of dict
        ``from_rank``, ``strategy``, ``reason``; each holds up to the next one's rank.
    model_version : str
        Empty for items like an item.
    is_pool : bool
        Whether it is all that people without a history may be shown, before boosts.
    """

    items: list[str]
    scores: list[float]
    labels: list[dict[str, Any]]
    model_version: str
    is_pool: bool = False


@dataclass(frozen=True)
class ItemInfo:
    """An item's attributes as the publication's night knew them; None where unknown.

    Parameters
    ----------
    title : str or None
    category : str or None
        Several are separated by ``|``.
    price : float or None
        In the shop's currency.
    is_available : bool or None
        None counts as available.
    """

    title: str | None
    category: str | None
    price: float | None
    is_available: bool | None


class ListStore:
    """Look-ups in the `lists.sqlite` of one publication.

    The file never changes, so it is read without locks of its own; one lock here keeps threads
    apart, since a look-up is shorter than what a second connection would save.

    Attributes
    ----------
    publication_id : str
    as_of : date
        What happened before this day is known in the lists.
    known_until : datetime
        `as_of` 00:00 UTC: from when on the lists know nothing, whenever they were written.
    generated_at : datetime
        UTC, in whole seconds.
    placements : mapping of str to PlacementSettings
        Rules that answers keep to, as the publication's night had them; the first is the default
        placement.
    exposure_types : frozenset of str
        Event types that tell what a user was shown, not what the user did.

    Notes
    -----
    The sha256 of the file is checked by `base.current`, not here. A look-up in a file that was
    damaged since raises `sqlite3.Error`, or `ValueError` for a payload that does not parse;
    after `close` it raises `sqlite3.ProgrammingError`.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._pools: dict[str, StoredList | None] = {}
        meta = dict(connection.execute("select key, value from meta"))
        if int(meta["schema_version"]) != SCHEMA_VERSION:
            raise ValueError(f"schema_version {meta['schema_version']}")
        self.publication_id: str = meta["publication_id"]
        self.as_of = date.fromisoformat(meta["as_of"])
        self.known_until = datetime.combine(self.as_of, time.min, UTC)
        moment = datetime.fromisoformat(meta["generated_at"])
        self.generated_at = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        self.exposure_types = frozenset(json.loads(meta["exposure_types"]))
        running = [Experiment.from_dict(one) for one in json.loads(meta.get("experiments", "[]"))]
        #: By placement, the experiment whose arms' lists are in the file.
        self.experiments = {one.definition.placement: one for one in running}
        self.placements = {
            name: PlacementSettings(
                **{rule: rules[rule] for rule in _RULES},
                **{rule: rules[rule] for rule in _LATER_RULES if rule in rules},
            )
            for name, rules in json.loads(meta["placements"]).items()
        }

    @classmethod
    def open(cls, publication: Publication) -> ListStore:
        """Open a publication whose hashes were verified.

        Raises
        ------
        PublicationNotFoundError
            If its `lists.sqlite` is not there, cannot be read, is of another schema version, or
            is another publication's.
        """
        path = publication.folder / LOOKUPS
        try:
            connection = open_lookups(path)
            try:
                store = cls(connection)
                if store.publication_id != publication.publication_id:
                    raise ValueError(f"the lists of {store.publication_id}")
            except BaseException:
                connection.close()
                raise
        except _BROKEN as error:
            raise PublicationNotFoundError(
                f"{LOOKUPS} must be that of {publication.publication_id}, readable, and of schema "
                f"version {SCHEMA_VERSION}. Found {error!r} in {path}. Publish that night again "
                f"(`recsys publish --as-of {publication.as_of}`) or roll back to another one."
            ) from error
        return store

    def hold_popular(self) -> ListStore:
        """Copy the lists for anyone, with their items, to a store in memory.

        It answers when the file cannot be read any more, and holds nothing of single users,
        categories and similar items.
        """
        pinned = (pin.item_id for rules in self.placements.values() for pin in rules.pinned)
        popular = (self.get_fallback(name) for name in self.placements)
        listed = (item_id for one in popular if one is not None for item_id in one.items)
        wanted = json.dumps([*pinned, *listed])
        held = {
            table: self._connection.execute(
                f"select * from {table} where {rows}", values
            ).fetchall()
            for table, rows, values in (
                ("meta", "true", ()),
                ("fallbacks", "category = ''", ()),
                ("exclusions", "user_id = ''", ()),
                ("items", "item_id in (select value from json_each(?))", (wanted,)),
                *(
                    [("item_attributes", "item_id in (select value from json_each(?))", (wanted,))]
                    if self.has_attributes()
                    else []
                ),
            )
        }
        tables = self._connection.execute("select sql from sqlite_master where type = 'table'")
        memory = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        memory.executescript(";".join(statement for (statement,) in tables))
        for table, rows in held.items():
            for row in rows:
                memory.execute(f"insert into {table} values ({', '.join('?' * len(row))})", row)
        return ListStore(memory)

    def get_list(self, placement: str, variant: str, user_id: str) -> StoredList | None:
        """A user's list; None if there is none."""
        return self._list(
            "select payload from lists where placement = ? and variant = ? and user_id = ?",
            *(placement, variant, user_id),
        )

    def variants(self, placement: str) -> tuple[str, ...]:
        """Variants that a placement has lists of, control first."""
        experiment = self.experiments.get(placement)
        return tuple(arm.name for arm in experiment.definition.arms) if experiment else (CONTROL,)

    def get_fallback(self, placement: str, category: str = "") -> StoredList | None:
        """The list for anyone, or the best items of a category; None if there is none."""
        return self._list(
            "select payload from fallbacks where placement = ? and category = ?",
            *(placement, category),
        )

    def get_exclusions(self, placement: str, user_id: str) -> frozenset[str]:
        """Items that the placement kept from a user at `as_of`, or from everybody (``""``).

        Unavailable items are not among them.
        """
        found = (
            self._payload(
                "select payload from exclusions where placement = ? and user_id = ?",
                *(placement, who),
            )
            for who in {"", user_id}
        )
        return frozenset().union(*(kept or () for kept in found))

    def get_similar(self, item_id: str) -> StoredList | None:
        """Items like this one, best first; None if none are known."""
        return self._list("select payload from similar where item_id = ?", item_id)

    def get_items(self, item_ids: Iterable[str]) -> dict[str, ItemInfo]:
        """Attributes of items, by item_id; items in no feed are left out."""
        wanted = json.dumps(list(item_ids))
        with self._lock:
            rows = self._connection.execute(_ITEMS, (wanted,)).fetchall()
        return {
            item_id: ItemInfo(title, category, price, None if shown is None else bool(shown))
            for item_id, title, category, price, shown in rows
        }

    def get_person(self, user_id: str) -> dict[str, Any]:
        """What rules read of a user, as the night's users feed had it; empty if nothing is known.

        Asked only where a placement has such rules: older publications have no such table.
        """
        found = self._payload("select payload from people where user_id = ?", user_id)
        return {} if found is None else dict(found)

    def get_item_attributes(self, item_ids: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Declared further attributes by item_id, of the items that have some."""
        wanted = json.dumps(list(item_ids))
        with self._lock:
            rows = self._connection.execute(_ATTRIBUTES, (wanted,)).fetchall()
        return {item_id: json.loads(payload) for item_id, payload in rows}

    def get_pool(self, placement: str) -> StoredList | None:
        """All that people without a history may be shown, best first; None where it is the list."""
        if placement not in self._pools:
            sql = "select payload from pools where placement = ?"
            found = self._list(sql, placement)
            self._pools[placement] = None if found is None else replace(found, is_pool=True)
        return self._pools[placement]

    def has_attributes(self) -> bool:
        """Whether the file has tables of users and of items' attributes, as publications do now."""
        sql = "select 1 from sqlite_master where name = 'item_attributes'"
        return self._row(sql) is not None

    def sample_check(self, n: int = 100) -> None:
        """Look up random lists, as a last test before a publication is served.

        Parameters
        ----------
        n : int, default 100
            Look-ups per placement and variant.

        Raises
        ------
        PublicationNotFoundError
            If one cannot be read, or is not a list.

        Notes
        -----
        Keys are found by seeks in the index, so the time does not grow with the lists.
        """
        try:
            for placement, variant in self._kinds():
                for user_id in self._random_users(placement, variant, n):
                    found = self.get_list(placement, variant, user_id)
                    if found is None or not 0 < len(found.items) == len(found.scores):
                        raise ValueError(f"{found} as the list of {(placement, variant, user_id)}")
        except _BROKEN as error:
            raise PublicationNotFoundError(
                f"Random look-ups in {self.publication_id} must give lists. Found {error!r}. "
                f"Publish that night again (`recsys publish --as-of {self.as_of}`) or roll back to "
                "another one."
            ) from error

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _kinds(self) -> Iterator[tuple[str, str]]:
        """Placements and variants that have lists."""
        # two seeks: one over (placement, variant) > (?, ?) reads every row of the last kind
        row = self._row("select placement, variant from lists order by 1, 2 limit 1")
        while row is not None:
            yield row[0], row[1]
            row = self._row(
                "select placement, variant from lists where placement = ? and variant > ?"
                " order by variant limit 1",
                *row,
            ) or self._row(
                "select placement, variant from lists where placement > ?"
                " order by placement, variant limit 1",
                row[0],
            )

    def _random_users(self, placement: str, variant: str, n: int) -> Iterator[str]:
        """Users at random places: for each random text, the first user_id at or after it."""
        of_kind = "from lists where placement = ? and variant = ?"
        low, high = (
            str(self._row(f"select {end}(user_id) {of_kind}", placement, variant)[0])
            for end in ("min", "max")
        )
        pairs = enumerate(zip(low, high, strict=False))
        same = next((at for at, (one, other) in pairs if one != other), len(low))
        letters = {*low[same:], *high[same:]} or {" "}
        draw = random.Random()
        for _ in range(n):
            probe = low[:same] + "".join(draw.choices(sorted(letters), k=_PROBE_LENGTH))
            row = self._row(
                f"select user_id {of_kind} and user_id >= ? order by user_id limit 1",
                *(placement, variant, probe),
            )
            user_id = str(row[0]) if row else low
            letters |= set(user_id[same:])
            yield user_id

    def _row(self, sql: str, *values: str) -> Any:
        with self._lock, closing(self._connection.execute(sql, values)) as cursor:
            return cursor.fetchone()

    def _list(self, sql: str, *key: str) -> StoredList | None:
        found = self._payload(sql, *key)
        return None if found is None else StoredList(**found)

    def _payload(self, sql: str, *key: str) -> Any:
        with self._lock:
            row = self._connection.execute(sql, key).fetchone()
        return None if row is None else json.loads(row[0])
