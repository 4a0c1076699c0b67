"""Read day files into a temporary table per feed, with every row typed and checked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.base.config import Settings
from pipelines.events.attributes import with_attributes
from pipelines.events.day_folders import DayFolder
from pipelines.events.feeds import PACKED, Feed
from pipelines.events.schema import (
    check_columns,
    check_readable,
    check_types,
    csv_header,
    kind_of,
    parquet_schema,
)
from pipelines.events.staging import (
    Source,
    arrived_table,
    create_arrived,
    from_text,
    stage,
    text_source,
)
from pipelines.events.text_files import csv_batches, json_keys, json_rows, parquet_batches
from pipelines.events.whole_days import judge_days

if TYPE_CHECKING:
    import pyarrow as pa

#: Name and kind of each column of a file.
Header = tuple[tuple[str, str], ...]
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
        Accepted event types, and how events are judged.
    feed : Feed
        Which table, columns and rules.
    folders : sequence of DayFolder
        Days to read.

    Returns
    -------
    list of str
        Notes about columns that are not loaded, and purchases that count as returns.

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
    kinds = settings.attributes.declared(feed.name)
    headers = _check_files(feed, parquet, text, lines, strange)
    strange = {name: paths for name, paths in strange.items() if name not in kinds}
    known = {*feed.columns, *kinds}
    for schema, paths in _groups(parquet, headers):
        types = {name: kind for name, kind in schema if name in known}
        _stage_parquet(connection, settings, feed, types, paths)
    for header, paths in _groups(text, headers):
        columns = {name: f"column{n}" for n, (name, _) in enumerate(header) if name in known}
        _stage_csv(connection, settings, feed, columns, (len(header), paths))
    for path in lines:
        names = sorted(known)
        source = _in_batches(settings, feed, {name: name for name in names}, "line")
        _stage_batches(connection, settings, feed, source, (path, json_rows(path, names)))
    _check_text_columns(connection, feed)
    return judge_days(connection, settings, feed) + [
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
) -> dict[Path, Header]:
    headers: dict[Path, Header] = {}
    for path in parquet:
        schema = parquet_schema(path)
        check_types(feed, path, schema)
        headers[path] = tuple((field.name, kind_of(field.type)) for field in schema)
    for path in text:
        headers[path] = tuple((name, "text") for name in csv_header(path))
    for path in lines:
        if (keys := json_keys(path)) is not None:
            headers[path] = tuple((name, "text") for name in keys)
    for path, header in headers.items():
        for name in check_columns(feed, path, (name for name, _ in header)):
            strange[name].append(path)
    return headers


def _groups(
    paths: Iterable[Path], headers: dict[Path, Header]
) -> Iterable[tuple[Header, list[Path]]]:
    groups: dict[Header, list[Path]] = defaultdict(list)
    for path in paths:
        groups[headers[path]].append(path)
    return groups.items()


# the files of a day, one function per format


def _stage_parquet(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    types: dict[str, str],
    paths: list[Path],
) -> None:
    relation = "read_parquet($files, filename = 'landed_path', union_by_name = true)"
    source = _parquet_source(settings, feed, relation, types, (_DAY_OF_PATH, "landed_path"))
    for path in _stage_files(connection, settings, feed, source, paths):
        decoded = {name: "text" if kind == "bytes" else kind for name, kind in types.items()}
        in_batches = _parquet_source(settings, feed, "batch", decoded, ("$day::date", "$path"))
        _stage_batches(connection, settings, feed, in_batches, (path, parquet_batches(path)))


def _parquet_source(
    settings: Settings, feed: Feed, relation: str, types: dict[str, str], landed: tuple[str, str]
) -> Source:
    """Columns of Parquet files, from the kinds of `schema.kind_of` to the types of the feed."""
    values, texts, written = {}, {}, {}
    for name, kind in types.items():
        column, wanted = f'"{name}"', feed.columns.get(name)
        written[name] = f"decode({column})" if kind == "bytes" else f"{column}::varchar"
        if wanted is None or name == PACKED:
            continue
        if wanted == "VARCHAR":
            values[name] = from_text(feed, name).format(written[name])
        elif wanted == "TIMESTAMP" and kind in ("whole", "number"):
            values[name], texts[name] = f"as_epoch({column})", f"{column}::varchar"
        elif wanted == "INTEGER":
            values[name] = f"try_cast({column} as integer)"
        else:
            values[name] = f"{column}::{wanted.lower()}"
    source = Source(relation, values, texts, *landed, "null")
    return with_attributes(source, written, settings.attributes.declared(feed.name))


def _in_batches(settings: Settings, feed: Feed, texts: dict[str, str], line: str) -> Source:
    return _text_source(settings, feed, "batch", texts, ("$day::date", "$path", line))


def _text_source(
    settings: Settings, feed: Feed, relation: str, texts: dict[str, str], row: tuple[str, str, str]
) -> Source:
    """Columns of text files, and their declared attributes; `row` is its day, path and line."""
    day, path, line = row
    known = {name: text for name, text in texts.items() if name in feed.columns}
    known.pop(PACKED, None)
    source = text_source(feed, relation, known, day=day, path=path, line=line)
    return with_attributes(source, texts, settings.attributes.declared(feed.name))


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
    source = _text_source(settings, feed, relation, columns, (_DAY_OF_PATH, "landed_path", "null"))
    for path in _stage_files(connection, settings, feed, source, paths):
        in_batches = _in_batches(settings, feed, columns, "line")
        _stage_batches(connection, settings, feed, in_batches, (path, csv_batches(path, width)))


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
