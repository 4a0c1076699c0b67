"""Open the DuckDB warehouse and replace slices of its tables; nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.base.assignment import ASSIGNMENT_MACROS
from pipelines.base.config import Settings
from pipelines.base.errors import WarehouseLockedError
from pipelines.base.faults import faultpoint
from pipelines.base.tables import PYTHON_TABLES, Table

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def connect(
    settings: Settings, *, path: Path | None = None, read_only: bool = False
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the warehouse, in UTC and within its memory limit; close it on the way out.

    Parameters
    ----------
    settings : Settings
        Home, memory limit and threads.
    path : Path, optional
        Another DuckDB file, such as a publication's; default the home's warehouse. Its tables
        are not created.
    read_only : bool, default False
        Open beside other readers. A writer shuts out every other process.

    Yields
    ------
    duckdb.DuckDBPyConnection

    Raises
    ------
    WarehouseLockedError
        If another process has the file open.
    """
    target = path or settings.warehouse_path
    target.parent.mkdir(parents=True, exist_ok=True)
    connection = _open(settings, target, read_only)
    try:
        if path is None and not read_only:
            create_tables(connection)
            faultpoint("warehouse.opened")
        yield connection
        if not read_only:
            faultpoint("warehouse.closes")
    finally:
        connection.close()


def _open(settings: Settings, target: Path, read_only: bool) -> duckdb.DuckDBPyConnection:
    limits: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": settings.warehouse.memory_limit,
        "threads": settings.warehouse.threads,
        "temp_directory": str(settings.temporary),
    }
    try:
        connection = duckdb.connect(str(target), read_only=read_only, config=limits)
    except duckdb.IOException as error:
        if "lock" not in str(error).lower():
            raise
        raise WarehouseLockedError(
            f"One process at a time may write the warehouse. Found {target} held by another: "
            f"{error}. Wait for the running night, or query the publication instead "
            "(`recsys query --sql`)."
        ) from error
    connection.execute("set TimeZone = 'UTC'")
    return connection


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the schemas, tables, columns and macros of this version, where they are missing.

    Tables of an earlier version get the columns they lack, null in existing rows.
    """
    found: dict[tuple[str, str], set[str]] = {}
    # information_schema would resolve every view for it
    for schema, table_name, column in connection.execute(
        "select schema_name, table_name, column_name from duckdb_columns() where not internal"
    ).fetchall():
        found.setdefault((schema, table_name), set()).add(column)
    for table in PYTHON_TABLES:
        columns = found.get((table.schema, table.name))
        if columns is None:
            connection.execute(f"create schema if not exists {table.schema}")
            connection.execute(table.ddl())
            continue
        for column, kind in table.columns.items():
            if column not in columns:
                connection.execute(f"alter table {table.qualified} add column {column} {kind}")
    connection.execute(ASSIGNMENT_MACROS)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Commit what the block changes as a whole, or leave everything as it was."""
    connection.execute("begin")
    try:
        yield
        faultpoint("warehouse.changed")
        connection.execute("commit")
    except BaseException:
        # A failed commit may have closed the connection; the first error is the one to show.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    faultpoint("warehouse.committed")


def replace_slice(
    connection: duckdb.DuckDBPyConnection,
    table: Table,
    frame: pd.DataFrame,
    where: dict[str, object],
) -> None:
    """Delete a slice of a table and insert a frame in its place, in one transaction.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open, writable warehouse.
    table : Table
        Its contract; `frame` must have exactly these columns, in any order.
    frame : pandas.DataFrame
        The new rows of the slice; may be empty.
    where : dict
        Column to value: the slice, for example ``{"as_of": day}``.
    """
    condition = " and ".join(f"{column} = ?" for column in where)
    columns = ", ".join(table.columns)
    connection.register("new_slice", frame[list(table.columns)])
    try:
        with transaction(connection):
            connection.execute(
                f"delete from {table.qualified} where {condition}", list(where.values())
            )
            connection.execute(
                f"insert into {table.qualified} ({columns}) select {columns} from new_slice"
            )
    finally:
        connection.unregister("new_slice")


#: Columns that say when something was written and in which MLflow run: only these may differ where
#: the same night is run again.
RUN_COLUMNS = ("generated_at", "run_id", "file_times")


def fingerprint_tables(connection: duckdb.DuckDBPyConnection) -> dict[str, tuple[int, str]]:
    """Row count and a hash of the sorted rows of every table; equal for equal content.

    Columns of `RUN_COLUMNS` are left out.

    Returns
    -------
    dict of str to (int, str)
        `schema.table` to rows and the md5 of its sorted rows, by name.
    """
    tables = connection.execute(
        "select table_schema, table_name, string_agg(column_name, ',' order by column_name) "
        "from information_schema.columns "
        "where not list_contains(?, column_name) "
        "and (table_schema, table_name) in (select table_schema, table_name "
        "from information_schema.tables where table_type = 'BASE TABLE') "
        "group by all order by all",
        [list(RUN_COLUMNS)],
    ).fetchall()
    found = {}
    for schema, name, columns in tables:
        quoted = ", ".join(f'"{column}"' for column in columns.split(","))
        row = connection.execute(
            f"select count(*), md5(coalesce(string_agg(line, chr(10) order by line), '')) "
            f'from (select md5(row({quoted})::varchar) as line from "{schema}"."{name}")'
        ).fetchone()
        found[f"{schema}.{name}"] = (row[0], row[1]) if row else (0, "")
    return found


def read_records(
    connection: duckdb.DuckDBPyConnection, sql: str, *parameters: object
) -> list[dict[str, Any]]:
    """Rows of a SQL query, each a mapping of column name to value."""
    found = connection.execute(sql, list(parameters))
    names = [column[0] for column in found.description or []]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
