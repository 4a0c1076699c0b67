"""`serving.duckdb`, the file of a publication that people query: its build, hash and counts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pipelines.base.current import SCHEMA_VERSION
from pipelines.base.tables import SERVING_PUBLICATION_MODELS, SERVING_RECOMMENDATIONS, Table
from pipelines.lists.list_rows import FALLBACK
from pipelines.publications.people_rows import create_people_tables

#: Storage version of the file: DuckDB 1.5 and later open it.
STORAGE_VERSION = "v1.5.0"
#: Number of users whose lists are hashed and packed at once.
BLOCK_USERS = 20_000
#: Number of rows moved from DuckDB to SQLite at once.
_BATCH_ROWS = 10_000

ITEM_COLUMNS = ("item_id", "title", "category", "price", "is_available", "is_in_feed")


def open_lists(
    connection: duckdb.DuckDBPyConnection,
    lists: list[Path],
    similar: Path,
    exclusions: list[Path],
    catalogue: pd.DataFrame,
) -> None:
    """Create views `lists`, `similar_items`, `exclusions` of a night, and its catalogue `items`.

    The tables of `people_rows` are created too, without rows.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    lists : list of Path
        Of `LIST_SCHEMA`; the fallback's have the category in `user_id`.
    similar : Path
        Of `SIMILAR_SCHEMA`.
    exclusions : list of Path
        Of `EXCLUSION_SCHEMA`.
    catalogue : DataFrame
        One row per item_id with `ITEM_COLUMNS`.
    """
    connection.read_parquet([str(path) for path in lists]).create_view("lists")
    connection.read_parquet(str(similar)).create_view("similar_items")
    connection.read_parquet([str(path) for path in exclusions]).create_view("exclusions")
    connection.register("catalogue", catalogue[list(ITEM_COLUMNS)])
    connection.execute("create table items as select * from catalogue order by item_id")
    connection.unregister("catalogue")
    create_people_tables(connection)


_SIMILAR_HASHES = """
select sha256(concat_ws(
    chr(31), item_id, rank, similar_item_id, score, strategy, reason
)) from similar_items order by item_id, rank
"""
_EXCLUSION_HASHES = """
select sha256(concat_ws(chr(31), placement, user_id, array_to_string(item_ids, chr(30))))
from exclusions order by placement, user_id
"""


def logical_hash(connection: duckdb.DuckDBPyConnection) -> str:
    """Hash of the rows of a night's lists, whatever files or order they are stored in.

    Returns
    -------
    str
        Hex sha256 over the sha256 of each user's list, in order of placement, variant and
        user_id; of each item's list of similar items; and of each user's excluded items.
    """
    digest = hashlib.sha256()
    for cursor in by_blocks_of_users(
        connection,
        """
        select sha256(string_agg(
            concat_ws(
                chr(31), placement, variant, user_id, rank, item_id, score, strategy, reason,
                model_version, as_of
            ),
            chr(30) order by rank
        )) as list_hash
        from block
        group by user_id
        order by user_id
        """,
    ):
        for batch in in_batches(cursor):
            digest.update("".join(list_hash for (list_hash,) in batch).encode())
    for sql in (_SIMILAR_HASHES, _EXCLUSION_HASHES):
        for batch in in_batches(connection.execute(sql)):
            digest.update("".join(row_hash for (row_hash,) in batch).encode())
    return digest.hexdigest()


def count_lists(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """Count what `lists` holds.

    Returns
    -------
    dict
        ``user_count`` and ``row_count`` of all lists but those for anyone; ``lists``: one entry
        per placement and variant with ``user_count``, ``row_count``, ``item_count`` (different
        items) and ``strategies`` (rows by strategy).
    """
    rows = connection.execute(
        """
        with strategies as (
            select placement, variant, strategy, count(*) as row_count
            from lists group by all
        )
        select placement, variant, count(distinct user_id), count(*), count(distinct item_id),
            (
                select map_from_entries(list((strategy, row_count) order by strategy))
                from strategies
                where strategies.placement = lists.placement
                    and strategies.variant = lists.variant
            )
        from lists
        group by placement, variant
        order by placement, variant
        """
    ).fetchall()
    names = ("placement", "variant", "user_count", "row_count", "item_count", "strategies")
    ((user_count, row_count),) = connection.execute(
        "select count(distinct user_id), count(*) from lists where variant <> ?", [FALLBACK]
    ).fetchall()
    lists = [dict(zip(names, row, strict=True)) for row in rows]
    return {"user_count": user_count, "row_count": row_count, "lists": lists}


def build_serving(
    connection: duckdb.DuckDBPyConnection,
    target: Path,
    *,
    publication_id: str,
    as_of: date,
    counts: dict[str, Any],
    models: list[dict[str, Any]],
) -> None:
    """Write `serving.duckdb`, the publication's database for SQL queries.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Has `lists` and `items`.
    target : Path
        A file that does not exist.
    publication_id : str
    as_of : date
    counts : dict
        ``logical_hash``, ``user_count``, ``row_count``.
    models : list of dict
        Rows of `SERVING_PUBLICATION_MODELS`: which recommender made the lists.

    Notes
    -----
    `recommendations` is sorted by its key, so that a query for one user reads one row group.
    `fallback_recommendations` holds, per placement, a list for people without a history (category
    ``''``) and one for each category. `similar_items` holds the items similar to each item.
    `current_recommendations` is the view that the warehouse has too; `explained_recommendations`
    adds titles and the recommender that made each row.
    """
    path = str(target).replace("'", "''")
    connection.execute(f"attach '{path}' as serving_file (storage_version '{STORAGE_VERSION}')")
    _create(connection, "recommendations", SERVING_RECOMMENDATIONS)
    connection.execute(
        """
        insert into serving_file.recommendations
        select ?, lists.* from lists where variant <> ?
        order by placement, variant, user_id, rank
        """,
        [publication_id, FALLBACK],
    )
    connection.execute(
        """
        create table serving_file.fallback_recommendations as
        select ?::varchar as publication_id, placement, user_id as category,
            lists.* exclude (placement, variant, user_id)
        from lists where variant = ?
        order by placement, user_id, rank
        """,
        [publication_id, FALLBACK],
    )
    connection.execute("create table serving_file.items as select * from items order by item_id")
    connection.execute(
        """
        create table serving_file.publication as
        select ?::varchar as publication_id, ?::date as as_of, ?::varchar as logical_hash,
            ?::bigint as user_count, ?::bigint as row_count, ?::integer as schema_version
        """,
        [
            *(publication_id, as_of, counts["logical_hash"], counts["user_count"]),
            *(counts["row_count"], SCHEMA_VERSION),
        ],
    )
    connection.execute(
        """
        create table serving_file.similar_items as
        select ?::varchar as publication_id, * from similar_items order by item_id, rank
        """,
        [publication_id],
    )
    _create(connection, "models", SERVING_PUBLICATION_MODELS)
    if models:
        names = list(SERVING_PUBLICATION_MODELS.columns)
        connection.executemany(
            f"insert into serving_file.models values ({', '.join('?' * len(names))})",
            [[row[name] for name in names] for row in models],
        )
    connection.execute(
        "create view serving_file.current_recommendations as select * from recommendations"
    )
    connection.execute(
        """
        create view serving_file.explained_recommendations as
        select recommendations.*, items.title, items.category, models.candidate,
            models.recommender, models.spec_hash, models.specification, models.run_id
        from recommendations
        left join items using (item_id)
        left join models using (publication_id, placement, variant)
        """
    )
    connection.execute("detach serving_file")


def _create(connection: duckdb.DuckDBPyConnection, name: str, table: Table) -> None:
    columns = ", ".join(f"{column} {kind}" for column, kind in table.columns.items())
    connection.execute(f"create table serving_file.{name} ({columns})")


def by_blocks_of_users(
    connection: duckdb.DuckDBPyConnection, sql: str
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Run a statement over each `block`: `BLOCK_USERS` users of one placement and variant.

    Ordered aggregates hold all their input in memory, so they get one block at a time, in order
    of placement, variant and user_id.
    """
    starts = connection.execute(
        """
        with users as (select distinct placement, variant, user_id from lists),
        numbered as (
            select *, row_number() over (partition by placement, variant order by user_id) as n
            from users
        )
        select placement, variant, user_id,
            lead(user_id) over (partition by placement, variant order by user_id) as next_user_id
        from numbered
        where (n - 1) % $1 = 0
        order by placement, variant, user_id
        """,
        [BLOCK_USERS],
    ).fetchall()
    for start in starts:
        connection.execute(
            """
            create or replace temp table block as
            from lists
            where placement = $1 and variant = $2
                and user_id >= $3 and ($4::varchar is null or user_id < $4)
            """,
            list(start),
        )
        yield connection.execute(sql)
    connection.execute("drop table if exists block")


def in_batches(cursor: duckdb.DuckDBPyConnection) -> Iterator[list[tuple[Any, ...]]]:
    """Fetch the rows of a result in batches of ten thousand."""
    while batch := cursor.fetchmany(_BATCH_ROWS):
        yield batch
