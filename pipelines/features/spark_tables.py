"""Let Spark read the raw tables of a home, and everybody read in the warehouse what it builds.

Below `spark/` of the home lie copies of the raw tables, partitioned by ``landed_date``, and the
tables that Spark writes, all in Parquet. The warehouse has a view of each table, so that readers
need not know which engine built it.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pipelines.base.config import Settings
from pipelines.base.durable import new_folder, read_if_there, write_json
from pipelines.base.spark import spark_session
from pipelines.base.tables import RAW_EVENTS, RAW_ITEMS, RAW_USERS, DbtTable, Table, dbt_tables
from pipelines.base.warehouse import connect, transaction

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

RAW_TABLES = (RAW_EVENTS, RAW_ITEMS, RAW_USERS)
#: Types of Spark by those of DuckDB, where they are called otherwise.
SPARK_TYPES = {"VARCHAR": "string"}


@dataclass(frozen=True)
class SparkTables:
    """What a build on Spark reads and writes, while the warehouse is closed to others.

    Parameters
    ----------
    settings : Settings
    connection : duckdb.DuckDBPyConnection
        The warehouse.
    session : pyspark.sql.SparkSession
    """

    settings: Settings
    connection: duckdb.DuckDBPyConnection
    session: SparkSession

    def show(self) -> None:
        """Point the views of the warehouse to what was built: all of it is whole."""
        with transaction(self.connection):
            for table in dbt_tables():
                if self._is_in_files(table):
                    _show(self.connection, self.settings, table)
        write_json(_state_path(self.settings), _whole(self.settings))

    def _is_in_files(self, table: DbtTable) -> bool:
        catalogue = self.session.catalog
        return catalogue.tableExists(table.qualified) and (
            catalogue.getTable(table.qualified).tableType != "VIEW"
        )


@contextmanager
def spark_tables(settings: Settings) -> Iterator[SparkTables]:
    """Start Spark with the raw tables as they are in the warehouse.

    Yields
    ------
    SparkTables
        Call `show` once every table is built; without it the next build begins anew.

    Raises
    ------
    SettingsError
        If the extra `spark` is not installed.
    WarehouseLockedError
        If another process has the warehouse open.
    """
    with connect(settings) as connection:
        begin_build(settings)
        for table in RAW_TABLES:
            copy_raw(connection, settings, table)
        with spark_session(settings) as session:
            for table in RAW_TABLES:
                _register(session, settings, table)
            yield SparkTables(settings, connection, session)


def begin_build(settings: Settings) -> None:
    """Note that a build has begun, and keep what Spark built before only if it is whole here.

    A home that was moved, and one whose last build did not come to its end, forget it: half a table
    is no table, and the catalogue of tables says where they were.
    """
    if read_if_there(_state_path(settings)) != _whole(settings):
        shutil.rmtree(settings.spark_folder, ignore_errors=True)
    write_json(_state_path(settings), {})


def forget_spark_tables(settings: Settings) -> None:
    """Remove all that Spark read and wrote, and the views of it; the next build makes it anew."""
    shutil.rmtree(settings.spark_folder, ignore_errors=True)
    if not settings.warehouse_path.exists():
        return
    with connect(settings) as connection:
        views = connection.execute(
            "select schema_name, view_name from duckdb_views() where contains(sql, ?)",
            [f"'{settings.spark_folder}/"],
        ).fetchall()
        for schema, name in views:
            connection.execute(f'drop view "{schema}"."{name}"')


def copy_raw(connection: duckdb.DuckDBPyConnection, settings: Settings, table: Table) -> list[str]:
    """Copy the days of a raw table that are others than those that are there; drop what is gone.

    Returns
    -------
    list of str
        Days that were written or removed, sorted.
    """
    folder = _raw_folder(settings, table)
    listing = folder.with_suffix(".json")
    columns = ", ".join(table.columns)
    days = dict(
        connection.execute(
            "select landed_date::varchar, "
            f"concat_ws(' ', count(*), bit_xor(hash({columns})), sum(hash({columns}) >> 32)) "
            f"from {table.qualified} group by all order by all"
        ).fetchall()
    )
    before = read_if_there(listing) or {}
    changed = sorted(day for day in {*days, *before} if days.get(day) != before.get(day))
    for day in changed:
        place = folder / f"landed_date={day}"
        shutil.rmtree(place, ignore_errors=True)
        if day in days:
            _copy_day(connection, table, day, place)
    write_json(listing, days)
    logger.info("%s: %d of %d days copied for Spark", table.qualified, len(changed), len(days))
    return changed


def _copy_day(connection: duckdb.DuckDBPyConnection, table: Table, day: str, place: Path) -> None:
    columns = ", ".join(name for name in table.columns if name != "landed_date")
    with new_folder(place) as fresh:
        connection.execute(
            f"copy (select {columns} from {table.qualified} where landed_date = $day::date) "
            "to $path (format parquet, compression zstd)",
            {"day": day, "path": str(fresh / "rows.parquet")},
        )


def _register(session: SparkSession, settings: Settings, table: Table) -> None:
    """Tell Spark of the copy of a raw table and of its days."""
    folder = _raw_folder(settings, table)
    folder.mkdir(parents=True, exist_ok=True)
    columns = ", ".join(
        f"{name} {SPARK_TYPES.get(kind, kind)}" for name, kind in table.columns.items()
    )
    session.sql(f"create schema if not exists {table.schema}")
    session.sql(f"drop table if exists {table.qualified}")
    session.sql(
        f"create table {table.qualified} ({columns}) using parquet "
        f"partitioned by (landed_date) location '{folder}'"
    )
    session.sql(f"msck repair table {table.qualified}")


def _show(connection: duckdb.DuckDBPyConnection, settings: Settings, table: DbtTable) -> None:
    """Put a view of a table of Spark in the place of whatever has its name in the warehouse."""
    found = connection.execute(
        "select table_type from information_schema.tables "
        "where table_schema = ? and table_name = ?",
        [table.schema, table.name],
    ).fetchone()
    if found:
        kind = "view" if found[0] == "VIEW" else "table"
        connection.execute(f"drop {kind} {table.qualified}")
    connection.execute(f"create schema if not exists {table.schema}")
    connection.execute(f"create view {table.qualified} as {_rows_of(settings, table)}")


def _rows_of(settings: Settings, table: DbtTable) -> str:
    """SQL that reads the files of a table of Spark; a table without rows may have no file."""
    folder = settings.spark_folder / "tables" / f"{table.schema}.db" / table.name
    partitions = sorted({path.name.partition("=")[0] for path in folder.glob("*=*")})
    pattern = "/".join([*("*" for _ in partitions), "*.parquet"])
    if not any(folder.glob(pattern)):
        columns = ", ".join(
            f"cast(null as {kind}) as {name}" for name, kind in table.columns.items()
        )
        return f"select {columns} where false"
    columns = ", ".join(f"cast({name} as {kind}) as {name}" for name, kind in table.columns.items())
    kinds = ", ".join(f"'{name}': {table.columns[name]}" for name in partitions)
    hive = f", hive_types = {{{kinds}}}" if partitions else ""
    return (
        f"select {columns} from read_parquet('{folder}/{pattern}', union_by_name = true, "
        f"hive_partitioning = {'true' if partitions else 'false'}{hive})"
    )


def _raw_folder(settings: Settings, table: Table) -> Path:
    return settings.spark_folder / "raw" / table.name


def _state_path(settings: Settings) -> Path:
    return settings.spark_folder / "state.json"


def _whole(settings: Settings) -> dict[str, str]:
    """State of a home in which the last build on Spark came to its end."""
    return {"home": str(settings.home)}
