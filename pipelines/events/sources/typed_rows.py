"""Rows of a table as values: each read or counted, and what must hold of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import LandingError
from pipelines.base.event_meaning import ADD_TO_CART, PURCHASE
from pipelines.base.ids import BAD_BYTE, CONTROLS, MAX_ID_LENGTH, NESTED
from pipelines.base.settings_sections import EventSettings
from pipelines.base.source_settings import TableSettings
from pipelines.events.sources.readings import Reading, StagedColumn, read_number, read_time
from pipelines.events.sources.source_rows import SourceRows
from pipelines.events.sources.staged_rows import SourceTable, given_columns
from pipelines.events.staging import from_text
from pipelines.events.values import EARLIEST

if TYPE_CHECKING:
    import duckdb

#: In a map of values: every value that it does not name.
_ANY_OTHER = "*"
#: Columns that say who and what; a row whose value is none of an id is left out.
_IDS = {"events": ("user_id", "item_id"), "items": ("item_id",), "users": ("user_id",)}
#: Columns of an order's further rows that are taken from its first, where they are blank.
_FILLED = ("event_at", "user_id", "event_type", "title", "category")


def read_columns(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, options: TableSettings
) -> dict[str, Reading]:
    """How each staged column is read, as SQL."""
    if options.fill_by:
        _fill(connection, table)
    types = {name: kind for name, kind, *_ in connection.execute("describe staged").fetchall()}
    readings = {}
    for name, source in table.sources.items():
        kind = table.feed.columns[name]
        column = StagedColumn("staged", name, source, types[name])
        if kind == "TIMESTAMP":
            readings[name] = read_time(connection, column, options)
        elif kind in ("DOUBLE", "INTEGER"):
            reading = read_number(connection, column, options)
            readings[name] = Reading(f"try_cast({reading.expression} as {kind})", reading.note)
        else:
            readings[name] = Reading(from_text(table.feed, name).format(name))
    return readings


def _fill(connection: duckdb.DuckDBPyConnection, table: SourceTable) -> None:
    """Give further rows of an order what its first row says."""
    filled = ", ".join(
        f"coalesce(nullif({name}, ''), first_value(nullif({name}, '') ignore nulls) over "
        f"(partition by fill_by order by source_row)) as {name}"
        for name in _FILLED
        if name in table.sources
    )
    connection.execute(
        f"create or replace temp table staged as select * replace ({filled}) from staged"
    )


def type_rows(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    options: TableSettings,
    events: EventSettings,
    readings: Mapping[str, Reading],
) -> None:
    """Make the temporary table `typed`: values, why a row is left out, what could not be read."""
    nobody = [one.casefold() for one in events.nobody]
    given = given_columns(options)
    expressions = {name: reading.expression for name, reading in readings.items()} | given
    parameters: dict[str, object] = {"nobody": nobody}
    if "event_type" in given:
        parameters["event_type"] = options.event_type
    for number, (name, values) in enumerate(options.value_map.items()):
        if name in expressions:
            named = {old: new for old, new in values.items() if old != _ANY_OTHER}
            parameters |= {f"old{number}": [*named], f"new{number}": [*named.values()]}
            place = f"list_position($old{number}::varchar[], {expressions[name]})"
            other = expressions[name]
            if _ANY_OTHER in values:
                parameters[f"other{number}"] = values[_ANY_OTHER]
                other = f"$other{number}::varchar"
            expressions[name] = (
                f"case when {place} > 0 then list_extract($new{number}::varchar[], {place}) "
                f"when {expressions[name]} is not null then {other} end"
            )
    typed = ", ".join(f"{expression} as {name}" for name, expression in expressions.items())
    raw = ", ".join(f"{name} as raw_{name}" for name in readings)
    connection.execute(
        f"""
        create or replace temp table typed as
        with read as (select {typed}, {raw}, source_row from staged)
        select *, case {_reasons(table, expressions, events)} end as reason from read
        """,
        parameters,
    )
    connection.execute("drop table staged")


def _reasons(table: SourceTable, expressions: Mapping[str, str], events: EventSettings) -> str:
    """SQL cases: why a row is left out."""
    cases = []
    for name in _IDS[table.feed.name]:
        cases += [
            (f"contains({name}, chr({ord(NESTED)}))", f"{name} is a list or an object"),
            (f"contains({name}, chr({ord(BAD_BYTE)}))", f"{name} is not of the encoding"),
            (f"{name} is null", f"{name} is empty"),
            (f"list_contains($nobody::varchar[], lower({name}))", f"{name} means nobody"),
            (f"regexp_matches({name}, '{CONTROLS}')", f"{name} has control characters"),
            (f"length({name}) > {MAX_ID_LENGTH}", f"{name} is longer than {MAX_ID_LENGTH}"),
        ]
    time = table.feed.time
    if time in expressions and time in table.sources:
        cases += [
            (f"nullif(raw_{time}::varchar, '') is null", f"{time} is empty"),
            (f"{time} is null", f"{time} cannot be read as a time"),
            (
                f"{time} < timestamp '{EARLIEST}' or not isfinite({time})",
                f"{time} is before {EARLIEST[:4]}",
            ),
        ]
    if table.feed.name == "events":
        cases += [
            ("event_type = ''", "event_type is left out by --map-value"),
            ("event_type is null", "event_type is empty"),
        ]
        if "value" in expressions:
            refused = [ADD_TO_CART, *((PURCHASE,) if events.refuses_negative_quantity else ())]
            cases += [
                (
                    f"event_type = '{kind}' and value < 0",
                    f"an event of type {kind} has a quantity below 0 (events.negative_quantity)",
                )
                for kind in refused
            ]
    return " ".join(f"when {condition} then '{reason}'" for condition, reason in cases)


def left_out(connection: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Reasons for which rows are left out, and how many are."""
    return dict(
        connection.execute(
            "select reason, count(*) from typed where reason is not null group by reason "
            "order by reason"
        ).fetchall()
    )


def unread_values(connection: duckdb.DuckDBPyConnection, table: SourceTable) -> dict[str, int]:
    """Values of rows that stay which could not be read, by column, with the first of them."""
    unread = {}
    skipped = {*_IDS[table.feed.name], table.feed.time, "event_type"}
    for name, source in table.sources.items():
        if name in skipped:
            continue
        count, example = connection.execute(
            f"""
            select count(*), min_by(raw_{name}::varchar, source_row) from typed
            where reason is null and {name} is null and nullif(trim(raw_{name}::varchar), '')
                is not null
            """
        ).fetchall()[0]
        if count:
            kind = table.feed.columns[name].lower()
            unread[f"{source} is no {_KINDS.get(kind, kind)}, as in {example[:40]!r}"] = count
    return unread


_KINDS = {"varchar": "text", "double": "number", "integer": "whole number", "boolean": "flag"}


# what must hold of all rows together


def check_kept(
    connection: duckdb.DuckDBPyConnection, path: str, exclusions: Mapping[str, int]
) -> None:
    """Refuse a source of which no row is left."""
    ((kept,),) = connection.execute("select count(*) from typed where reason is null").fetchall()
    if not kept:
        counts = ", ".join(f"{reason} ({count})" for reason, count in exclusions.items())
        raise LandingError(
            f"A source must hold at least one row that can be landed. Of {path} all are left out: "
            f"{counts or 'it has none'}. Correct --map, or say how times are written: "
            "--time-format '%d.%m.%Y %H:%M'."
        )


def check_types(
    connection: duckdb.DuckDBPyConnection, options: TableSettings, events: EventSettings
) -> None:
    """Refuse event types that the settings do not know."""
    found = connection.execute(
        """
        select event_type, count(*) from typed
        where reason is null and not list_contains($types, event_type)
        group by event_type order by count(*) desc, event_type limit 8
        """,
        {"types": list(events.types)},
    ).fetchall()
    if not found:
        return
    known = ", ".join(events.types)
    near = {
        name: next((known for known in events.types if name.lower() in known), "TYPE")
        for name, _ in found
    }
    hints = " ".join(f"--map-value event_type:{name}={near[name]}" for name in near)
    raise LandingError(
        f"Every event type must be one of events.types ({known}). Got "
        f"{', '.join(f'{name!r} ({count})' for name, count in found)}. Say what they mean, with "
        f"nothing after = to leave them out: {hints}; or add them to events.types in the settings."
    )


def note_returns(connection: duckdb.DuckDBPyConnection, table: SourceTable) -> list[str]:
    """Say how many purchases of a negative quantity the load will count as returns."""
    if table.feed.name != "events" or "value" not in table.sources:
        return []
    ((count,),) = connection.execute(
        f"select count(*) from typed where reason is null and event_type = '{PURCHASE}' "
        "and value < 0"
    ).fetchall()
    if not count:
        return []
    return [
        f"{count} purchases of a negative quantity count as returns of as many units; to leave "
        'them out, set negative_quantity = "refuse" in [events] of the settings'
    ]


def check_event_ids(connection: duckdb.DuckDBPyConnection, table: SourceTable) -> None:
    """Refuse an id that events of other users, items or types share, as the number of an order."""
    if "event_id" not in table.sources:
        return
    count, example = connection.execute(
        """
        select count(*), min(event_id) from (
            select event_id from typed where reason is null and event_id is not null
            group by event_id having count(distinct hash(user_id, item_id, event_type)) > 1
        )
        """
    ).fetchall()[0]
    if count:
        raise LandingError(
            f"An event id must name one event. {count} values of column "
            f"{table.sources['event_id']!r} repeat over different items, users or types, the first "
            f"is {example!r}: rows would be lost as duplicates. Leave event_id out, or map the "
            f"number of an order as --map session_id={table.sources['event_id']}."
        )


def source_rows(
    connection: duckdb.DuckDBPyConnection,
    table: SourceTable,
    options: TableSettings,
    rows: SourceRows,
) -> SourceRows:
    """Queries of the rows that stay; of rows that differ in nothing, one."""
    names = [
        name for name in table.feed.columns if name in {*table.sources, *given_columns(options)}
    ]
    connection.execute(
        f"""
        create or replace temp table landed as
        select {", ".join(names)}, count(*) as row_count from typed where reason is null
        group by all
        """
    )
    ((repeated,),) = connection.execute("select sum(row_count) - count(*) from landed").fetchall()
    exclusions, notes = dict(rows.exclusions), list(rows.notes)
    columns = list(names)
    if options.quantity_per_row:
        columns = [name for name in names if name != "value"]
        columns.append(f"{'value * ' if 'value' in names else ''}row_count::double as value")
        notes.append(f"{repeated} rows that differ in nothing are further units of an event")
    elif repeated:
        exclusions[_REPEATED] = int(repeated)
    day = f"{table.feed.time}::date"
    query = f"select {', '.join(columns)} from landed order by {', '.join((day, *names))}"
    of_feed: dict[str, Any] = {"events": None, "items": None, table.feed.name: query}
    return SourceRows(
        **of_feed,
        exclusions=exclusions,
        is_list_of_its_day=rows.is_list_of_its_day,
        unread=rows.unread,
        notes=notes,
    )


_REPEATED = "a row repeats another in everything (if rows are units: --quantity-per-row)"
