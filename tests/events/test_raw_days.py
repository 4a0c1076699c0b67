from __future__ import annotations

from datetime import date, datetime

import pytest

from pipelines.base.warehouse import connect
from pipelines.events.feeds import EVENTS
from pipelines.events.raw_days import note_file_times, payload_expression, remove_days, replace_days
from pipelines.events.staging import create_arrived

DAY = date(2024, 3, 1)


@pytest.fixture
def warehouse(make_settings):
    with connect(make_settings()) as connection:
        create_arrived(connection, EVENTS)
        yield connection


def put(connection, event_id, reason=None, price=1.0):
    connection.execute(
        """
        insert into arrived_events
            (landed_date, event_id, event_type, user_id, item_id, event_at, price, reason)
        values (?, ?, 'view', 'u1', 'i1', ?, ?, ?)
        """,
        [DAY, event_id, datetime(2024, 3, 1), price, reason],
    )


def test_good_rows_bad_rows_and_bookkeeping_go_to_their_tables(warehouse):
    put(warehouse, "e1")
    put(warehouse, "e2")
    put(warehouse, "e2", price=0.5)
    put(warehouse, "e3", reason="negative_price", price=-1.0)
    assert replace_days(warehouse, EVENTS, {DAY: "print"}) == (2, 1, {"negative_price": 1})
    assert warehouse.execute("select event_id, price from raw.events order by 1").fetchall() == [
        ("e1", 1.0),
        ("e2", 0.5),
    ]
    assert warehouse.execute("select * from raw.loads").fetchall() == [
        ("events", DAY, "print", 2, 1, 1, None)
    ]


def test_a_day_is_replaced_whole_and_the_others_stay(warehouse):
    warehouse.execute("insert into raw.events (landed_date, event_id) values (?, 'old')", [DAY])
    warehouse.execute("insert into raw.events (landed_date, event_id) values ('2024-02-01', 'x')")
    put(warehouse, "e1")
    replace_days(warehouse, EVENTS, {DAY: "print"})
    assert warehouse.execute("select event_id from raw.events order by 1").fetchall() == [
        ("e1",),
        ("x",),
    ]


def test_ids_of_bad_rows_do_not_depend_on_their_order(warehouse):
    found = []
    for order in (["a", "b"], ["b", "a"]):
        create_arrived(warehouse, EVENTS)
        for event_id in order:
            put(warehouse, event_id, reason="bad_type")
        replace_days(warehouse, EVENTS, {DAY: "print"})
        found.append(warehouse.execute("from raw.quarantine order by all").fetchall())
    assert found[0] == found[1] and len(found[0]) == 2


def test_a_payload_leaves_nulls_out(warehouse):
    put(warehouse, "e1")
    query = f"select {payload_expression(EVENTS)} from arrived_events"
    assert warehouse.execute(query).fetchone()[0] == (
        '{"event_id":"e1","event_type":"view","user_id":"u1","item_id":"i1",'
        '"event_at":"2024-03-01 00:00:00","price":"1.0"}'
    )


def test_days_are_removed_with_their_bad_and_released_rows_and_bookkeeping(warehouse):
    for event_id, reason in (("e1", None), ("e2", None), ("bad", "bad_type")):
        put(warehouse, event_id, reason)
    replace_days(warehouse, EVENTS, {DAY: "print"})
    warehouse.execute("update raw.quarantine set is_released = true")
    others = (
        "insert into raw.events (landed_date, event_id) values ('2024-02-01', 'x')",
        "insert into raw.items (landed_date, item_id) values ('2024-03-01', 'i1')",
        "insert into raw.loads (feed, landed_date) values ('items', '2024-03-01')",
    )
    for statement in others:
        warehouse.execute(statement)
    assert remove_days(warehouse, EVENTS, [DAY]) == 2
    assert warehouse.execute("select event_id from raw.events").fetchall() == [("x",)]
    assert warehouse.execute("select item_id from raw.items").fetchall() == [("i1",)]
    assert warehouse.execute("select feed from raw.loads").fetchall() == [("items",)]
    assert warehouse.execute("select count(*) from raw.quarantine").fetchone() == (0,)


def test_file_times_are_noted_for_their_feed_and_day(warehouse):
    for feed in ("events", "items"):
        warehouse.execute("insert into raw.loads (feed, landed_date) values (?, ?)", [feed, DAY])
    note_file_times(warehouse, EVENTS, {DAY: "times"})
    rows = warehouse.execute("select feed, file_times from raw.loads order by 1").fetchall()
    assert rows == [("events", "times"), ("items", None)]
