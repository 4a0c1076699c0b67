"""Read a source through its adapter, its preset or the mapping of a table."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.disk_full import find_disk_full
from pipelines.base.errors import LandingError
from pipelines.base.source_settings import QUERY
from pipelines.events.day_folders import list_day_folders
from pipelines.events.sources.presets import read_presets, table_settings
from pipelines.events.sources.source_rows import SourceRows

if TYPE_CHECKING:
    import duckdb

#: Module and function of each source's adapter.
ADAPTERS = {
    "online-retail": "pipelines.events.sources.online_retail:read_online_retail",
    "movielens": "pipelines.events.sources.movielens:read_movielens",
    "retailrocket": "pipelines.events.sources.retailrocket:read_retailrocket",
}


def scratch_database(settings: Settings) -> duckdb.DuckDBPyConnection:
    """A database in memory, in UTC, that spills into the home."""
    import duckdb

    connection = duckdb.connect(
        config={
            "memory_limit": settings.warehouse.memory_limit,
            "threads": settings.warehouse.threads,
            "temp_directory": str(settings.temporary),
        }
    )
    connection.execute("set TimeZone = 'UTC'")
    return connection


def read_source(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: Path | str | None,
    options: dict[str, Any],
) -> SourceRows:
    """Read a source on a connection of `scratch_database`; `land` writes what this returns."""
    presets = read_presets()
    if source not in {*ADAPTERS, "table", *presets}:
        raise LandingError(
            f"A source must be one of {', '.join([*ADAPTERS, 'table', QUERY, *presets])}. "
            f"Got {source!r}. For any other log use `recsys land table` with a column mapping."
        )
    if source in ADAPTERS:
        if options:
            raise LandingError(
                f"Options of a table must be for `table` or a preset. The adapter {source!r} has "
                f"none of its own; got {', '.join(options)}. Leave them out."
            )
        module_name, function = ADAPTERS[source].split(":")
        read = getattr(importlib.import_module(module_name), function)
        rows: SourceRows = read(connection, Path(path) if path is not None else None)
        return rows
    from pipelines.events.sources.table import read_table

    chosen = table_settings(None if source == "table" else source, options)
    address = None if path is None else str(path)
    day, attributes = _landing_day(settings), settings.attributes
    return read_table(connection, address, chosen, settings.events, day, attributes=attributes)


def _landing_day(settings: Settings) -> date:
    """The newest landed day of events; without one, today."""
    folders, _ = list_day_folders(settings, "events", date.max)
    return folders[-1].landed_date if folders else datetime.now(UTC).date()


@contextmanager
def layout_errors(source: str, path: Path | str | None) -> Iterator[None]:
    """Say in words where the values of a file are not those that its adapter reads."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if find_disk_full(error):
            raise
        raise LandingError(
            f"The files of {source} must be of the layout that its adapter reads. Got "
            f"{path or 'its own file'}: {str(error).splitlines()[0]} Unpack the data set again, or "
            "land them with a mapping, where single faulty values are counted: recsys land table."
        ) from error
