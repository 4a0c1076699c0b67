"""What the live publication and its night's run folder know of one user and of single items."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import duckdb

from pipelines.ask.query import read_history, read_lists
from pipelines.base.config import Settings
from pipelines.base.current import SCHEMA_VERSION, Publication
from pipelines.base.durable import read_if_there
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.settings_sections import PlacementSettings
from pipelines.base.warehouse import read_records
from pipelines.features.snapshot import DAYS_FILE
from pipelines.lists.list_rows import ANYONE
from pipelines.rules.shown_items import keeps_item

_DAYS = """
select user_id, item_id, event_type, event_date, event_count, $2 - event_date as age_days
from read_parquet($1)
where event_date < $2 and landed_date < $2 and not list_contains($3, event_type)
    and ($4::varchar is null or user_id = $4) and ($5::varchar is null or item_id = $5)
"""


@dataclass(frozen=True)
class LiveNight:
    """The live publication, opened, with its night's run folder as far as it still exists.

    Parameters
    ----------
    settings : Settings
    publication : Publication
    connection : duckdb.DuckDBPyConnection
        On its `serving.duckdb`.
    lookups : sqlite3.Connection
        On its `lists.sqlite`.
    """

    settings: Settings
    publication: Publication
    connection: duckdb.DuckDBPyConnection
    lookups: sqlite3.Connection

    @cached_property
    def rules(self) -> dict[str, PlacementSettings]:
        """Rules by placement as the night stored them; any it did not store, from the settings."""
        if (found := self.publication.manifest.get("schema_version")) != SCHEMA_VERSION:
            raise PublicationNotFoundError(
                f"A publication must be of schema version {SCHEMA_VERSION} to be explained. Found "
                f"{self.publication.publication_id} of version {found}. Publish a newer night."
            )
        (stored,) = self._lookup("select value from meta where key = 'placements'")
        # an older night had no such rules, whatever the settings say now
        had = {"boosts": (), "eligible": (), "personalise_without_consent": True}
        now = {name: one.model_copy(update=had) for name, one in self.settings.placements.items()}
        return {
            name: PlacementSettings(**{**(now[name].model_dump() if name in now else {}), **rules})
            for name, rules in json.loads(stored).items()
        }

    @property
    def has_history(self) -> bool:
        """Whether the snapshot that the night learned from is still there."""
        folder = self.settings.run_folder(self.publication.as_of).snapshot
        return (folder / DAYS_FILE).exists()

    def missing_part(self, placement: str) -> str | None:
        """Why a placement's lists cannot be ranked again, or None if they can."""
        run = self.settings.run_folder(self.publication.as_of)
        model = run.role_file(placement, "champion")
        if not (self.has_history and model.exists()):
            return f"the run folder {run.folder} was cleared away, in whole or in part"
        published = (read_if_there(run.publication) or {}).get("publication_id")
        role, wanted = read_if_there(model), self.model_of(placement)
        if published != self.publication.publication_id or role != wanted:
            return f"the run folder {run.folder} is now of another run of this night"
        return None

    def model_of(self, placement: str) -> dict[str, Any] | None:
        """The champion's role: candidate, spec, spec_hash, model_version, run_id."""
        role: dict[str, Any] | None = self.publication.manifest["models"].get(placement)
        return role

    def list_of(self, placement: str, user_id: str) -> list[dict[str, Any]]:
        """The user's control list: rank, item_id, title, score, strategy, reason, model_version."""
        return read_lists(self.connection, user_id, placement).get(placement, [])

    def items(self, item_ids: list[str]) -> dict[str, dict[str, Any]]:
        """Title, category, price, is_available and is_in_feed by item_id, of items it knew.

        A publication from before `is_in_feed` was stored leaves it out.
        """
        sql = "select * from items where list_contains($1::varchar[], item_id)"
        rows = read_records(self.connection, sql, item_ids)
        return {row["item_id"]: row for row in rows}

    def kept_items(self, placement: str, user_id: str) -> set[str]:
        """Items that the placement's rule kept from the user."""
        row = self._lookup(
            "select payload from exclusions where placement = ? and user_id = ?",
            *(placement, user_id),
        )
        return set() if row is None else set(json.loads(row[0]))

    def person(self, user_id: str) -> dict[str, Any]:
        """What rules read of a user; empty if the publication knows nothing of the kind."""
        row = self._lookup("select payload from people where user_id = ?", user_id)
        return {"user_id": user_id, **({} if row is None else json.loads(row[0]))}

    def item_attributes(self, item_id: str) -> dict[str, Any]:
        """Declared further attributes of an item."""
        row = self._lookup("select payload from item_attributes where item_id = ?", item_id)
        return {} if row is None else json.loads(row[0])

    def without_feed(self, placement: str) -> set[str]:
        """Items that the placement showed to nobody because no items feed had them."""
        return self.kept_items(placement, ANYONE)

    # the user's events, from the snapshot

    def last_events(self, user_id: str) -> list[dict[str, Any]]:
        """What the user did last, newest first; empty without a snapshot."""
        if not self.has_history:
            return []
        as_of = self.publication.as_of
        return read_history(self.connection, self.settings, as_of, user_id)

    def count_events(self, user_id: str) -> list[dict[str, Any]]:
        """Events, items, first and last day by type, most first; empty without a snapshot."""
        return self._read_days(
            """
            select event_type, sum(event_count)::bigint as event_count,
                count(distinct item_id) as item_count, min(event_date)::varchar as first_date,
                max(event_date)::varchar as last_date
            from days group by event_type order by event_count desc, event_type
            """,
            user_id,
        )

    def events_of(self, user_id: str, item_id: str | None = None) -> list[dict[str, Any]]:
        """All the user did, or did with one item: a row per item, type and day, newest first.

        Each is item_id, event_type, event_date, event_count and age_days, 1 for the last day.
        """
        return self._read_days(
            """
            select item_id, event_type, event_date::varchar as event_date,
                sum(event_count)::bigint as event_count, age_days
            from days group by all order by age_days, item_id, event_type
            """,
            user_id,
            item_id,
        )

    def keeping_events(self, placement: str, user_id: str) -> dict[str, list[dict[str, Any]]]:
        """Events of a user because of which the placement keeps an item, by item_id."""
        rules = self.rules[placement]
        found: dict[str, list[dict[str, Any]]] = {}
        for row in self.events_of(user_id):  # exposures are not among them
            if keeps_item(
                rules.exclude, rules.exclude_within_days, row["event_type"], row["age_days"]
            ):
                found.setdefault(row["item_id"], []).append(row)
        return found

    def _read_days(
        self, sql: str, user_id: str | None, item_id: str | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a statement over `days`: what the night knew, of one user or one item."""
        if not self.has_history:
            return []
        as_of = self.publication.as_of
        return read_records(
            self.connection,
            f"with days as ({_DAYS}) {sql}",
            str(self.settings.run_folder(as_of).snapshot / DAYS_FILE),
            *(as_of, list(self.settings.events.exposures), user_id, item_id),
        )

    def _lookup(self, sql: str, *values: str) -> Any:
        return self.lookups.execute(sql, values).fetchone()
