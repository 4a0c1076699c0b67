"""Read Parquet files in the few types that the rest of landing knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipelines.base.errors import LandingError
from pipelines.events.sources.column_paths import ColumnPath
from pipelines.events.sources.source_files import LineFaults, SourceFile
from pipelines.events.text_files import decode

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 100_000
#: From here on, doubles cannot hold every whole number.
_EXACT_WHOLE = 2**53


def parquet_columns(file: SourceFile) -> dict[str, None]:
    """Paths to the values of a file, as a mapping may name them."""
    import pyarrow as pa

    def paths(name: str, kind: pa.DataType) -> Iterator[str]:
        yield name
        if pa.types.is_struct(kind):
            for field in kind:
                yield from paths(f"{name}.{field.name}", field.type)
        elif _is_list(kind) and pa.types.is_struct(kind.value_type):
            for field in kind.value_type:
                yield from paths(f"{name}[].{field.name}", field.type)

    return {path: None for field in _schema(file) for path in paths(field.name, field.type)}


def _schema(file: SourceFile) -> pa.Schema:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_schema(file.path, filesystem=file.filesystem)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: SourceFile, error: Exception) -> LandingError:
    return LandingError(
        f"A Parquet file must be readable to its end. Got {file.path}: {str(error)[:200]}. "
        "Copy or write it again."
    )


def read_parquet_rows(
    file: SourceFile,
    wanted: Sequence[ColumnPath],
    kinds: Mapping[str, str],
    faults: LineFaults,
) -> Iterator[pa.Table]:
    """Read values of the rows of a Parquet file, in batches.

    Parameters
    ----------
    file : SourceFile
    wanted : sequence of ColumnPath
        At most one list among them is unnested: each of its elements is a row.
    kinds : mapping of str to str
        Path to what it is read as: ``VARCHAR``, ``TIMESTAMP``, ``DOUBLE`` or another DuckDB type.
    faults : LineFaults
        Counts rows, and records without an element to unnest.

    Yields
    ------
    pyarrow.Table
        A column for each path, named as it is written, and `source_row`. Ids and texts are text,
        with whole numbers spelt as such; numbers are doubles; times are timestamps with or without
        a zone, or text, also of numbers, which SQL reads.

    Raises
    ------
    LandingError
        If a column has a type that cannot be read as what it is for, or the file is damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = {field.name for field in _schema(file)}
    roots = sorted(
        {path.text if path.text in names else (path.unnested or path.keys)[0] for path in wanted}
    )
    row = 1
    try:
        with pq.ParquetFile(file.path, filesystem=file.filesystem) as parquet:
            for batch in parquet.iter_batches(_BATCH_ROWS, columns=roots):
                numbers = pa.array(range(row, row + batch.num_rows), pa.int64())
                row += batch.num_rows
                yield _read_batch(pa.table(batch), numbers, wanted, kinds, faults)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(file, error) from error


def _read_batch(
    table: pa.Table,
    numbers: pa.Array,
    wanted: Sequence[ColumnPath],
    kinds: Mapping[str, str],
    faults: LineFaults,
) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    unnested = next((path.unnested for path in wanted if path.unnested), None)
    parents = elements = None
    if unnested:
        lists = pc.cast(_follow(table, unnested), pa.large_list(_value_type(table, unnested)))
        elements, parents = pc.list_flatten(lists), pc.list_parent_indices(lists)
        if empty := len(lists) - len(pc.unique(parents)):
            kind = f"a record has no element of {'.'.join(unnested)}[]"
            faults.add(kind, f"{empty} records from row {numbers[0]} on have none", empty)
            faults.row_count += empty
    columns = []
    for path in wanted:
        if path.unnested:
            column = pc.struct_field(elements, list(path.keys))
        else:
            column = _follow(table, path.keys, path.text)
            column = column if parents is None else column.take(parents)
        columns.append(_read_column(column, path.text, kinds[path.text]))
    if parents is not None:
        numbers = numbers.take(parents)
    faults.row_count += len(numbers)
    names = [path.text for path in wanted]
    return pa.table([*columns, numbers], names=[*names, "source_row"])


def _value_type(table: pa.Table, keys: tuple[str, ...]) -> pa.DataType:
    return _follow(table, keys).type.value_type


def _follow(table: pa.Table, keys: tuple[str, ...], text: str = "") -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    name, rest = (text, ()) if text in table.column_names else (keys[0], keys[1:])
    column = table.column(name).combine_chunks()
    if isinstance(column, pa.ChunkedArray):
        column = pa.concat_arrays(column.chunks)
    return pc.struct_field(column, list(rest)) if rest else column


def _is_list(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _read_column(column: pa.Array, name: str, kind: str) -> pa.Array:
    import pyarrow as pa

    types = pa.types
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if types.is_null(column.type):
        return column.cast(pa.large_string())
    if types.is_nested(column.type):
        inner = "[]." if _is_list(column.type) else "."
        raise LandingError(
            f"A column must hold one value a row. {name!r} holds {column.type}: a list or an "
            f"object is no value. Name what is inside: --map …={name}{inner}KEY."
        )
    if types.is_binary(column.type) or types.is_large_binary(column.type):
        raw = column.to_pylist()
        return pa.array([one if one is None else decode(one) for one in raw], pa.large_string())
    if types.is_string(column.type) or types.is_large_string(column.type):
        return _checked_text(column)
    if types.is_string_view(column.type):
        return _checked_text(column.cast(pa.large_string()))
    return _read_typed(column, name, kind)


def _checked_text(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    column = column.cast(pa.large_string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        raw = column.cast(pa.large_binary()).to_pylist()
        return pa.array([one if one is None else decode(one) for one in raw], pa.large_string())
    return column


def _read_typed(column: pa.Array, name: str, kind: str) -> pa.Array:
    """Read numbers, times and flags as what their column is for."""
    import pyarrow as pa

    types = pa.types
    is_time = types.is_timestamp(column.type) or types.is_date(column.type)
    is_number = (
        types.is_integer(column.type)
        or types.is_floating(column.type)
        or types.is_decimal(column.type)
    )
    if kind == "TIMESTAMP" and is_time:
        zone = getattr(column.type, "tz", None)
        return column.cast(pa.timestamp("us", "UTC" if zone else None), safe=False)
    if kind in ("DOUBLE", "INTEGER") and is_number:
        return column.cast(pa.float64(), safe=False)
    if is_number and (kind == "TIMESTAMP" or not types.is_floating(column.type)):
        return column.cast(pa.large_string())
    if is_number and kind == "VARCHAR":
        return _whole_numbers(column, name)
    if types.is_boolean(column.type) and kind in ("BOOLEAN", "VARCHAR"):
        return column.cast(pa.large_string())
    raise LandingError(
        f"Column {name!r} must be of a type that can be read as {_MEANT[kind]}. It is "
        f"{column.type}. Map another column, or cast it where the file is made."
    )


_MEANT: dict[str, Any] = {
    "VARCHAR": "an id or a text",
    "TIMESTAMP": "a time",
    "DOUBLE": "a number",
    "INTEGER": "a number",
    "BOOLEAN": "true or false",
}


def _whole_numbers(column: pa.Array, name: str) -> pa.Array:
    """Spell doubles that hold whole numbers; a gap in a column of numbers turns it into doubles."""
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = column.cast(pa.float64())
    numbers = pc.if_else(pc.is_nan(numbers), pa.scalar(None, pa.float64()), numbers)
    is_whole = pc.and_(
        pc.equal(numbers, pc.round(numbers)), pc.less(pc.abs(numbers), float(_EXACT_WHOLE))
    )
    if pc.all(is_whole, min_count=0).as_py():
        return numbers.cast(pa.int64()).cast(pa.large_string())
    found = pc.filter(numbers, pc.invert(is_whole))[0].as_py()
    raise LandingError(
        f"An id must be a text or a whole number. Column {name!r} is {column.type} and holds "
        f"{found!r}: its spelling is lost. Cast it to text where the file is made."
    )
