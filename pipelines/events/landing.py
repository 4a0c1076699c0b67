"""Write a source's rows as day files (`land`), through one adapter per source."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines import __version__
from pipelines.base.config import Settings, database_address, stable_hash
from pipelines.base.errors import LandingError
from pipelines.base.source_settings import QUERY
from pipelines.events.day_folders import day_file, day_of_file, write_atomically
from pipelines.events.exposures import API_FILES
from pipelines.events.landed_sources import (
    LandedSource,
    begin_landing,
    end_landing,
    find_landed,
    is_as_landed,
    landing_notes,
    name_of,
    next_pull,
    own_files,
    pull_path,
    remove_files,
)
from pipelines.events.read_source import layout_errors, read_source, scratch_database
from pipelines.events.sources.source_files import content_state
from pipelines.events.sources.source_rows import SourceRows
from pipelines.events.sources.sql_query import pull_query, query_settings

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

logger = logging.getLogger(__name__)

_BATCH_ROWS = 200_000
#: A file's name may have 255 bytes, of which a further part and an unfinished file need some.
_MAX_NAME_BYTES = 100
#: Number of days after which a line of progress is logged.
_PROGRESS_DAYS = 500


@dataclass(frozen=True)
class LandReport:
    """Result of one call of `land`.

    Parameters
    ----------
    source : str
        The adapter.
    stem : str
        Stem of the day files: what `recsys sources` calls the source.
    day_count, first_day, last_day
        Days that have a file of this source now.
    event_count, item_count, user_count : int
        Rows in these files.
    written_files, unchanged_files, removed_files : int
        Files that were written, files that already had the same bytes, and files of days that the
        source had before and has no longer.
    exclusions : dict of str to int
        Rule to the number of source rows it left out.
    unread : dict of str to int
        Column and reason to the number of values that could not be read, of rows that stay.
    notes : list of str
        What a person should know: how columns were read, the first faulty lines, and day files of
        the same name that are not of this source.
    """

    source: str
    stem: str
    day_count: int
    first_day: date | None
    last_day: date | None
    event_count: int
    item_count: int
    written_files: int
    unchanged_files: int
    removed_files: int
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
    settings: Settings,
    source: str,
    path: Path | str | None = None,
    *,
    is_configured: bool = False,
    **options: Any,
) -> LandReport:
    """Write a source's events and items as day files of the landing area.

    Landing a source again replaces all that it landed before: a day file is written atomically,
    and left alone if its bytes would not change; those of days that the source no longer has are
    removed. Files of other sources stay. A source is a name and a path: another path under the
    same name is a further part, with day files of its own. A landing that is killed is healed by
    the next one.

    Parameters
    ----------
    settings : Settings
        Home, memory limit and threads.
    source : str
        ``online-retail``, ``movielens``, ``retailrocket``, ``table``, ``sql`` or a preset of a
        table.
    path : path, optional
        File or folder of the source; only ``online-retail`` has a default.
    is_configured : bool, default False
        Whether the settings list the source: it is read again only if its files, or how they are
        read, have changed since it was landed, and that it has several parts is no news.
    **options
        Of a table, see `base.source_settings.TableSettings`; and `name`, the stem of the day files
        (of the first part), default the source, for `table` the file's own stem.

    Returns
    -------
    LandReport

    Raises
    ------
    LandingError
        If the source is unknown, missing, not of the layout the adapter reads, or has no rows
        where it had some before.
    """
    file = Path(path) if path is not None else None
    name = options.pop("name", None) or (name_of(file) if source == "table" else source)
    _check_name(name)
    state = None if source == QUERY else _state(settings, source, path, options)
    landed = find_landed(settings, name, file)
    if is_configured and state and landed and is_as_landed(settings, landed, state):
        return _unchanged(source, landed)
    with scratch_database(settings) as connection:
        if source == QUERY:
            return _land_pull(settings, connection, name, options)
        with layout_errors(source, path):
            rows = read_source(settings, connection, source, path, options)
            return _replace_source(
                settings,
                source,
                name,
                file,
                connection=connection,
                rows=rows,
                state=state,
                tells_parts=not is_configured,
            )


def _state(
    settings: Settings, source: str, path: Path | str | None, options: dict[str, Any]
) -> str | None:
    """Hash of a source's files, how they are read and by which version; None without files."""
    files = None if path is None else content_state(str(path))
    if files is None:
        return None
    kept = settings.model_dump(mode="json", include={"events", "attributes"})
    return stable_hash([__version__, source, options, kept, files])


def _unchanged(source: str, landed: LandedSource) -> LandReport:
    days = sorted({day_of_file(file) for file in landed.files})
    first, last = (days[0], days[-1]) if days else (None, None)
    count = len(landed.files)
    return LandReport(source, landed.stem, len(days), first, last, 0, 0, 0, count, 0)


def _land_pull(
    settings: Settings, connection: duckdb.DuckDBPyConnection, name: str, options: dict[str, Any]
) -> LandReport:
    """Pull the rows of a query and land them; with a watermark, each pull is a part of its own."""
    asked = query_settings(options)
    since = next_pull(settings, name) if asked.watermark else None
    settings.temporary.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=settings.temporary) as folder:
        pulled = Path(folder) / "query.parquet"
        until = pull_query(asked, database_address(asked.url), pulled, since)
        if asked.watermark and until == since:
            return LandReport(QUERY, name, 0, None, None, 0, 0, 0, 0, 0, notes=["no row is new"])
        rows = read_source(settings, connection, "table", pulled, options)
    path = pull_path(name, since, is_watched=asked.watermark is not None)
    return _replace_source(
        settings, QUERY, name, path, connection=connection, rows=rows, until=until
    )


def _check_name(name: str) -> None:
    if name == API_FILES:
        raise LandingError(
            f"The name of day files must not be {API_FILES!r}. That one is for the API's logs. "
            "Choose another with --name."
        )
    is_too_long = len(name.encode()) > _MAX_NAME_BYTES
    if not name.replace("-", "").replace("_", "").isalnum() or name.startswith("_") or is_too_long:
        raise LandingError(
            "The name of day files must consist of letters, digits, hyphens and underscores, at "
            f"most {_MAX_NAME_BYTES} bytes. Got {name!r}. Choose another with --name."
        )


def _replace_source(
    settings: Settings,
    adapter: str,
    name: str,
    path: Path | None,
    *,
    connection: duckdb.DuckDBPyConnection,
    rows: SourceRows,
    until: str | None = None,
    state: str | None = None,
    tells_parts: bool = True,
) -> LandReport:
    """Write a source's day files, and remove those that it made before and has no longer."""

    def about_to_write(stem: str) -> set[str]:
        found = set()
        for feed, query, parameters, column in _feeds(rows):
            days = f"select distinct {column}::date from ({query})"
            for (day,) in connection.execute(days, parameters or None).fetchall():
                found.add(_relative(settings, day_file(settings, feed, day, stem)))
        return found

    source = begin_landing(settings, name, adapter, path, about_to_write)
    before = own_files(settings, source)
    landed = _write_rows(settings, source.stem, connection, rows)
    feeds = tuple(f"{feed}/" for feed, *_ in _feeds(rows))
    gone = {file for file in before - landed.files if file.startswith(feeds)}
    if rows.is_list_of_its_day:
        gone = set()
    if gone and not landed.files:
        end_landing(settings, source, before)
        raise LandingError(
            f"A source that was landed before must have rows. Found none in {path}; its "
            f"{len(gone)} day files stay. Land the right file, or take the source out: "
            f"recsys sources remove {source.stem}."
        )
    remove_files(settings, gone)
    end_landing(settings, source, (before - gone) | landed.files, until=until, state=state)
    days = landed.days
    return LandReport(
        source=adapter,
        stem=source.stem,
        day_count=len(days),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        event_count=landed.row_counts["events"],
        item_count=landed.row_counts["items"],
        user_count=landed.row_counts["users"],
        written_files=landed.written_count,
        unchanged_files=len(landed.files) - landed.written_count,
        removed_files=len(gone),
        exclusions=rows.exclusions,
        unread=rows.unread,
        notes=[*rows.notes, *landing_notes(settings, source, before, tells_parts=tells_parts)],
    )


@dataclass
class _Landed:
    """What a landing has written so far; `files` also has those that were as they should be."""

    files: set[str] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    row_counts: dict[str, int] = field(
        default_factory=lambda: {"events": 0, "items": 0, "users": 0}
    )
    written_count: int = 0


def _feeds(rows: SourceRows) -> list[tuple[str, str, dict[str, Any], str]]:
    """The feeds that a source has: name, query, its parameters, and the column of the day."""
    feeds: tuple[tuple[str, str | None, dict[str, Any], str], ...] = (
        ("events", rows.events, rows.events_parameters, "event_at"),
        ("items", rows.items, rows.items_parameters, "valid_from"),
        ("users", rows.users, {}, "valid_from"),
    )
    return [
        (feed, query, parameters, column)
        for feed, query, parameters, column in feeds
        if query is not None
    ]


def _relative(settings: Settings, path: Path) -> str:
    return str(path.relative_to(settings.landing))


def _write_rows(
    settings: Settings, stem: str, connection: duckdb.DuckDBPyConnection, rows: SourceRows
) -> _Landed:
    landed = _Landed()
    for feed, query, parameters, column in _feeds(rows):
        for day, table in _day_tables(connection, query, parameters, column):
            path = day_file(settings, feed, day, stem)
            landed.row_counts[feed] += table.num_rows
            landed.days.add(day)
            landed.files.add(_relative(settings, path))
            landed.written_count += write_atomically(path, parquet_bytes(table))
            if len(landed.files) % _PROGRESS_DAYS == 0:
                logger.info("Landed %s files, now at %s of %s", landed.written_count, day, feed)
    return landed


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
