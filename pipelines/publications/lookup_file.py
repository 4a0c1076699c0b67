"""`lists.sqlite`, the file of a publication that answers one user's list in microseconds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import duckdb

from pipelines.lists.list_rows import FALLBACK
from pipelines.publications.people_rows import TABLES
from pipelines.publications.serving_files import by_blocks_of_users, in_batches

#: Bytes of a SQLite page. A row of more than a quarter of a page gets pages of its own, which
#: makes the file three times as large and a look-up three times as slow; lists of 50 items have
#: about 2,000 bytes.
PAGE_BYTES = 16_384
#: Rules of a placement that the file stores, so that its readers keep to those of the night.
STORED_RULES = (
    *("exclude", "exclude_within_days", "show_items_without_feed", "list_length"),
    *("max_per_category", "diversity", "rerank_depth", "pinned", "fallback"),
    *("boosts", "eligible", "personalise_without_consent"),
)
#: Query that packs the lists of a `block` of one placement and variant, sorted by user_id.
_PACKED_LISTS = """
with labels as (
    select user_id, strategy, reason, rank as from_rank
    from block
    qualify (strategy, reason) is distinct from lag((strategy, reason)) over (
        partition by user_id order by rank
    )
),
label_lists as (
    select
        user_id,
        list(
            {'from_rank': from_rank, 'strategy': strategy, 'reason': reason} order by from_rank
        ) as labels
    from labels group by user_id
),
packed as (
    select
        any_value(placement) as placement,
        any_value(variant) as variant,
        user_id,
        list(item_id order by rank) as items,
        list(score order by rank) as scores,
        any_value(model_version) as model_version
    from block group by user_id
)
select
    packed.placement,
    packed.variant,
    packed.user_id,
    to_json({
        'items': packed.items, 'scores': packed.scores, 'labels': label_lists.labels,
        'model_version': packed.model_version
    })::varchar
from packed inner join label_lists using (user_id)
order by packed.user_id
"""
#: Lists of similar items as a `block`, with the item in the place of the user.
_SIMILAR_BLOCK = """
create temp view block as
select
    '' as placement, '' as variant, item_id as user_id, rank, similar_item_id as item_id, score,
    strategy, reason, '' as model_version
from similar_items
"""
_PACKED_EXCLUSIONS = """
select placement, user_id, to_json(item_ids)::varchar
from exclusions order by placement, user_id
"""

_ITEMS = "select item_id, title, category, price, is_available from items order by item_id"


def open_lookups(path: Path) -> sqlite3.Connection:
    """Open a `lists.sqlite` that never changes: read only, without locks, for any thread.

    Raises
    ------
    sqlite3.Error
        If the file is missing; a file that is no database fails at its first statement.
    """
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True, check_same_thread=False
    )


def build_lookups(
    connection: duckdb.DuckDBPyConnection, target: Path, meta: dict[str, str]
) -> None:
    """Write `lists.sqlite`: one packed row per placement, variant and user, and tables beside it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Has `lists`, `similar_items`, `exclusions`, `items` and the tables of `people_rows`.
    target : Path
        A file that does not exist.
    meta : dict of str to str
        Rows of the table `meta`, such as ``publication_id``.

    Notes
    -----
    `lists.payload` is JSON with parallel arrays in order of rank:
    ``{"items": [...], "scores": [...], "labels": [{"from_rank", "strategy", "reason"}, ...],
    "model_version": ...}``; a label holds from its rank to the next label's. `fallbacks` has the
    same payload for people without a history, by category, ``''`` for any. `exclusions` has a
    JSON array of the items that the placement's rules kept from a user, ``''`` being everybody;
    no row means none. `similar` has ``{"items", "scores", "labels", "model_version"}`` by item.
    `people` and `item_attributes` have a JSON object of attributes, `pools` the payload of a list
    of all that people without a history may be shown.
    """
    with closing(sqlite3.connect(target, isolation_level=None)) as out:
        out.executescript(
            f"""
            pragma page_size = {PAGE_BYTES};
            pragma journal_mode = off;
            pragma synchronous = off;
            begin;
            create table lists (
                placement text not null, variant text not null, user_id text not null,
                payload text not null, primary key (placement, variant, user_id)
            ) without rowid;
            create table fallbacks (
                placement text not null, category text not null, payload text not null,
                primary key (placement, category)
            ) without rowid;
            create table exclusions (
                placement text not null, user_id text not null, payload text not null,
                primary key (placement, user_id)
            ) without rowid;
            create table similar (item_id text primary key, payload text not null) without rowid;
            create table items (
                item_id text primary key, title text, category text, price real,
                is_available integer
            ) without rowid;
            create table people (user_id text primary key, payload text not null) without rowid;
            create table item_attributes (
                item_id text primary key, payload text not null
            ) without rowid;
            create table pools (placement text primary key, payload text not null) without rowid;
            create table meta (key text primary key, value text not null) without rowid;
            """
        )
        for cursor in by_blocks_of_users(connection, _PACKED_LISTS):
            for batch in in_batches(cursor):
                is_fallback = batch[0][1] == FALLBACK  # a block is of one variant
                if is_fallback:
                    rows = [(place, key, payload) for place, _, key, payload in batch]
                    out.executemany("insert into fallbacks values (?, ?, ?)", rows)
                else:
                    out.executemany("insert into lists values (?, ?, ?, ?)", batch)
        connection.execute(_SIMILAR_BLOCK)
        for batch in in_batches(connection.execute(_PACKED_LISTS)):
            packed = [(item_id, payload) for _, _, item_id, payload in batch]
            out.executemany("insert into similar values (?, ?)", packed)
        connection.execute("drop view block")
        for batch in in_batches(connection.execute(_PACKED_EXCLUSIONS)):
            out.executemany("insert into exclusions values (?, ?, ?)", batch)
        for batch in in_batches(connection.execute(_ITEMS)):
            out.executemany("insert into items values (?, ?, ?, ?, ?)", batch)
        for table, key in TABLES.items():
            found = connection.execute(f"select {key}, payload from {table} order by {key}")
            for batch in in_batches(found):
                out.executemany(f"insert into {table} values (?, ?)", batch)
        out.executemany("insert into meta values (?, ?)", sorted(meta.items()))
        out.execute("commit")
