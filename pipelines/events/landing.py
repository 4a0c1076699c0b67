"""Write a source's rows as day files (`land`), through one adapter per source."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.errors import LandingError
from pipelines.events.day_folders import day_file, list_day_folders, write_atomically
from pipelines.events.exposures import API_FILES
from pipelines.events.sources.presets import read_presets, table_settings
from pipelines.events.sources.source_rows import SourceRows

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

logger = logging.getLogger(__name__)

#: Module and function of each source's adapter.
ADAPTERS = {
    "online-retail": "pipelines.events.sources.online_retail:read_online_retail",
    "movielens": "pipelines.events.sources.movielens:read_movielens",
    "retailrocket": "pipelines.events.sources.retailrocket:read_retailrocket",
}
_BATCH_ROWS = 200_000
#: Number of days after which a line of progress is logged.
_PROGRESS_DAYS = 500


@dataclass(frozen=True)
class LandReport:
    """Result of one call of `land`.

    Parameters
    ----------
    source : str
        The adapter.
    day_count, first_day, last_day
        Days that have a file of this source now.
    event_count, item_count, user_count : int
        Rows in these files.
    written_files, unchanged_files : int
        Files that were written, and files that already had the same bytes.
    exclusions : dict of str to int
        Rule to the number of source rows it left out.
    unread : dict of str to int
        Column and reason to the number of values that could not be read, of rows that stay.
    notes : list of str
        What a person should know: how columns were read, and the first faulty lines.
    """

    source: str
    day_count: int
    first_day: date | None
    last_day: date | None
    event_count: int
    item_count: int
    written_files: int
    unchanged_files: int
    exclusions: dict[str, int] = field(default_factory=dict)
    unread: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    user_count: int = 0

    def as_dict(self) -> dict[str, object]:
        """Plain values, days as ISO text."""
        days = {name: str(day) if (day := getattr(self, name)) else None for name in _DAY_FIELDS}
        return {**asdict(self), **days}


_DAY_FIELDS = ("first_day", "last_day")


def land(
    settings: Settings, source: str, path: Path | str | None = None, **options: Any
) -> LandReport:
    """Write a source's events and items as day files of the landing area.

    A day file is written atomically, and left alone if its bytes would not change, so landing
    the same source twice changes nothing. Files of other sources stay.

    Parameters
    ----------
    settings : Settings
        Home, memory limit and threads.
    source : str
        ``online-retail``, ``movielens``, ``retailrocket``, ``table`` or a preset of a table.
    path : path, optional
        File or folder of the source; only ``online-retail`` has a default.
    **options
        Of a table, see `base.source_settings.TableSettings`; and `name`, the stem of the day files,
        default the source.

    Returns
    -------
    LandReport

    Raises
    ------
    LandingError
        If the source is unknown, missing, or not of the layout the adapter reads.
    """
    name = options.pop("name", None) or source
    _check_name(name)
    with _scratch_database(settings) as connection:
        rows = _read_source(settings, connection, source, path, options)
        return _write_rows(settings, source, name, connection, rows)


def _read_source(
    settings: Settings,
    connection: duckdb.DuckDBPyConnection,
    source: str,
    path: Path | str | None,
    options: dict[str, Any],
) -> SourceRows:
    presets = read_presets()
    if source not in {*ADAPTERS, "table", *presets}:
        raise LandingError(
            f"A source must be one of {', '.join([*ADAPTERS, 'table', *presets])}. "
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


def _check_name(name: str) -> None:
    if name == API_FILES:
        raise LandingError(
            f"The name of day files must not be {API_FILES!r}. That one is for the API's logs. "
            "Choose another with --name."
        )
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("_"):
        raise LandingError(
            "The name of day files must consist of letters, digits, hyphens and underscores. "
            f"Got {name!r}. Choose another with --name."
        )


def _scratch_database(settings: Settings) -> duckdb.DuckDBPyConnection:
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


def _write_rows(
    settings: Settings,
    source: str,
    name: str,
    connection: duckdb.DuckDBPyConnection,
    rows: SourceRows,
) -> LandReport:
    counts = {"events": 0, "items": 0, "users": 0}
    days: set[date] = set()
    written_count = unchanged_count = 0
    for feed, query, parameters, column in (
        ("events", rows.events, rows.events_parameters, "event_at"),
        ("items", rows.items, rows.items_parameters, "valid_from"),
        ("users", rows.users, {}, "valid_from"),
    ):
        if query is None:
            continue
        for day, table in _day_tables(connection, query, parameters, column):
            counts[feed] += table.num_rows
            days.add(day)
            if write_atomically(day_file(settings, feed, day, name), parquet_bytes(table)):
                written_count += 1
            else:
                unchanged_count += 1
            if (written_count + unchanged_count) % _PROGRESS_DAYS == 0:
                logger.info("Landed %s files, now at %s of %s", written_count, day, feed)
    return LandReport(
        source=source,
        day_count=len(days),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        event_count=counts["events"],
        item_count=counts["items"],
        user_count=counts["users"],
        written_files=written_count,
        unchanged_files=unchanged_count,
        exclusions=rows.exclusions,
        unread=rows.unread,
        notes=rows.notes,
    )


def _day_tables(
    connection: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any], column: str
) -> Iterator[tuple[date, pa.Table]]:
    """Slice a query's rows, sorted by day, into one table a day; holds one day and one batch."""
    import pyarrow as pa

    dated = f"select *, {column}::date as landed_date from ({query})"
    reader = connection.sql(dated, params=parameters or None).to_arrow_reader(_BATCH_ROWS)
    pending: list[pa.Table] = []
    current: date | None = None
    for batch in reader:
        for day, part in _split_by_day(pa.table(batch)):
            if day != current and current is not None:
                yield current, pa.concat_tables(pending)
                pending = []
            current = day
            pending.append(part)
    if current is not None:
        yield current, pa.concat_tables(pending)


def _split_by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    import numpy as np

    days = table.column("landed_date").to_numpy()
    starts = np.flatnonzero(np.r_[len(days) > 0, days[1:] != days[:-1]])
    ends = [*starts[1:], len(days)][: len(starts)]
    rows = table.drop_columns("landed_date")
    for start, end in zip(starts, ends, strict=True):
        yield days[start].astype("datetime64[D]").item(), rows.slice(start, end - start)


def parquet_bytes(table: pa.Table) -> bytes:
    """A table as a zstd-compressed Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    buffer = pa.BufferOutputStream()
    pq.write_table(table.combine_chunks(), buffer, compression="zstd")
    content: bytes = buffer.getvalue().to_pybytes()
    return content
