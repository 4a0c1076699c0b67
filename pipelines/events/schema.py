"""Check the columns of a day file before any of its rows is read."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import SchemaError
from pipelines.events.feeds import PACKED, Feed

if TYPE_CHECKING:
    import pyarrow as pa


def parquet_schema(path: Path) -> pa.Schema:
    """Schema of a Parquet file.

    Raises
    ------
    SchemaError
        If the file is not readable Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise SchemaError(
            f"A day file must be readable in the format of its name. Got {path}: {error}. "
            "Land it again; nothing was changed."
        ) from error


def csv_header(path: Path) -> list[str]:
    """Column names of a CSV file.

    Raises
    ------
    SchemaError
        If the file has no header line, or names a column twice.
    """
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next(csv.reader(stream), [])
    if not header or len(set(header)) != len(header):
        raise SchemaError(
            "The first line of a CSV day file must name each column once. "
            f"Got {header} in {path}. Land the file again with a header; nothing was changed."
        )
    return header


def check_columns(feed: Feed, path: Path, found: Iterable[str]) -> list[str]:
    """Check that a day file has the required columns.

    Returns
    -------
    list of str
        Columns the feed does not know; they are not loaded.

    Raises
    ------
    SchemaError
        If a required column is missing; names the column, the file and the likeliest new name.
    """
    names = list(found)
    strange = [name for name in names if name not in feed.columns]
    if missing := [name for name in feed.required if name not in names]:
        hints = [
            f"`{match}` may be a renamed `{name}`"
            for name in missing
            for match in difflib.get_close_matches(name, strange, n=1, cutoff=0.5)
        ]
        raise SchemaError(
            f"Every {feed.name} file must have the columns {', '.join(feed.required)}. "
            f"Missing {', '.join(f'`{name}`' for name in missing)} in {path}; "
            f"found {', '.join(names) or 'none'}{'; ' if hints else ''}{', '.join(hints)}. "
            "Rename the column or land the file again; nothing was changed."
        )
    return strange


def check_types(feed: Feed, path: Path, schema: pa.Schema) -> None:
    """Check the types of a Parquet file's columns.

    Whole numbers and bytes are accepted as ids, any number as a number or as a time since 1970, and
    a column of nulls as any type; text is not accepted as a number or a time.

    Raises
    ------
    SchemaError
        If a column has another type; names the column, both types and the file.
    """
    for field in schema:
        expected = None if field.name == PACKED else feed.columns.get(field.name)
        if expected is not None and not _accepts(expected, field.type):
            raise SchemaError(
                f"Column `{field.name}` of a {feed.name} file must be of type {expected}. "
                f"Got {field.type} in {path}. "
                "Cast the column and land the file again; nothing was changed."
            )


#: Kinds that a column of a type may have.
_ACCEPTED = {
    "VARCHAR": ("text", "bytes", "whole"),
    "TIMESTAMP": ("time", "whole", "number"),
    "DOUBLE": ("whole", "number"),
    "INTEGER": ("whole", "number"),
    "BOOLEAN": ("flag",),
}


def _accepts(expected: str, found: pa.DataType) -> bool:
    kind = kind_of(found)
    return kind == "null" or kind in _ACCEPTED[expected]


def kind_of(found: pa.DataType) -> str:
    """Kind of a column of a Parquet file: what it can be read as.

    Returns
    -------
    str
        ``text``, ``bytes``, ``whole`` (numbers without decimals), ``number``, ``time``, ``flag``,
        ``null``, or the name of another type.
    """
    import pyarrow as pa

    kinds = pa.types
    if kinds.is_dictionary(found):
        found = found.value_type
    tests = {
        "null": kinds.is_null,
        "text": lambda kind: (
            kinds.is_string(kind) or kinds.is_large_string(kind) or kinds.is_string_view(kind)
        ),
        "bytes": lambda kind: kinds.is_binary(kind) or kinds.is_large_binary(kind),
        "whole": lambda kind: (
            kinds.is_integer(kind) or (kinds.is_decimal(kind) and kind.scale == 0)
        ),
        "number": lambda kind: kinds.is_floating(kind) or kinds.is_decimal(kind),
        "time": lambda kind: kinds.is_timestamp(kind) or kinds.is_date(kind),
        "flag": kinds.is_boolean,
    }
    return next((name for name, is_kind in tests.items() if is_kind(found)), str(found))


def check_readable(
    feed: Feed, path: str, row_count: int, value_counts: dict[str, int], bad_counts: dict[str, int]
) -> None:
    """Check that each column of a text file has at least one value of its type.

    Parameters
    ----------
    feed : Feed
        Which columns have which type.
    path : str
        The file.
    row_count : int
        Its rows; a file with fewer than `MIN_ROWS_TO_JUDGE_TYPE` is left to the rules of rows.
    value_counts, bad_counts : dict of str to int
        Per column, the values given, and those that cannot be read as the column's type.

    Raises
    ------
    SchemaError
        If no value of a column can be read; names the column and the file.
    """
    if row_count < MIN_ROWS_TO_JUDGE_TYPE:
        return
    for column, bad_count in bad_counts.items():
        if bad_count and bad_count == value_counts[column]:
            raise SchemaError(
                f"Column `{column}` of a {feed.name} file must hold {feed.columns[column]} values. "
                f"None of its {bad_count} values in {path} can be read as one. "
                "Write the column in its type and land the file again; nothing was changed."
            )


#: Below this many rows, values of another type are bad rows and not a retyped column.
MIN_ROWS_TO_JUDGE_TYPE = 10
