"""Take a user out of DuckDB and SQLite files, down to the bytes of deleted rows."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb

from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.tables import RAW_QUARANTINE
from pipelines.base.warehouse import connect, transaction
from pipelines.erase.words import UserWords

USER_COLUMN = "user_id"


def erase_from_warehouse(settings: Settings, path: Path, words: UserWords) -> int:
    """Delete a user's rows from every table, and rewrite the file, which keeps deleted bytes.

    Parameters
    ----------
    settings : Settings
    path : Path
        A DuckDB file with tables as the warehouse has them; need not exist.
    words : UserWords

    Returns
    -------
    int
        Rows deleted. The file is written anew also if there were none: an earlier attempt may
        have been killed in between.
    """
    if not path.exists():
        return 0
    with connect(settings, path=path) as connection:
        with transaction(connection):
            count = delete_rows(connection, words)
        connection.execute("checkpoint")
    rewrite_duckdb(path, path)
    return count


def delete_rows(connection: duckdb.DuckDBPyConnection, words: UserWords) -> int:
    """Delete a user's rows from every table with a user_id, and from the quarantine."""
    count = sum(
        _delete(connection, table, f"{USER_COLUMN} = ?", [words.user_id])
        for table in tables_with(connection, USER_COLUMN)
    )
    has_quarantine = connection.execute(
        "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
        [RAW_QUARANTINE.schema, RAW_QUARANTINE.name],
    ).fetchone()
    if has_quarantine:
        count += _delete_quarantined(connection, words)
        _recount(connection)
    return count


def tables_with(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """Quoted names of the tables that have a column."""
    tables = connection.execute(
        "select table_schema, table_name from information_schema.columns "
        "inner join information_schema.tables using (table_catalog, table_schema, table_name) "
        "where column_name = ? and table_type = 'BASE TABLE' and table_catalog = current_database()"
        " order by all",
        [column],
    ).fetchall()
    return [f'"{schema}"."{name}"' for schema, name in tables]


def _delete_quarantined(connection: duckdb.DuckDBPyConnection, words: UserWords) -> int:
    """Delete the user's quarantined rows, and quarantined lines that name the id."""
    rows = connection.execute(
        f"select quarantine_id, payload, released_payload from {RAW_QUARANTINE.qualified}"
    ).fetchall()
    named = [
        row_id
        for row_id, payload, released in rows
        if _names(payload, words) or _names(released, words)
    ]
    where = "quarantine_id in (select unnest(?::varchar[]))"
    return _delete(connection, RAW_QUARANTINE.qualified, where, [named])


def _names(payload: str | None, words: UserWords) -> bool:
    """Whether a bad row is the user's; a short id may be an item's, so fields are compared."""
    if payload is None:
        return False
    if words.is_distinct:
        return words.is_in(payload)
    row = json.loads(payload)
    return row.get(USER_COLUMN) in words.forms or words.is_in(str(row.get("line", "")))


def _recount(connection: duckdb.DuckDBPyConnection) -> None:
    """Set the counts in `raw.loads` to what the raw tables hold now."""
    for feed in ("events", "users"):
        connection.execute(
            f"""
            update raw.loads set row_count = (
                select count(*) from raw.{feed} where {feed}.landed_date = loads.landed_date
            )
            where feed = '{feed}'
            """
        )
    connection.execute(
        """
        update raw.loads set quarantined_count = (
            select count(*) from raw.quarantine
            where quarantine.landed_date = loads.landed_date and quarantine.feed = loads.feed
                and not quarantine.is_released
        )
        """
    )


def _delete(
    connection: duckdb.DuckDBPyConnection, table: str, where: str, values: list[object]
) -> int:
    ((count,),) = connection.execute(f"delete from {table} where {where}", values).fetchall()
    return int(count)


def rewrite_duckdb(source: Path, target: Path, storage_version: str | None = None) -> None:
    """Copy a closed DuckDB file's live rows and views to a new file, and put it at `target`.

    Parameters
    ----------
    source, target : Path
        May be the same.
    storage_version : str, optional
        Of the new file; default that of this DuckDB.
    """
    options = f"(storage_version '{storage_version}')" if storage_version else ""
    old, catalog = str(source).replace("'", "''"), source.stem
    with new_file(target) as fresh, closing(duckdb.connect(":memory:")) as connection:
        fresh.unlink(missing_ok=True)
        new = str(fresh).replace("'", "''")
        # Views name their tables by the catalog, which is the file's stem.
        connection.execute(f"attach '{old}' as \"{catalog}\" (read_only)")
        connection.execute(f"attach '{new}' as fresh {options}")
        connection.execute(f'use "{catalog}"')
        connection.execute(f'copy from database "{catalog}" to fresh')
        connection.execute("detach fresh")


def erase_from_sqlite(path: Path, words: UserWords) -> int:
    """Delete a user's rows from an SQLite file, redact other texts, and write the file anew.

    Parameters
    ----------
    path : Path
        Such as `mlflow.db` or Airflow's; need not exist.
    words : UserWords

    Returns
    -------
    int
        Rows deleted or changed.
    """
    if not path.exists():
        return 0
    with closing(sqlite3.connect(path, isolation_level=None, timeout=60)) as store:
        store.execute("pragma secure_delete = on")
        store.execute("begin immediate")
        count = delete_sqlite_rows(store, words) + _redact_texts(store, words)
        store.execute("commit")
        store.execute("vacuum")
        store.execute("pragma wal_checkpoint(truncate)")
    return count


def table_names(store: sqlite3.Connection) -> list[str]:
    """Tables of an SQLite file."""
    rows = store.execute("select name from sqlite_master where type = 'table' order by name")
    return [name for (name,) in rows if not name.startswith("sqlite_")]


def delete_sqlite_rows(store: sqlite3.Connection, words: UserWords) -> int:
    """Delete a user's rows from every table of an SQLite file with a user_id."""
    return sum(
        store.execute(f'delete from "{table}" where {USER_COLUMN} = ?', [words.user_id]).rowcount
        for table, column in _sqlite_columns(store)
        if column == USER_COLUMN
    )


def _redact_texts(store: sqlite3.Connection, words: UserWords) -> int:
    """Redact the user in every text of an SQLite file."""
    store.create_function("redact", 1, words.redact, deterministic=True)
    store.create_function("names_user", 1, words.is_in, deterministic=True)
    return sum(
        store.execute(
            f'update "{table}" set "{column}" = redact("{column}") '
            f'where typeof("{column}") = \'text\' and names_user("{column}")'
        ).rowcount
        for table, column in _sqlite_columns(store)
    )


def _sqlite_columns(store: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every table of an SQLite file with each of its columns."""
    return [
        (table, row[1])
        for table in table_names(store)
        for row in store.execute(f'pragma table_info("{table}")')
    ]
