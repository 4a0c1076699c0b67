"""Source `sql`: the rows of a query, pulled as they come into a file that is read as a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import QuerySettings

if TYPE_CHECKING:
    import pyarrow as pa

_BATCH_ROWS = 50_000
_POSTGRES = ("postgresql", "postgres")
_DUCKDB_SUFFIXES = (".duckdb", ".db", ".ddb")


def query_settings(options: dict[str, Any]) -> QuerySettings:
    """Take the options of a query out of those of `land`; the rest are a table's.

    Raises
    ------
    LandingError
        If it has no address or no SQL.
    """
    chosen = {key: options.pop(key) for key in QuerySettings.model_fields if key in options}
    if missing := [f"--{key}" for key in ("url", "query") if not chosen.get(key)]:
        raise LandingError(
            f"A query must have an address and SQL. Missing {' and '.join(missing)}. Write "
            "recsys land sql --url env:SHOP_DATABASE --query 'select …' --map user_id=customer."
        )
    return QuerySettings(**chosen)


def pull_query(asked: QuerySettings, address: str, target: Path, since: str | None) -> str | None:
    """Write the rows of a query to a Parquet file, in batches.

    Parameters
    ----------
    asked : QuerySettings
    address : str
        Of the database; it is never shown.
    target : Path
        The file.
    since : str, optional
        Only rows whose `watermark` is above this text of the last pull.

    Returns
    -------
    str or None
        The greatest watermark, to be given to the next pull; `since` if there is no row.

    Raises
    ------
    LandingError
        If the database cannot be reached or the query fails, in the words of its driver.
    """
    import pyarrow.parquet as pq

    scheme = urlsplit(address).scheme
    kind = "duckdb" if _is_duckdb(address) else "postgres" if scheme in _POSTGRES else "other"
    query = asked.query.strip().rstrip(";")
    if asked.watermark is not None:
        if kind == "other":
            raise LandingError(
                "A watermark must be of a Postgres or DuckDB database. "
                f"Got {scheme}://. Leave --watermark out; the source is then read as a whole."
            )
        column = asked.watermark.replace('"', '""')
        query = f'select * from ({query}) as pulled where "{column}" is not null'
        if since is not None:
            above = since.replace("'", "''")
            query += f""" and "{column}" > '{above}'"""
    batches = {"duckdb": _duckdb, "postgres": _postgres, "other": _sqlalchemy}[kind]
    with batches(address, query) as (schema, found), pq.ParquetWriter(target, schema) as writer:
        for batch in found:
            writer.write_table(batch)
    return _greatest(target, asked.watermark, since)


def _is_duckdb(address: str) -> bool:
    return address.startswith("duckdb://") or (
        "://" not in address and Path(address).suffix in _DUCKDB_SUFFIXES
    )


Batches = tuple["pa.Schema", Iterator["pa.Table"]]


@contextmanager
def _duckdb(address: str, query: str) -> Iterator[Batches]:
    import duckdb
    import pyarrow as pa

    path = address.removeprefix("duckdb://").replace("//", "/", 1)
    try:
        with closing(duckdb.connect(path, read_only=True)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            reader = connection.sql(query).to_arrow_reader(_BATCH_ROWS)
            yield reader.schema, (pa.table(batch) for batch in reader)
    except duckdb.Error as error:
        raise _failed(error) from None


@contextmanager
def _postgres(address: str, query: str) -> Iterator[Batches]:
    import pyarrow as pa

    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise LandingError(
            "Reading from Postgres needs a driver. Found none installed. "
            "Run `pip install 'nightly-recsys[postgres]'`."
        ) from error
    try:
        with dbapi.connect(address) as connection, connection.cursor() as cursor:
            cursor.execute(query)
            reader = cursor.fetch_record_batch()
            yield reader.schema, (pa.table(batch) for batch in reader)
    except (dbapi.Error, pa.ArrowException) as error:
        raise _failed(error) from None


@contextmanager
def _sqlalchemy(address: str, query: str) -> Iterator[Batches]:
    """Rows of any database as text: types of its driver would differ from row to row."""
    import pyarrow as pa
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import SQLAlchemyError

    try:
        engine = create_engine(address)
        with _disposed(engine), engine.connect() as connection:
            streamed = connection.execution_options(stream_results=True)
            result = streamed.execute(text(query))
            schema = pa.schema([(str(name), pa.large_string()) for name in [*result.keys()]])
            yield schema, (_as_text(rows, schema) for rows in result.partitions(_BATCH_ROWS))
    except (SQLAlchemyError, ImportError) as error:
        raise _failed(error) from None


@contextmanager
def _disposed(engine: Any) -> Iterator[None]:
    """Close the connections that an engine keeps for later."""
    try:
        yield
    finally:
        engine.dispose()


def _as_text(rows: Sequence[Any], schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    columns = zip(*rows, strict=True)
    return pa.table([[_text(value) for value in column] for column in columns], schema=schema)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    return str(value)


def _failed(error: Exception) -> LandingError:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    return LandingError(
        "A query must run on the database of its address. Got: "
        f"{lines[0][:300] if lines else type(error).__name__}. Correct --url or --query."
    )


def _greatest(target: Path, watermark: str | None, since: str | None) -> str | None:
    import duckdb

    if watermark is None:
        return None
    column = watermark.replace('"', '""')
    with closing(duckdb.connect()) as connection:
        connection.execute("set TimeZone = 'UTC'")
        ((found,),) = connection.execute(
            f'select max("{column}")::varchar from read_parquet($path)', {"path": str(target)}
        ).fetchall()
    return since if found is None else str(found)
