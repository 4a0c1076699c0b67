"""Read day files that DuckDB refuses, as batches of text, so that no bad row is fatal.

A byte that is not UTF-8 becomes `base.ids.BAD_BYTE` and its hexadecimal value; a line that is no
row keeps its text in the column `line`. The rules of rows do the rest.
"""

from __future__ import annotations

import csv
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import SchemaError
from pipelines.base.ids import BAD_BYTE, NESTED

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows per batch.
BATCH_ROWS = 50_000
#: Most lines in a quoted CSV value; beyond that its opening quote counts as stray.
MAX_LINES_PER_ROW = 20
#: Number of first lines of a JSONL file whose keys are taken as its columns.
KEY_LINES = 100
_ESCAPED = re.compile("[\udc80-\udcff]")


def decode(raw: bytes) -> str:
    r"""Decode bytes as UTF-8; mark those that are not.

    Examples
    --------
    >>> decode(b"caf\xc3\xa9")
    'café'
    >>> decode(b"caf\xe9") == "caf" + BAD_BYTE + "xE9"
    True
    """
    try:
        return raw.decode()
    except UnicodeDecodeError:
        text = raw.decode(errors="surrogateescape")
        return _ESCAPED.sub(lambda found: f"{BAD_BYTE}x{ord(found.group()) - 0xDC00:02X}", text)


def csv_batches(path: Path, width: int) -> Iterator[pa.Table]:
    """Read the rows of a CSV file after its header, as text.

    Parameters
    ----------
    path : Path
        Comma-separated, ``"`` for quotes.
    width : int
        Number of columns; a line with more or fewer values is no row.

    Yields
    ------
    pyarrow.Table
        Columns `column0` … and `line`, at most `BATCH_ROWS` rows.
    """
    names = [f"column{position}" for position in range(width)]
    with path.open("rb") as stream:
        rows = _csv_rows((decode(raw) for raw in stream), width)
        next(rows, None)
        yield from _batches(rows, [*names, "line"])


def _csv_rows(lines: Iterator[str], width: int) -> Iterator[tuple[str | None, ...]]:
    ahead: deque[str] = deque()
    while True:
        ahead.extend(islice(lines, MAX_LINES_PER_ROW - len(ahead)))
        if not ahead:
            return
        values, consumed = _first_row(ahead)
        if len(values) == width:
            yield (*(value or None for value in values), None)
        elif text := ahead[0].strip():
            consumed = 1
            yield (*(None for _ in range(width)), text)
        for _ in range(consumed):
            ahead.popleft()


def _first_row(lines: Iterable[str]) -> tuple[list[str], int]:
    reader = csv.reader(lines, strict=True)
    try:
        return next(reader), reader.line_num
    except csv.Error:
        return [], 1


def json_rows(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Read the lines of a JSONL file, values as the texts they are written as.

    Yields
    ------
    pyarrow.Table
        The columns and `line`, the text of a line that is no object; empty lines are left out. At
        most `BATCH_ROWS` rows.
    """
    with path.open("rb") as stream:
        lines = (text for raw in stream if (text := decode(raw).strip()))
        yield from _batches((_json_row(text, columns) for text in lines), [*columns, "line"])


def _json_row(text: str, columns: Sequence[str]) -> tuple[str | None, ...]:
    try:
        value = load_json(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        return (*(None for _ in columns), text)
    return (*(json_text(value.get(name)) for name in columns), None)


def load_json(text: str) -> Any:
    """Parse JSON, numbers as the text they are written as."""
    return json.loads(text, parse_float=str, parse_int=str, parse_constant=str)


def json_text(value: Any) -> str | None:
    """A value of JSON as text: lists and objects are marked as `NESTED`, damage as `BAD_BYTE`."""
    if value is None:
        return None
    if isinstance(value, str):
        # half of a surrogate pair is no character
        return value if value.isascii() else decode(value.encode(errors="surrogatepass"))
    if isinstance(value, bool):
        return "true" if value else "false"
    return NESTED + json.dumps(value)[:200]


def json_keys(path: Path) -> list[str] | None:
    """Keys of the objects in the first `KEY_LINES` lines of a JSONL file; None if none is one."""
    keys: dict[str, None] | None = None
    with path.open("rb") as stream:
        for raw in islice(stream, KEY_LINES):
            try:
                value = json.loads(decode(raw))
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                keys = {**(keys or {}), **dict.fromkeys(value)}
    return None if keys is None else list(keys)


def parquet_batches(path: Path) -> Iterator[pa.Table]:
    """Read the rows of a Parquet file that has texts that are not UTF-8.

    Yields
    ------
    pyarrow.Table
        The file's columns, texts with their bad bytes marked.

    Raises
    ------
    SchemaError
        If the file cannot be read at all.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(BATCH_ROWS):
                columns = [_decode_column(column) for column in batch.columns]
                yield pa.table(columns, names=batch.schema.names)
    except (pa.ArrowException, OSError) as error:
        raise SchemaError(
            f"A day file must be readable in the format of its name. Got {path}: {error}. "
            "Land it again; nothing was changed."
        ) from error


def _decode_column(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    as_bytes = column.cast(pa.large_binary()).to_pylist()
    return pa.array([None if raw is None else decode(raw) for raw in as_bytes], pa.large_string())


def _batches(rows: Iterator[tuple[str | None, ...]], names: list[str]) -> Iterator[pa.Table]:
    import pyarrow as pa

    while batch := list(islice(rows, BATCH_ROWS)):
        columns = zip(*batch, strict=True)
        yield pa.table([pa.array(column, pa.large_string()) for column in columns], names=names)
