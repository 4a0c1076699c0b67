"""Copy the live lists to a table in Postgres, replaced in one transaction."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import duckdb

from pipelines.base.config import Settings, postgres_dsn
from pipelines.base.current import MANIFEST, Publication, read_current
from pipelines.base.durable import file_sha256
from pipelines.base.errors import PostgresError
from pipelines.base.serving_settings import PostgresSettings
from pipelines.base.tables import SERVING_RECOMMENDATIONS
from pipelines.base.warehouse import connect

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Cursor

logger = logging.getLogger(__name__)

#: Number of rows of one Arrow batch.
_BATCH_ROWS = 100_000
#: Postgres type of each DuckDB type; any other becomes text.
_TYPES = {
    "VARCHAR": "text",
    "INTEGER": "integer",
    "BIGINT": "bigint",
    "DOUBLE": "double precision",
    "BOOLEAN": "boolean",
    "DATE": "date",
}
#: Primary key of the table; publication_id is the same in every row and so not part of it.
_KEY = [column for column in SERVING_RECOMMENDATIONS.key if column != "publication_id"]


def push_postgres(settings: Settings, as_of: date | None = None) -> dict[str, Any] | None:
    """Copy the live lists to the table that `publish.postgres` names.

    Parameters
    ----------
    settings : Settings
    as_of : date, optional
        The night that asks. Copied is always the live publication, whichever night's it is.

    Returns
    -------
    dict or None
        ``publication_id``, ``row_count`` and ``is_new`` (False if the table had these rows
        already); None if no server is set.

    Raises
    ------
    PostgresError
        If the server cannot be reached or refuses; its table and the live lists do not change.
    PublicationNotFoundError
        If no sound publication is live.
    SettingsError
        If the environment variable does not hold an address.

    Notes
    -----
    Table ``<table_name>`` has the rows of `recommendations`, with primary key
    (placement, variant, user_id, rank); ``<table_name>_publication`` has one row that names their
    publication. One transaction deletes the old rows, copies the new ones and changes that row, so
    readers see all of the old lists until it commits and all of the new ones after, and never
    wait. If it does not commit, nothing has changed. Publishers wait for each other, and each
    copies what is live when its turn comes.
    """
    target = settings.publish.postgres
    if target.dsn_variable is None:
        logger.debug("not copied to Postgres: publish.postgres names no server")
        return None
    dsn = postgres_dsn(settings)
    driver = _driver(target)
    try:
        with driver.connect(_with_timeout(dsn, target)) as connection:
            with connection.cursor() as cursor:
                result = _copy_live(settings, cursor)
            connection.commit()
    except driver.Error as error:
        raise PostgresError(_explain(target, dsn, error)) from None  # it may hold the address
    logger.info(
        "Postgres table %s.%s: %s, %s",
        *(target.schema_name, target.table_name, result["publication_id"]),
        f"{result['row_count']} rows copied" if result["is_new"] else "there already",
    )
    return result


def _driver(target: PostgresSettings) -> Any:
    try:
        from adbc_driver_postgresql import dbapi
    except ImportError as error:
        raise PostgresError(
            f"Copying to the server in ${target.dsn_variable} needs a driver. Found none "
            "installed. Run `pip install 'recsys[postgres]'`, then `recsys push-postgres`."
        ) from error
    return dbapi


def _with_timeout(dsn: str, target: PostgresSettings) -> str:
    """Add a time limit for connecting to the address, unless it sets its own."""
    parts = urlsplit(dsn)
    options = {
        "connect_timeout": str(target.connect_timeout_seconds),
        **dict(parse_qsl(parts.query)),
    }
    return urlunsplit(parts._replace(query=urlencode(options)))


def _copy_live(settings: Settings, cursor: Cursor) -> dict[str, Any]:
    """Make the tables hold the live publication, within the open transaction."""
    target = settings.publish.postgres
    lists, marker = _names(target)
    # A lock held until the transaction ends; it does not block readers.
    cursor.execute(f"select pg_advisory_xact_lock(hashtextextended('{lists}', 0))").fetchall()
    publication = read_current(settings, verify=True)
    mark = (
        publication.publication_id,
        publication.as_of.isoformat(),
        file_sha256(publication.folder / MANIFEST),
        int(publication.manifest["row_count"]),
    )
    result = {"publication_id": mark[0], "row_count": mark[3]}
    if _has_already(cursor, target, mark):
        return {**result, "is_new": False}
    if _value(cursor, f"select to_regnamespace('{target.schema_name}')::text") is None:
        cursor.execute(f'create schema "{target.schema_name}"')
    cursor.execute(f"set local lock_timeout = '{target.lock_timeout_seconds}s'")
    _exchange_rows(settings, cursor, publication)
    cursor.execute(
        f"create table if not exists {marker} (publication_id text primary key, as_of date,"
        " manifest_sha256 text, row_count bigint, written_at timestamptz default now())"
    )
    cursor.execute(f"delete from {marker}")
    cursor.execute(
        f"insert into {marker} (publication_id, as_of, manifest_sha256, row_count)"
        f" values ($1, $2::text::date, $3, $4)",
        mark,
    )
    return {**result, "is_new": True}


def _has_already(cursor: Cursor, target: PostgresSettings, mark: tuple[Any, ...]) -> bool:
    """Whether the tables exist and hold all of this publication."""
    lists, marker = _names(target)
    if _value(cursor, f"select to_regclass('{lists}') is null"):
        return False
    if _value(cursor, f"select to_regclass('{marker}') is null"):
        raise PostgresError(
            f"The table that is replaced must be one that this command made. Found {lists} "
            f"without {marker} beside it, so it is somebody else's. Choose another table_name or "
            "schema_name in [publish.postgres]."
        )
    cursor.execute(
        f"select publication_id, as_of::text, manifest_sha256,"
        f" (select count(*) from {lists} as rows"
        f" where rows.publication_id = marker.publication_id)"
        f" from {marker} as marker"
    )
    return bool(cursor.fetchall() == [mark])


def _exchange_rows(settings: Settings, cursor: Cursor, publication: Publication) -> None:
    """Replace all rows of the table by those of the publication's `serving.duckdb`."""
    target = settings.publish.postgres
    lists, _ = _names(target)
    with connect(settings, path=publication.serving_path, read_only=True) as connection:
        described = connection.sql("describe recommendations").fetchall()
        columns = {name: str(kind) for name, kind, *_ in described}
        wanted = {name: _TYPES.get(kind, "text") for name, kind in columns.items()}
        _shape_table(cursor, target, wanted)
        cursor.execute(f"delete from {lists}")
        cursor.adbc_ingest(
            target.table_name,
            _read_batches(connection, columns),
            mode="append",
            db_schema_name=target.schema_name,
        )
    found = _value(cursor, f"select count(*) from {lists}")
    if found != publication.manifest["row_count"]:
        raise PostgresError(
            f"All rows must arrive in Postgres. Found {found} of "
            f"{publication.manifest['row_count']}; the old ones stay. Run `recsys push-postgres`."
        )
    cursor.execute(f"analyze {lists}")


def _shape_table(cursor: Cursor, target: PostgresSettings, wanted: dict[str, str]) -> None:
    """Create the table, or add columns that an upgrade has given to publications."""
    lists, _ = _names(target)
    if _value(cursor, f"select to_regclass('{lists}') is null"):
        body = ", ".join(f'"{name}" {kind}' for name, kind in wanted.items())
        key = ", ".join(f'"{column}"' for column in _KEY)
        cursor.execute(f"create table {lists} ({body}, primary key ({key}))")
        return
    cursor.execute(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        f" where attrelid = '{lists}'::regclass and attnum > 0 and not attisdropped"
    )
    found = dict(cursor.fetchall())
    changes = [f'drop column "{name}"' for name in found if found[name] != wanted.get(name)]
    changes += [
        f'add column "{name}" {kind}' for name, kind in wanted.items() if found.get(name) != kind
    ]
    if changes:
        cursor.execute(f"alter table {lists} {', '.join(changes)}")


def _read_batches(connection: duckdb.DuckDBPyConnection, columns: dict[str, str]) -> Any:
    """Read the rows, sorted by the key, as Arrow batches of types that Postgres takes."""
    chosen = ", ".join(
        f'"{name}"' if kind in _TYPES else f'"{name}"::varchar as "{name}"'
        for name, kind in columns.items()
    )
    order = ", ".join(_KEY)
    found = connection.sql(f"select {chosen} from recommendations order by {order}")
    return found.to_arrow_reader(_BATCH_ROWS)


def _names(target: PostgresSettings) -> tuple[str, str]:
    """Quoted names of the table of lists and of the table that names their publication."""
    return (
        f'"{target.schema_name}"."{target.table_name}"',
        f'"{target.schema_name}"."{target.table_name}_publication"',
    )


def _value(cursor: Cursor, sql: str) -> Any:
    """Run a statement that returns one value."""
    cursor.execute(sql)
    ((value,),) = cursor.fetchall()
    return value


def _explain(target: PostgresSettings, dsn: str, error: Exception) -> str:
    """Message of what went wrong, without the password."""
    found = " ".join(str(error).split())
    for secret in (dsn, urlsplit(dsn).password or ""):
        if secret:
            found = found.replace(secret, "***")
    return (
        f"Postgres must take the live lists as {target.schema_name}.{target.table_name}. Found: "
        f"{found}. The live publication stays live and the table is as it was. Check that the "
        f"server in ${target.dsn_variable} answers and that its user may create tables there; a "
        "lock timeout means that somebody has locked the table or its rows. Then run `recsys "
        "push-postgres`, or clear the task."
    )
