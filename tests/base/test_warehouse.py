from __future__ import annotations

import subprocess
import sys
from datetime import date

import duckdb
import pandas as pd
import pytest

from pipelines.base.assignment import assign_bucket, assign_variant, layer_bucket
from pipelines.base.errors import WarehouseLockedError
from pipelines.base.tables import PYTHON_TABLES, RAW_LOADS
from pipelines.base.warehouse import connect, fingerprint_tables, replace_slice


def loads(day: date, count: int) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "feed": "events",
                "landed_date": day,
                "fingerprint": "f",
                "row_count": count,
                "duplicate_count": 0,
                "quarantined_count": 0,
                "file_times": None,
            }
        ]
    )


def test_a_new_warehouse_has_every_table_python_writes(make_settings):
    with connect(make_settings()) as warehouse:
        rows = warehouse.execute(
            "select table_schema || '.' || table_name, count(*) from information_schema.columns "
            "group by all"
        ).fetchall()
    assert dict(rows) == {table.qualified: len(table.columns) for table in PYTHON_TABLES}


def test_times_are_utc_whatever_the_machine_says(make_settings, monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    with connect(make_settings()) as warehouse:
        assert warehouse.execute("select current_setting('TimeZone')").fetchone() == ("UTC",)


def test_replace_slice_leaves_other_slices_alone_and_is_idempotent(make_settings):
    with connect(make_settings()) as warehouse:
        for day, count in ((date(2011, 1, 1), 1), (date(2011, 1, 2), 2), (date(2011, 1, 2), 3)):
            replace_slice(warehouse, RAW_LOADS, loads(day, count), {"landed_date": day})
        rows = warehouse.execute("select row_count from raw.loads order by 1").fetchall()
    assert rows == [(1,), (3,)]


def test_replace_slice_changes_nothing_when_the_insert_fails(make_settings):
    day = date(2011, 1, 1)
    with connect(make_settings()) as warehouse:
        replace_slice(warehouse, RAW_LOADS, loads(day, 1), {"landed_date": day})
        broken = loads(day, 1).assign(row_count="many")
        with pytest.raises(duckdb.ConversionException, match="many"):
            replace_slice(warehouse, RAW_LOADS, broken, {"landed_date": day})
        assert warehouse.execute("select row_count from raw.loads").fetchall() == [(1,)]


def test_a_second_process_is_told_that_the_warehouse_is_held(make_settings):
    settings = make_settings()
    hold = (
        f"import duckdb; c = duckdb.connect({str(settings.warehouse_path)!r}); "
        "print('held', flush=True); input()"
    )
    settings.home.mkdir(parents=True)
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(WarehouseLockedError, match="One process at a time"), connect(settings):
            pass
        holder.communicate("\n")


def test_fingerprints_depend_on_rows_only_not_on_their_order_or_the_clock(make_settings):
    with connect(make_settings()) as warehouse:
        insert = "insert into serving.publications values (?, '2011-12-09', 'h', 1, 1, ?)"
        warehouse.execute(insert, ["a", "2011-12-09"])
        warehouse.execute(insert, ["b", "2011-12-09"])
        first = fingerprint_tables(warehouse)
        warehouse.execute("delete from serving.publications")
        warehouse.execute(insert, ["b", "2026-01-01"])
        warehouse.execute(insert, ["a", "2026-01-01"])
        assert fingerprint_tables(warehouse) == first
        warehouse.execute(
            "update serving.publications set row_count = 2 where publication_id = 'a'"
        )
        assert fingerprint_tables(warehouse) != first
    assert first["serving.publications"][0] == 2
    assert set(first) == {table.qualified for table in PYTHON_TABLES}


def test_a_warehouse_of_an_earlier_version_gets_the_columns_that_came_since(make_settings):
    settings = make_settings()
    with connect(settings) as warehouse:
        warehouse.execute("insert into raw.events (event_id) values ('old')")
        warehouse.execute("alter table raw.events drop column team")
    with connect(settings) as warehouse:
        found = warehouse.execute("select event_id, team from raw.events").fetchall()
    assert found == [("old", None)]


def test_analysts_have_the_assignment_of_users_to_arms(make_settings):
    settings = make_settings()
    users = [f"u{n}" for n in range(500)]
    with connect(settings):
        pass
    with connect(settings, read_only=True) as warehouse:
        found = warehouse.execute(
            "select assign_index(user_id, 'home', 2), assign_bucket(user_id, 'home'), "
            "layer_bucket(user_id, 'page') from (select unnest(?) as user_id)",
            [users],
        ).fetchall()
    arms = [("0", "1").index(assign_variant(user, "home", ("0", "1"))) for user in users]
    buckets = [assign_bucket(user, "home") for user in users]
    assert found == list(
        zip(arms, buckets, [layer_bucket(user, "page") for user in users], strict=True)
    )
