"""Read day files into a temporary table per feed, with every row typed and checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.base.config import Settings
from pipelines.events.day_folders import DayFolder
from pipelines.events.feeds import Feed
from pipelines.events.schema import (
    check_columns,
    check_readable,
    check_types,
    csv_header,
    parquet_schema,
)
from pipelines.events.staging import Source, arrived_table, create_arrived, stage
from pipelines.events.text_files import csv_batches, json_keys, json_lines, parquet_batches

if TYPE_CHECKING:
    import pyarrow as pa

_DAY_OF_PATH = r"regexp_extract(landed_path, 'date=([0-9-]{10})/[^/]*$', 1)::date"


def stage_arrivals(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    folders: Sequence[DayFolder],
) -> list[str]:
    """Read the files of some days into the feed's staging table.

    Files of one format and schema are read by one statement. A file that DuckDB refuses is read
    line by line, so that one bad byte costs one row.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open warehouse.
    settings : Settings
        Accepted event types.
    feed : Feed
        Which table, columns and rules.
    folders : sequence of DayFolder
        Days to read.

    Returns
    -------
    list of str
        Notes about columns that are not loaded.

    Raises
    ------
    SchemaError
        If a file lacks a required column, has one of another type, or cannot be read.
    """
    create_arrived(connection, feed)
    files = [path for folder in folders for path in folder.files]
    parquet = [path for path in files if path.suffix == ".parquet"]
    text = [path for path in files if path.suffix == ".csv"]
    lines = [path for path in files if path.suffix == ".jsonl"]
    strange: dict[str, list[Path]] = defaultdict(list)
    headers = _check_files(feed, parquet, text, lines, strange)
    for names, paths in _groups(parquet, headers):
        columns = {name: f'"{name}"' for name in names if name in feed.columns}
        _stage_parquet(connection, settings, feed, columns, paths)
    for names, paths in _groups(text, headers):
        columns = {name: f"column{n}" for n, name in enumerate(names) if name in feed.columns}
        _stage_csv(connection, settings, feed, columns, (len(names), paths))
    for path in lines:
        _stage_batches(connection, settings, feed, _json_source(feed), (path, json_lines(path)))
    _check_text_columns(connection, feed)
    return [
        f"column `{name}` is not part of the {feed.name} feed and was not loaded "
        f"({len(paths)} files, first {paths[0]})"
        for name, paths in strange.items()
    ]


def _check_files(
    feed: Feed,
    parquet: Sequence[Path],
    text: Sequence[Path],
    lines: Sequence[Path],
    strange: dict[str, list[Path]],
) -> dict[Path, tuple[str, ...]]:
    headers: dict[Path, tuple[str, ...]] = {}
    for path in parquet:
        schema = parquet_schema(path)
        check_types(feed, path, schema)
        headers[path] = tuple(schema.names)
    for path in text:
        headers[path] = tuple(csv_header(path))
    for path in lines:
        if (keys := json_keys(path)) is not None:
            headers[path] = tuple(keys)
    for path, names in headers.items():
        for name in check_columns(feed, path, names):
            strange[name].append(path)
    return headers


def _groups(
    paths: Iterable[Path], headers: dict[Path, tuple[str, ...]]
) -> Iterable[tuple[tuple[str, ...], list[Path]]]:
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for path in paths:
        groups[headers[path]].append(path)
    return groups.items()


# the files of a day, one function per format


def _stage_parquet(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    columns: dict[str, str],
    paths: list[Path],
) -> None:
    relation = "read_parquet($files, filename = 'landed_path', union_by_name = true)"
    source = Source(relation, columns, False, _DAY_OF_PATH, "landed_path", "null")
    for path in _stage_files(connection, settings, feed, source, paths):
        in_batches = Source("batch", columns, False, "$day::date", "$path", "null")
        _stage_batches(connection, settings, feed, in_batches, (path, parquet_batches(path)))


def _stage_csv(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    columns: dict[str, str],
    files: tuple[int, list[Path]],
) -> None:
    width, paths = files
    names = ", ".join(f"'column{position}': 'VARCHAR'" for position in range(width))
    relation = (
        "read_csv($files, filename = 'landed_path', header = true, auto_detect = false, "
        f"delim = ',', quote = '\"', escape = '\"', columns = {{{names}}})"
    )
    source = Source(relation, columns, True, _DAY_OF_PATH, "landed_path", "null")
    for path in _stage_files(connection, settings, feed, source, paths):
        in_batches = Source("batch", columns, True, "$day::date", "$path", "line")
        _stage_batches(connection, settings, feed, in_batches, (path, csv_batches(path, width)))


def _json_source(feed: Feed) -> Source:
    paths = ", ".join(f"'$.{name}'" for name in feed.columns)
    relation = f"""(
        select line, is_row, json_extract_string(case when is_row then line end, [{paths}]) as found
        from (select line, coalesce(json_type(try_cast(line as json)) = 'OBJECT', false) as is_row
              from batch)
    )"""
    values = {name: f"found[{n}]" for n, name in enumerate(feed.columns, start=1)}
    no_row = "case when not is_row then line end"
    return Source(relation, values, True, "$day::date", "$path", no_row)


def _stage_files(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    source: Source,
    paths: list[Path],
) -> list[Path]:
    """Stage files together, or one by one if that fails; return those that DuckDB cannot read."""
    try:
        stage(connection, settings, feed, source, {"files": [str(path) for path in paths]})
    except duckdb.Error:
        if len(paths) == 1:
            return paths
        halves = (paths[: len(paths) // 2], paths[len(paths) // 2 :])
        return [
            path
            for half in halves
            for path in _stage_files(connection, settings, feed, source, half)
        ]
    return []


def _stage_batches(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    source: Source,
    path_batches: tuple[Path, Iterable[pa.Table]],
) -> None:
    path, batches = path_batches
    day = path.parent.name.removeprefix("date=")
    for batch in batches:
        connection.register("batch", batch)
        try:
            stage(connection, settings, feed, source, {"day": day, "path": str(path)})
        finally:
            connection.unregister("batch")


def _check_text_columns(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    columns = [name for name, kind in feed.columns.items() if kind != "VARCHAR"]
    counts = ", ".join(
        f"count({name}), count(*) filter ((unreadable ->> '{name}') is not null)"
        for name in columns
    )
    table = arrived_table(feed)
    found = connection.execute(
        f"""
        select landed_path, count(*), {counts} from {table}
        where landed_path in (select landed_path from {table} where unreadable is not null)
        group by landed_path order by landed_path
        """
    ).fetchall()
    for path, row_count, *pairs in found:
        bad = dict(zip(columns, pairs[1::2], strict=True))
        good = dict(zip(columns, pairs[0::2], strict=True))
        check_readable(feed, path, row_count, {name: good[name] + bad[name] for name in bad}, bad)
