"""Adapter `table`: any CSV, JSON or Parquet, with a mapping from the feed's columns to its own."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from pipelines.base.attributes import AttributeSettings
from pipelines.base.errors import LandingError
from pipelines.base.settings_sections import EventSettings
from pipelines.base.source_settings import TableSettings
from pipelines.events.sources.source_rows import SourceRows
from pipelines.events.sources.staged_rows import check_faults, open_table, stage_rows
from pipelines.events.sources.typed_rows import (
    check_event_ids,
    check_kept,
    check_types,
    left_out,
    note_returns,
    read_columns,
    source_rows,
    type_rows,
    unread_values,
)
from pipelines.events.values import create_macros

if TYPE_CHECKING:
    import duckdb


def read_table(
    connection: duckdb.DuckDBPyConnection,
    path: str | None,
    options: TableSettings,
    events: EventSettings,
    landing_day: date,
    *,
    attributes: AttributeSettings | None = None,
) -> SourceRows:
    """Read the rows of any table as events, items or users.

    Every value is read as the text it is, and judged once all of them are there; what cannot be
    read is counted by column and reason.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An in-memory database, in UTC.
    path : str
        A file or a folder of files, of CSV, JSON or Parquet; local or in an object store.
    options : TableSettings
    events : EventSettings
        Known event types, the texts that mean nobody, and what a negative quantity is.
    landing_day : date
        Day from which items or users without a date are known.
    attributes : AttributeSettings, optional
        Further columns of items and users; without it, there are none.

    Returns
    -------
    SourceRows

    Raises
    ------
    LandingError
        If a required column has no source, lines above `max_bad_share` are no rows, a column has
        two readings, event types are unknown, an event id repeats over different items, or no row
        is left.
    """
    if path is None:
        raise LandingError(
            "A table must have a path. Got none. "
            "Name one: recsys land table PATH --map user_id=customer --map event_at=time."
        )
    create_macros(connection)
    further = attributes.declared(options.feed) if attributes else {}
    table = open_table(connection, path, options, further)
    is_undated = "valid_from" not in table.sources and not options.known_from
    is_list_of_its_day = options.feed != "events" and is_undated
    if is_list_of_its_day:
        options = options.model_copy(update={"known_from": landing_day})
        table.notes.append(
            f"the file has no dates: its {options.feed} are known from {landing_day} on "
            "(--known-from)"
        )
    stage_rows(connection, table, options)
    check_faults(table.faults, options)
    readings = read_columns(connection, table, options)
    type_rows(connection, table, options, events, readings)
    exclusions = dict(sorted(table.faults.counts.items())) | left_out(connection)
    unread = unread_values(connection, table)
    check_kept(connection, path, exclusions)
    if table.feed.name == "events":
        check_types(connection, options, events)
        check_event_ids(connection, table)
    notes = [*table.notes, *table.faults.examples]
    notes += note_returns(connection, table)
    notes += [reading.note for reading in readings.values() if reading.note]
    rows = SourceRows(None, None, exclusions, {}, {}, is_list_of_its_day, unread, notes)
    return source_rows(connection, table, options, rows)
