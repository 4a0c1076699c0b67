"""Rows of a table as text: its files, where each feed column comes from, and copies of them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from pipelines.base.attributes import Kind
from pipelines.base.errors import LandingError
from pipelines.base.source_settings import TableSettings
from pipelines.events.feeds import FEEDS, PACKED, Feed
from pipelines.events.sources.column_paths import ColumnPath, parse_paths
from pipelines.events.sources.csv_files import CsvDialect, read_csv_rows, read_dialect
from pipelines.events.sources.json_files import json_columns, read_json_rows
from pipelines.events.sources.parquet_files import parquet_columns, read_parquet_rows
from pipelines.events.sources.source_files import LineFaults, SourceFile, find_files

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


@dataclass
class SourceTable:
    """A source as it is read: its files, their columns, and where each feed column comes from."""

    feed: Feed
    files: list[SourceFile]
    columns: list[str]
    sources: dict[str, str]
    dialects: dict[str, CsvDialect] = field(default_factory=dict)
    faults: LineFaults = field(default_factory=LineFaults)
    notes: list[str] = field(default_factory=list)


#: Type of a declared further column in a day file.
_TYPES: dict[Kind, str] = {"text": "VARCHAR", "number": "DOUBLE", "flag": "BOOLEAN"}


def open_table(
    connection: duckdb.DuckDBPyConnection,
    path: str,
    options: TableSettings,
    kinds: Mapping[str, Kind],
) -> SourceTable:
    """Find the files of a table, see their columns, and map those of the feed to them.

    `kinds` are the declared further columns of the feed; day files have a column for each.
    """
    feed = FEEDS[options.feed]
    columns = {name: kind for name, kind in feed.columns.items() if name != PACKED}
    columns |= {name: _TYPES[kind] for name, kind in kinds.items()}
    feed = replace(feed, columns=columns, titles=(*feed.titles, *kinds))
    table = SourceTable(feed, find_files(path, options), [], {})
    first = table.files[0]
    if first.format == "csv":
        table.dialects = {file.path: read_dialect(file, options) for file in table.files}
        dialect = table.dialects[first.path]
        table.columns = list(dialect.columns)
        if options.escape is None and dialect.written.escape:
            table.notes.append(f"quotes are escaped by {dialect.written.escape} in {first.path}")
    elif first.format == "json":
        table.columns = list(json_columns(first, options))
    else:
        table.columns = list(parquet_columns(first))
    table.columns += [name for name in first.partitions if name not in table.columns]
    if options.query:
        table.columns = _run_query(connection, table, options)
    table.sources = _sources(table, path, options)
    return table


def _run_query(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, options: TableSettings
) -> list[str]:
    """Make the temporary table `queried` of CSV files; return its columns."""
    import duckdb

    is_folder = len(table.files) > 1 and options.join is not None
    try:
        for file in table.files:
            dialect = table.dialects[file.path]
            name = PurePosixPath(file.path).name.partition(".")[0] if is_folder else "source"
            batches = read_csv_rows(file, dialect, dialect.columns, table.faults)
            _insert(connection, name, "*", batches)
        if is_folder:
            connection.execute(f"create or replace temp table source as {options.join}")
        connection.execute(
            "create or replace temp table queried as "
            f"select *, row_number() over () as source_row from ({options.query})"
        )
    except (duckdb.Error, KeyError) as error:
        raise LandingError(
            "The files must be those that the preset is for. Got "
            f"{', '.join(PurePosixPath(file.path).name for file in table.files)}: "
            f"{str(error).splitlines()[0]}. Unpack the data set again, or land them as a table."
        ) from error
    described = connection.execute("describe queried").fetchall()
    return [name for name, *_ in described]


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, columns: str, batches: Iterator[pa.Table]
) -> bool:
    """Make a temporary table of batches; return whether there was one."""
    is_made = False
    for batch in batches:
        connection.register("batch", batch)
        select = f"select {columns} from batch"
        connection.execute(
            f'insert into "{table}" {select}'
            if is_made
            else f'create or replace temp table "{table}" as {select}'
        )
        connection.unregister("batch")
        is_made = True
    return is_made


def _sources(table: SourceTable, path: str, options: TableSettings) -> dict[str, str]:
    """Map feed columns to the file's columns, and check them."""
    feed, columns = table.feed, table.columns
    mapping = {
        name: column
        for name, column in options.mapping.items()
        if column in columns or name not in options.optional
    }
    shown = ", ".join(columns)
    if unknown := [name for name in [*mapping, *options.value_map] if name not in feed.columns]:
        raise LandingError(
            f"A mapping must name columns of the {feed.name} feed ({', '.join(feed.columns)}). "
            f"Got {', '.join(unknown)}. Write --map FEED_COLUMN=FILE_COLUMN"
            + (
                "."
                if feed.name == "events"
                else f"; further columns are declared in the settings, [attributes] {feed.name}."
            )
        )
    wanted = [*mapping.values(), *((options.fill_by,) if options.fill_by else ())]
    if absent := [column for column in wanted if column not in columns]:
        near = [
            f"`{match}` for `{name}`"
            for name in absent
            for match in difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
        ]
        raise LandingError(
            f"A mapping must point to columns of {path}. Missing {', '.join(absent)}; "
            f"found {shown}{'; perhaps ' + ', '.join(near) if near else ''}. Correct --map"
            + (
                "."
                if table.files[0].format != "csv"
                else ", or --delimiter; a file without a header needs --columns."
            )
        )
    sources = {name: mapping.get(name, name) for name in feed.columns}
    sources = {name: column for name, column in sources.items() if column in columns}
    given = given_columns(options)
    for name in given:
        sources.pop(name, None)
    needed = [name for name in feed.required if name not in given]
    if missing := [name for name in needed if name not in sources]:
        hints = [f"--map {name}=COLUMN" for name in missing]
        if "event_type" in missing:
            hints.append("or --event-type purchase")
        if "event_at" in missing:
            hints.append("or --event-at YYYY-MM-DD if the file has no times")
        raise LandingError(
            f"The {feed.name} feed needs a source for {', '.join(missing)}. "
            f"{path} has {shown}. Map them: {' '.join(hints)}."
        )
    return sources


def given_columns(options: TableSettings) -> dict[str, str]:
    """Feed columns that an option gives for every row, as SQL."""
    given = {}
    if options.event_type is not None and options.feed == "events":
        given["event_type"] = "$event_type"
    if options.event_at is not None and options.feed == "events":
        given["event_at"] = f"timestamp '{options.event_at} 00:00:00'"
    if options.known_from is not None and options.feed != "events":
        given["valid_from"] = f"timestamp '{options.known_from} 00:00:00'"
    return given


# rows as text


def stage_rows(
    connection: duckdb.DuckDBPyConnection, table: SourceTable, options: TableSettings
) -> None:
    """Copy the mapped columns, as they are, into the temporary table `staged`."""
    columns = ", ".join(f'"{source}" as {name}' for name, source in _selected(table, options))
    columns += ", source_row"
    if options.query:
        connection.execute(f"create or replace temp table staged as select {columns} from queried")
        return
    if not _insert(connection, "staged", columns, _batches(table, options)):
        raise LandingError(
            f"A source must hold rows. Found none in {table.files[0].path}"
            + (f"; {_in_words(table.faults)}" if table.faults.counts else "")
            + ". Check the file."
        )


def _selected(table: SourceTable, options: TableSettings) -> list[tuple[str, str]]:
    pairs = list(table.sources.items())
    if options.fill_by:
        pairs.append(("fill_by", options.fill_by))
    return [(name, source.replace('"', '""')) for name, source in pairs]


def _batches(table: SourceTable, options: TableSettings) -> Iterator[pa.Table]:
    kinds = {source: table.feed.columns[name] for name, source in table.sources.items()}
    if options.fill_by:
        kinds.setdefault(options.fill_by, "VARCHAR")
    for file in table.files:
        in_file = [name for name in kinds if name not in file.partitions]
        for batch in _file_batches(table, file, in_file, kinds, options):
            yield _with_partitions(batch, file, kinds)


def _with_partitions(batch: pa.Table, file: SourceFile, wanted: Iterable[str]) -> pa.Table:
    import pyarrow as pa

    for name in wanted:
        if name in file.partitions:
            column = pa.repeat(pa.scalar(file.partitions[name], pa.large_string()), len(batch))
            batch = batch.append_column(name, column)
    return batch


def _file_batches(
    table: SourceTable,
    file: SourceFile,
    wanted: list[str],
    kinds: Mapping[str, str],
    options: TableSettings,
) -> Iterator[pa.Table]:
    faults = table.faults
    if file.format == "csv":
        dialect = table.dialects[file.path]
        if absent := [name for name in wanted if name not in dialect.columns]:
            raise LandingError(
                f"All files of a source must have the same columns. {', '.join(absent)} is in "
                f"{table.files[0].path}, not in {file.path}. Land them one by one."
            )
        return read_csv_rows(file, dialect, wanted, faults)
    paths: list[ColumnPath] = parse_paths(wanted)
    if file.format == "json":
        return read_json_rows(file, options, paths, faults)
    return read_parquet_rows(file, paths, kinds, faults)


def check_faults(faults: LineFaults, options: TableSettings) -> None:
    """Refuse a source of which too many lines are no rows."""
    bad_count = sum(faults.counts.values())
    if bad_count > options.max_bad_share * faults.row_count:
        raise LandingError(
            f"At most {options.max_bad_share:.0%} of a source's rows may be faulty. "
            f"Got {bad_count} of {faults.row_count}: {_in_words(faults)}. Say how the file is "
            "written (--encoding latin-1, --delimiter, --quote, --escape, --columns), correct "
            "these lines, or allow more: --max-bad-share 0.5."
        )


def _in_words(faults: LineFaults) -> str:
    kinds = ", ".join(f"{kind} ({count})" for kind, count in faults.counts.items())
    return f"{kinds}; {'; '.join(faults.examples)}" if faults.examples else kinds
