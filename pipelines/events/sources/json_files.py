"""Read JSON files as text: an object a line or an array of objects, numbers as they are written."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import FileFormat
from pipelines.events.sources.column_paths import ColumnPath
from pipelines.events.sources.source_files import LineFaults, SourceFile
from pipelines.events.text_files import json_text, load_json

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 50_000
#: Records from which the columns of a file are seen.
_SAMPLE_RECORDS = 1_000


def json_columns(file: SourceFile, written: FileFormat) -> dict[str, None]:
    """Paths to the values of the first records of a file, as a mapping may name them."""
    paths: dict[str, None] = {}
    for _, record in islice(_records(file, written, LineFaults()), _SAMPLE_RECORDS):
        paths.update(dict.fromkeys(_paths(record, "")))
    return paths


def _paths(value: Any, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
        yield name
        for one in value:
            yield from _paths(one, f"{name}[]")
    elif name:
        yield name


def read_json_rows(
    file: SourceFile, written: FileFormat, wanted: Sequence[ColumnPath], faults: LineFaults
) -> Iterator[pa.Table]:
    """Read values of the records of a JSON file as text, in batches.

    Parameters
    ----------
    file : SourceFile
    written : FileFormat
    wanted : sequence of ColumnPath
        At most one list among them is unnested: each of its elements is a row.
    faults : LineFaults
        Counts rows, lines that are no JSON object, and records without an element to unnest.

    Yields
    ------
    pyarrow.Table
        A column of text for each path, named as it is written, and `source_row`; numbers keep
        their spelling, null and absent values are null, lists and objects start with `NESTED`.

    Raises
    ------
    LandingError
        If the file cannot be read on.
    """
    import pyarrow as pa

    unnested = next((path.unnested for path in wanted if path.unnested), ())
    names = [path.text for path in wanted] + ["source_row"]
    rows = _rows(file, written, wanted, unnested, faults)
    while batch := list(islice(rows, _BATCH_ROWS)):
        *texts, numbers = zip(*batch, strict=True)
        columns = [pa.array(column, pa.large_string()) for column in texts]
        yield pa.table([*columns, pa.array(numbers, pa.int64())], names=names)


def _rows(
    file: SourceFile,
    written: FileFormat,
    wanted: Sequence[ColumnPath],
    unnested: tuple[str, ...],
    faults: LineFaults,
) -> Iterator[tuple[Any, ...]]:
    for number, record in _records(file, written, faults):
        elements = [record]
        if unnested:
            found = _follow(record, unnested)
            elements = found if isinstance(found, list) else []
            if not elements:
                faults.row_count += 1
                faults.add(f"a record has no element of {'.'.join(unnested)}[]", f"row {number}")
        for element in elements:
            faults.row_count += 1
            yield (
                *(
                    json_text(_follow(element if path.unnested else record, path.keys))
                    for path in wanted
                ),
                number,
            )


def _follow(value: Any, keys: tuple[str, ...]) -> Any:
    if isinstance(value, dict) and (whole := ".".join(keys)) in value:
        return value[whole]
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _records(
    file: SourceFile, written: FileFormat, faults: LineFaults
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each record; other values are faults."""
    try:
        with (
            file.open_stream() as stream,
            io.TextIOWrapper(stream, written.encoding, errors="strict") as text,
        ):
            start = ""
            while start == "":
                line = text.readline()
                if not line:
                    return
                start = line.strip().removeprefix("\ufeff")
            values: Iterator[tuple[int, Any]]
            if start.startswith("["):
                values = enumerate(_parsed(start + text.read(), file), start=1)
            else:
                values = _lines(start, text)
            yield from _objects(values, faults)
    except (OSError, UnicodeError) as error:
        raise LandingError(
            f"A JSON file must be readable to its end. Got {file.path}: {str(error)[:200]}. "
            "Say how it is written: --encoding."
        ) from error


def _parsed(text: str, file: SourceFile) -> list[Any]:
    try:
        value = load_json(text)
    except (ValueError, RecursionError) as error:
        raise LandingError(
            f"A JSON file must hold an object a line, or one array of objects. Got {file.path}: "
            f"{str(error)[:200]}. Write it again."
        ) from error
    return value if isinstance(value, list) else [value]


def _lines(first: str, rest: io.TextIOWrapper) -> Iterator[tuple[int, Any]]:
    number, line = 1, first
    while line:
        if text := line.strip():
            try:
                yield number, load_json(text)
            except (ValueError, RecursionError):
                yield number, text
        number, line = number + 1, rest.readline()


def _objects(
    values: Iterator[tuple[int, Any]], faults: LineFaults
) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, value in values:
        if isinstance(value, dict):
            yield number, value
        else:
            faults.row_count += 1
            faults.add("a line is no JSON object", f"row {number}: {str(value)[:80]}")
