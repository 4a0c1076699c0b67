"""List quarantined rows, and release them into the raw tables once they are corrected."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.errors import SettingsError
from pipelines.base.warehouse import connect, transaction
from pipelines.events.attributes import with_attributes
from pipelines.events.feeds import FEEDS, PACKED, Feed
from pipelines.events.raw_days import payload_expression, recount, restore_released
from pipelines.events.staging import arrived_table, create_arrived, stage, text_source

DUPLICATE = "duplicate"


@dataclass(frozen=True)
class QuarantinedRow:
    """One bad row of a day file.

    Parameters
    ----------
    quarantine_id : str
        sha256 of feed, day, payload and its number among equal rows of the day.
    landed_date : date
    feed, reason : str
    payload : dict of str to str
        The row's values as text; long ones are cut.
    is_released : bool
    """

    quarantine_id: str
    landed_date: date
    feed: str
    reason: str
    payload: dict[str, str]
    is_released: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {**asdict(self), "landed_date": self.landed_date.isoformat()}


@dataclass(frozen=True)
class ReleaseReport:
    """Result of releasing rows from quarantine.

    Parameters
    ----------
    released : list of str
        Ids of the rows that are now in the raw table.
    refused : dict of str to str
        Id to the reason code of the rule the row still breaks, or ``duplicate``.
    """

    released: list[str]
    refused: dict[str, str]


def list_quarantine(
    settings: Settings,
    *,
    day: date | None = None,
    reason: str | None = None,
    is_released: bool | None = None,
    limit: int | None = None,
) -> list[QuarantinedRow]:
    """List quarantined rows, oldest day first.

    Parameters
    ----------
    settings : Settings
        Home.
    day : date, optional
        Only rows of this landed day.
    reason : str, optional
        Only rows with this reason code.
    is_released : bool, optional
        Only rows that were, or were not, released.
    limit : int, optional
        At most this many rows.
    """
    with connect(settings) as connection:
        rows = connection.execute(
            """
            select quarantine_id, landed_date, feed, reason, payload, is_released
            from raw.quarantine
            where ($day::date is null or landed_date = $day)
                and ($reason::varchar is null or reason = $reason)
                and ($is_released::boolean is null or is_released = $is_released)
            order by landed_date, feed, reason, quarantine_id
            limit $limit
            """,
            {"day": day, "reason": reason, "is_released": is_released, "limit": limit or 2**62},
        ).fetchall()
    return [
        QuarantinedRow(row_id, landed_date, feed, why, json.loads(payload), released)
        for row_id, landed_date, feed, why, payload, released in rows
    ]


def release_quarantine(
    settings: Settings,
    ids: Sequence[str] = (),
    *,
    day: date | None = None,
    reason: str | None = None,
    fixes: Mapping[str, str] | None = None,
) -> ReleaseReport:
    """Move quarantined rows into the raw table, where they stay when their day is loaded again.

    Each row is typed and checked once more, by the rules of the load and today's settings; a row
    that still breaks one, or whose key the day already has, is refused and stays.

    Parameters
    ----------
    settings : Settings
        Home and accepted event types.
    ids : sequence of str
        Rows to release, by id or by the beginning of it (8 characters or more).
    day, reason : optional
        Without ids: all rows of this landed day and with this reason code.
    fixes : mapping of str to str, optional
        Column to value, replaced before the row is checked.

    Returns
    -------
    ReleaseReport

    Raises
    ------
    SettingsError
        If nothing selects rows, an id matches none or several, or a fix names an unknown column.
    """
    if not ids and day is None and reason is None:
        raise SettingsError(
            "A release must say which rows: ids, a day or a reason. Got none. "
            "`recsys quarantine list` shows them."
        )
    with connect(settings) as connection:
        chosen = _select(connection, ids, day, reason)
        with transaction(connection):
            reports = [
                _release_feed(connection, settings, feed, chosen, dict(fixes or {}))
                for feed in FEEDS.values()
                if any(row_feed == feed.name for _, row_feed, _, _ in chosen)
            ]
    return ReleaseReport(
        sorted(row_id for report in reports for row_id in report.released),
        {row_id: why for report in reports for row_id, why in sorted(report.refused.items())},
    )


def _select(
    connection: duckdb.DuckDBPyConnection,
    ids: Sequence[str],
    day: date | None,
    reason: str | None,
) -> list[tuple[str, str, date, str]]:
    """Unreleased rows as (id, feed, landed date, payload)."""
    for prefix in ids:
        found = connection.execute(
            "select count(*) from raw.quarantine "
            "where starts_with(quarantine_id, ?) and not is_released",
            [prefix],
        ).fetchall()[0][0]
        if found != 1 or len(prefix) < _MIN_PREFIX:
            raise SettingsError(
                f"An id must name one row that is not released, by {_MIN_PREFIX} characters or "
                f"more. {prefix!r} names {found}. `recsys quarantine list` shows them."
            )
    return connection.execute(
        """
        select quarantine_id, feed, landed_date, payload from raw.quarantine
        where not is_released
            and (len($ids) = 0 or list_bool_or(
                list_transform($ids, lambda prefix: starts_with(quarantine_id, prefix))
            ))
            and ($day::date is null or landed_date = $day)
            and ($reason::varchar is null or reason = $reason)
        order by quarantine_id
        """,
        {"ids": list(ids), "day": day, "reason": reason},
    ).fetchall()


_MIN_PREFIX = 8


def _release_feed(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    chosen: list[tuple[str, str, date, str]],
    fixes: dict[str, str],
) -> ReleaseReport:
    if unknown := [name for name in fixes if name not in feed.columns]:
        raise SettingsError(
            f"A fix must name columns of the {feed.name} feed ({', '.join(feed.columns)}). "
            f"Got {', '.join(unknown)}. Correct --set."
        )
    rows = [row for row in chosen if row[1] == feed.name]
    _stage_rows(connection, settings, feed, rows, fixes)
    refused = _refuse(connection, feed)
    released = sorted({row_id for row_id, *_ in rows} - set(refused))
    connection.execute(
        f"""
        update raw.quarantine
        set is_released = true, released_payload = fixed.payload
        from (
            select landed_path, {payload_expression(feed)} as payload
            from {arrived_table(feed)}
        ) as fixed
        where quarantine_id = fixed.landed_path and quarantine_id in (select unnest($released))
        """,
        {"released": released},
    )
    days = sorted({landed_date for row_id, _, landed_date, _ in rows if row_id in set(released)})
    connection.execute(
        "create or replace temp table days as select unnest($days::date[]) as landed_date",
        {"days": days},
    )
    restore_released(connection, feed)
    recount(connection, feed)
    return ReleaseReport(released, refused)


def _stage_rows(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    rows: list[tuple[str, str, date, str]],
    fixes: dict[str, str],
) -> None:
    """Type and check quarantined rows again; `landed_path` carries their id."""
    import pyarrow as pa

    payloads = [json.loads(payload) | fixes for *_, payload in rows]
    batch = pa.table(
        {name: pa.array([row.get(name) for row in payloads], pa.string()) for name in feed.columns}
        | {
            "line": pa.array([row.get("line") for row in payloads], pa.string()),
            "row_id": [row_id for row_id, *_ in rows],
            "day": [landed_date for _, _, landed_date, _ in rows],
        }
    )
    create_arrived(connection, feed)
    connection.register("batch", batch)
    try:
        columns = {name: name for name in feed.columns if name != PACKED}
        source = text_source(feed, "batch", columns, day="day", path="row_id", line="line")
        if PACKED in feed.columns:
            declared = settings.attributes.declared(feed.name)
            source = with_attributes(source, {PACKED: PACKED}, declared)
        stage(connection, settings, feed, source, {})
    finally:
        connection.unregister("batch")


def _refuse(connection: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, str]:
    """Reasons to refuse rows, by id: a rule still broken, or a key that occurs already."""
    match = " and ".join(f"present.{name} = staged.{name}" for name in ("landed_date", *feed.key))
    key = ", ".join(("landed_date", *feed.key))
    found = connection.execute(
        f"""
        select landed_path, coalesce(reason, '{DUPLICATE}')
        from (
            select
                *,
                row_number() over (partition by {key}, reason order by landed_path) as place
            from {arrived_table(feed)}
        ) as staged
        where reason is not null
            or place > 1
            or exists (select 1 from {feed.table.qualified} as present where {match})
        """
    ).fetchall()
    return dict(found)
