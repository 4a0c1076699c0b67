"""The first rows of a source, as text by column, to see what its columns may be."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipelines.base.errors import LandingError
from pipelines.base.ids import NESTED
from pipelines.base.source_settings import FileFormat
from pipelines.events.sources.column_paths import ColumnPath, parse_paths
from pipelines.events.sources.csv_files import read_csv_rows, read_dialect
from pipelines.events.sources.json_files import json_columns, read_json_rows
from pipelines.events.sources.parquet_files import parquet_columns
from pipelines.events.sources.source_files import LineFaults, SourceFile, find_files

SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class Sample:
    """The first rows of a source.

    Parameters
    ----------
    path : str
        As it was given.
    format : str
        ``csv``, ``json`` or ``parquet``.
    row_count : int
    columns : dict of str to list of str
        By name or path, the values that are not empty, in their order.
    """

    path: str
    format: str
    row_count: int
    columns: dict[str, list[str]]


def read_sample(path: str, written: FileFormat) -> Sample:
    """Read the first rows of the first file of a source.

    Raises
    ------
    LandingError
        If nothing is there, or it cannot be read.
    """
    first = find_files(path, written)[0]
    rows, columns = _READERS[first.format](first, written)
    columns |= {name: [value] * rows for name, value in first.partitions.items()}
    texts = {
        name: [text for value in values if (text := _text(value))]
        for name, values in columns.items()
    }
    held = {name: values for name, values in texts.items() if NESTED not in "".join(values[:1])}
    _check_header(first, held)
    return Sample(path, first.format, rows, held)


def _check_header(file: SourceFile, columns: dict[str, list[str]]) -> None:
    """Refuse CSV whose first line holds values, where names of columns are expected."""
    if file.format != "csv":
        return
    names = list(columns)
    if len(names) == 1 and len(names[0].split()) > 1:
        raise LandingError(
            "A log must have a row for each event, with who, what and when. The first line of "
            f"{file.path} is {names[0][:60]!r}: if each line is a user and the items of it, "
            "without times, no window can be held out; compare recommenders on it with "
            "`recsys benchmark --train FILE --test FILE`."
        )
    if sum(bool(re.fullmatch(r"[-+.\d:/ ]+", name)) for name in names) * 2 >= len(names):
        raise LandingError(
            f"The first line of a CSV file must name its columns. That of {file.path} holds "
            f"{', '.join(names)[:80]}. Name them: --columns user,item,rating,time."
        )


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _read_csv(file: SourceFile, written: FileFormat) -> tuple[int, dict[str, list[Any]]]:
    dialect = read_dialect(file, written)
    batch = next(read_csv_rows(file, dialect, dialect.columns, LineFaults()), None)
    if batch is None:
        return 0, {name: [] for name in dialect.columns}
    rows = batch.slice(0, SAMPLE_ROWS)
    return rows.num_rows, {name: rows[name].to_pylist() for name in dialect.columns}


def _read_json(file: SourceFile, written: FileFormat) -> tuple[int, dict[str, list[Any]]]:
    """Read the columns that share the same rows together: those of records, and of each list."""
    groups: dict[tuple[str, ...], list[ColumnPath]] = defaultdict(list)
    for name in json_columns(file, written):
        with suppress(LandingError):  # a list within a list has no rows
            (path,) = parse_paths([name])
            groups[path.unnested].append(path)
    columns: dict[str, list[Any]] = {}
    for paths in groups.values():
        batch = next(read_json_rows(file, written, paths, LineFaults()), None)
        for path in paths:
            rows = [] if batch is None else batch.slice(0, SAMPLE_ROWS)[path.text].to_pylist()
            columns[path.text] = rows
    return max(map(len, columns.values()), default=0), columns


def _read_parquet(file: SourceFile, _written: FileFormat) -> tuple[int, dict[str, list[Any]]]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file.path, filesystem=file.filesystem) as parquet:
        batch = next(parquet.iter_batches(SAMPLE_ROWS), None)
    records = [] if batch is None else batch.to_pylist()
    return len(records), {
        name: [value for record in records for value in islice(_follow(record, name), 100)]
        for name in parquet_columns(file)
    }


def _follow(record: dict[str, Any], name: str) -> Iterator[Any]:
    """Values of a record at a path, none of which is a list or an object."""
    head, mark, tail = name.partition("[].")
    value: Any = record.get(head)
    if value is None and head not in record:
        value = record
        for key in head.split("."):
            value = value.get(key) if isinstance(value, dict) else None
    if mark:
        for element in value or ():
            yield from _follow(element, tail)
    elif not isinstance(value, list | dict):
        yield int(value) if isinstance(value, float) and value.is_integer() else value


_READERS = {"csv": _read_csv, "json": _read_json, "parquet": _read_parquet}
