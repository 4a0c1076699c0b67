from __future__ import annotations

import sqlite3
from contextlib import closing

import duckdb
import pytest

from pipelines.base.warehouse import connect
from pipelines.erase.databases import erase_from_sqlite, erase_from_warehouse, rewrite_duckdb
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords

USER = "somebody-known-by-name"
WORDS = UserWords(USER)


@pytest.fixture
def warehouse(make_settings):
    """Two users' rows, a view that names its table by the catalog, and two bad rows."""
    settings = make_settings()
    with connect(settings) as connection:
        connection.execute(
            "insert into raw.events (landed_date, event_id, user_id) "
            "select date '2024-03-01', i::varchar, if(i % 2 = 0, ?, 'u' || i) from range(1000) r(i)",
            [USER],
        )
        connection.execute("create view raw.seen as select user_id from warehouse.raw.events")
        payloads = [f'{{"user_id":"{USER}"}}', f'{{"line":"{USER},x"}}', '{"user_id":"u1"}']
        for number, payload in enumerate(payloads):
            connection.execute(
                "insert into raw.quarantine values (?, '2024-03-01', 'events', 'x', ?, false, null)",
                [str(number), payload],
            )
        connection.execute(
            "insert into raw.loads values ('events', '2024-03-01', 'f', 1000, 0, 3, null)"
        )
    return settings


def test_rows_go_from_every_table_and_their_bytes_from_the_file(warehouse):
    assert erase_from_warehouse(warehouse, warehouse.warehouse_path, WORDS) == 502
    assert find_user(warehouse.home, WORDS) == []
    with connect(warehouse) as connection:
        seen = connection.execute(
            "select count(*), count(distinct user_id) from raw.seen"
        ).fetchone()
        loads = connection.execute("select row_count, quarantined_count from raw.loads").fetchone()
        left = connection.execute("select quarantine_id from raw.quarantine").fetchall()
    assert (seen, loads, left) == ((500, 500), (500, 1), [("2",)])


def test_bytes_that_a_killed_erasure_left_behind_go_too(warehouse):
    with connect(warehouse) as connection:
        connection.execute("delete from raw.events where user_id = ?", [USER])
        connection.execute("delete from raw.quarantine")
    assert erase_from_warehouse(warehouse, warehouse.warehouse_path, WORDS) == 0
    assert find_user(warehouse.home, WORDS) == []


def test_a_home_without_databases_has_nothing_to_erase(make_settings, tmp_path):
    assert erase_from_warehouse(make_settings(), tmp_path / "none.duckdb", WORDS) == 0
    assert erase_from_sqlite(tmp_path / "none.db", WORDS) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_rewritten_file_may_be_of_an_older_storage_version(tmp_path):
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute("create table t as select 1 as x")
    rewrite_duckdb(tmp_path / "a.duckdb", tmp_path / "b.duckdb", "v1.5.0")
    with duckdb.connect(str(tmp_path / "b.duckdb"), read_only=True) as connection:
        assert connection.execute("from t").fetchall() == [(1,)]


def test_sqlite_loses_rows_of_the_user_and_words_elsewhere(tmp_path):
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as store:
        store.execute("create table lists (user_id text, n integer)")
        store.execute("create table tags (key text, value text)")
        store.executemany("insert into lists values (?, ?)", [(USER, 1), ("u2", 2)])
        store.execute("insert into tags values ('why', ?)", [f"shown to {USER}"])
        store.commit()
    assert erase_from_sqlite(path, WORDS) == 2
    assert find_user(tmp_path, WORDS) == []
    with closing(sqlite3.connect(path)) as store:
        assert store.execute("select * from lists").fetchall() == [("u2", 2)]
        assert store.execute("select value from tags").fetchall() == [("shown to [erased]",)]
