from __future__ import annotations

import json
import multiprocessing
import os
import random
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as law
from hypothesis import strategies as st

from pipelines.base.config import parse_settings
from pipelines.base.errors import QuarantineLimitError, SchemaError, WarehouseLockedError
from pipelines.events.load import load_days

DAY = date(2024, 3, 1)
AS_OF = date(2024, 3, 2)
TABLES = ("raw.events", "raw.items", "raw.quarantine", "raw.loads")
POISON = {
    "non_finite_number": {"price": float("nan")},
    "future_event": {"event_at": datetime(2024, 3, 2)},
    "negative_price": {"price": -1.0},
    "oversized_text": {"session_id": "x" * 10_000_000},
    "bad_utf8": {"user_id": "u\udcff"},
}


def write_poisoned(settings, event, count, poison):
    """A Parquet day of good rows with the poison spread among them, one with a broken byte."""
    rows = [event(n) | {"session_id": None} for n in range(count - len(poison))]
    rows += [event(count + n) | values for n, values in enumerate(poison)]
    random.Random(7).shuffle(rows)
    columns = {}
    for name in rows[0]:
        values = [row.get(name) for row in rows]
        if name in ("user_id", "session_id"):
            raw = [None if v is None else v.encode(errors="surrogateescape") for v in values]
            arrow = pa.array(raw, pa.binary())
            columns[name] = pa.Array.from_buffers(pa.string(), len(raw), arrow.buffers())
        else:
            columns[name] = pa.array(values)
    path = settings.landing / "events" / f"date={DAY}" / "shop.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_half_a_percent_of_poison_is_quarantined_by_reason(make_settings, event, dump):
    settings = make_settings()
    write_poisoned(settings, event, 1000, list(POISON.values()))
    report = load_days(settings, AS_OF)
    assert report.feeds["events"].reasons == dict.fromkeys(POISON, 1)
    assert report.feeds["events"].row_count == 995
    found = dump(settings, "raw.quarantine", "reason, is_released")
    assert found == sorted((reason, False) for reason in POISON)


def test_the_payload_of_a_bad_row_is_kept_and_a_long_text_is_cut(make_settings, event, dump):
    settings = make_settings()
    write_poisoned(settings, event, 1000, list(POISON.values()))
    load_days(settings, AS_OF)
    payloads = dict(dump(settings, "raw.quarantine", "reason, payload"))
    assert json.loads(payloads["non_finite_number"])["price"] == "nan"
    assert json.loads(payloads["bad_utf8"])["user_id"] == "u\ufdd0xFF"
    assert json.loads(payloads["oversized_text"])["session_id"].endswith(
        "x… [cut: 10000000 characters]"
    )


def test_two_percent_of_poison_changes_nothing(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1, event_at=datetime(2024, 2, 29))], day=date(2024, 2, 29))
    load_days(settings, DAY)
    before = {table: dump(settings, table) for table in TABLES}
    write_poisoned(settings, event, 250, list(POISON.values()))
    with pytest.raises(
        QuarantineLimitError, match=r"Got 5 of 250 events rows \(2\.00%\).*bad_utf8"
    ):
        load_days(settings, AS_OF)
    assert {table: dump(settings, table) for table in TABLES} == before


def test_a_bad_item_feed_keeps_good_events_out_too(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    write_rows(settings, [{"item_id": "i1", "title": "One", "price": -1.0}], feed="items")
    with pytest.raises(QuarantineLimitError, match="1 of 1 items rows"):
        load_days(settings, AS_OF)
    assert dump(settings) == []


def test_the_same_day_twice_changes_nothing(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(n) for n in range(5)])
    load_days(settings, AS_OF)
    before = {table: dump(settings, table) for table in TABLES}
    report = load_days(settings, AS_OF)
    assert report.feeds["events"].loaded_days == 0
    assert report.feeds["events"].unchanged_days == 1
    assert report.feeds["events"].total_rows == 5
    assert {table: dump(settings, table) for table in TABLES} == before


def test_a_renamed_column_is_named_and_nothing_changes(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    write_rows(
        settings,
        [{"userid" if k == "user_id" else k: v for k, v in event(2).items()}],
        name="other.parquet",
    )
    with pytest.raises(
        SchemaError, match=r"Missing `user_id` in .*other.*`userid` may be a renamed"
    ):
        load_days(settings, AS_OF)
    assert dump(settings) == [] and dump(settings, "raw.loads") == []


@pytest.mark.parametrize(
    "values", [{"price": "cheap"}, {"event_at": "2024-03-01 10:00:00"}, {"user_id": 1.5}]
)
def test_a_retyped_column_is_named_and_nothing_changes(
    make_settings, event, write_rows, dump, values
):
    settings = make_settings()
    write_rows(settings, [event(1) | values])
    with pytest.raises(
        SchemaError, match=f"Column `{next(iter(values))}` of a events file must be"
    ):
        load_days(settings, AS_OF)
    assert dump(settings) == []


def test_an_added_column_passes_with_a_note(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1) | {"campaign": "spring"}])
    report = load_days(settings, AS_OF)
    assert "column `campaign` is not part of the events feed" in report.notes[0]
    assert len(dump(settings)) == 1


def test_the_three_formats_give_the_same_rows(make_settings, event, write_rows, dump):
    rows = [event(n, price=n / 3, position=n, value=0.1 * n) for n in range(20)]
    found = []
    for suffix in ("parquet", "csv", "jsonl"):
        settings = make_settings()
        shutil.rmtree(settings.home, ignore_errors=True)
        write_rows(settings, rows, name=f"shop.{suffix}")
        load_days(settings, AS_OF)
        found.append(dump(settings))
    assert found[0] == found[1] == found[2] and len(found[0]) == 20


def test_formats_may_be_mixed_in_a_day(make_settings, event, write_rows, dump):
    settings = make_settings()
    for n, suffix in enumerate(("parquet", "csv", "jsonl")):
        write_rows(settings, [event(n)], name=f"part{n}.{suffix}")
    load_days(settings, AS_OF)
    assert [row[0] for row in dump(settings, columns="event_id")] == ["e0", "e1", "e2"]


def test_ids_of_whole_numbers_become_text(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1, user_id=17850)])
    load_days(settings, AS_OF)
    assert dump(settings, columns="user_id") == [("17850",)]


def test_a_derived_id_is_the_same_from_every_format(make_settings, event, write_rows, dump):
    settings = make_settings()
    for suffix in ("parquet", "csv", "jsonl"):
        row = {name: value for name, value in event(1).items() if name != "event_id"}
        write_rows(settings, [row], name=f"shop.{suffix}")
    report = load_days(settings, AS_OF)
    ((event_id,),) = dump(settings, columns="event_id")
    assert len(event_id) == 64
    found = report.feeds["events"]
    assert (found.repeated_count, found.duplicate_count) == (2, 0)


def test_rows_that_differ_in_nothing_are_counted_apart_from_those_of_one_id(
    make_settings, event, write_rows, dump
):
    settings = make_settings()
    rows = [event(1)] * 4 + [event(1, price=9.0), event(2), event(2, price=9.0), event(3)]
    write_rows(settings, rows)
    found = load_days(settings, AS_OF).feeds["events"]
    assert (found.row_count, found.repeated_count, found.duplicate_count) == (3, 3, 2)
    assert dump(settings, "raw.loads", "row_count, duplicate_count") == [(3, 5)]
    again = load_days(settings, AS_OF).feeds["events"]
    assert (again.repeated_count, again.duplicate_count) == (0, 0)


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_the_number_of_an_order_as_event_id_refuses_the_load(
    make_settings, event, write_rows, dump, suffix
):
    settings = make_settings()
    rows = [event(n, event_id=f"order-{n // 3}", item_id=f"i{n}") for n in range(60)]
    write_rows(settings, rows, name=f"shop.{suffix}")
    with pytest.raises(
        QuarantineLimitError, match=r"repeated_event_id 60 \(as event_id 'order-0'\).*as session_id"
    ):
        load_days(settings, AS_OF)
    assert dump(settings) == []


def test_a_purchase_of_a_negative_quantity_is_loaded_as_a_return_and_said(
    make_settings, event, write_rows, dump
):
    settings = make_settings()
    rows = [event(1, value=2.0), event(2, value=-1.0), event(3, value=-2.0, event_type="return")]
    write_rows(settings, [*rows, event(4, value=-5.0, event_type="rating")])
    report = load_days(settings, AS_OF)
    assert dump(settings, columns="event_id, event_type, value, price") == [
        ("e1", "purchase", 2.0, 2.5),
        ("e2", "return", 1.0, 2.5),
        ("e3", "return", 2.0, 2.5),
        ("e4", "rating", -5.0, 2.5),
    ]
    assert report.notes == [
        "2 purchases or returns of a negative quantity count as returns of as many units "
        "(events.negative_quantity)"
    ]


def test_a_purchase_of_a_negative_quantity_is_quarantined_where_it_is_refused(
    make_settings, event, write_rows, dump
):
    events = {"negative_quantity": "refuse", "max_quarantine_share": 0.5}
    settings = make_settings(events=events)
    write_rows(settings, [event(1, value=2.0), event(2, value=-1.0)])
    report = load_days(settings, AS_OF)
    assert report.feeds["events"].reasons == {"negative_quantity": 1} and not report.notes
    (payload,) = dump(settings, "raw.quarantine", "payload")[0]
    assert json.loads(payload)["event_type"] == "purchase"
    assert json.loads(payload)["value"] == "-1.0"


def test_duplicates_of_a_day_count_once_and_the_pick_is_fixed(
    make_settings, event, write_rows, dump
):
    picked = []
    for order in (1, -1):
        settings = make_settings()
        shutil.rmtree(settings.home, ignore_errors=True)
        write_rows(settings, [event(1, price=3.0), event(1, price=2.0), event(2)][::order])
        report = load_days(settings, AS_OF)
        assert report.feeds["events"].duplicate_count == 1
        picked.append(dump(settings, columns="event_id, price"))
    assert picked[0] == picked[1] == [("e1", 2.0), ("e2", 2.5)]


def test_the_same_event_in_two_days_stays_in_both(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    write_rows(settings, [event(1)], day=date(2024, 3, 2))
    load_days(settings, date(2024, 3, 3))
    assert dump(settings, columns="landed_date::varchar, event_id") == [
        ("2024-03-01", "e1"),
        ("2024-03-02", "e1"),
    ]


def test_a_late_event_of_any_age_is_loaded(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1, event_at=datetime(2023, 1, 1))])
    load_days(settings, AS_OF)
    assert len(dump(settings)) == 1


def test_a_day_file_that_came_late_replaces_its_day(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    load_days(settings, AS_OF)
    write_rows(settings, [event(2)], name="late.csv")
    report = load_days(settings, date(2024, 3, 4))
    assert report.feeds["events"].loaded_days == 1
    assert [row[0] for row in dump(settings, columns="event_id")] == ["e1", "e2"]


def test_a_change_of_any_age_is_loaded_and_said(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    write_rows(settings, [event(9)], day=AS_OF)
    load_days(settings, date(2024, 3, 3))
    write_rows(settings, [event(2)], name="late.csv")
    report = load_days(settings, date(2025, 1, 1))
    assert (report.feeds["events"].loaded_days, report.feeds["events"].unchanged_days) == (1, 1)
    assert [row[0] for row in dump(settings, columns="event_id")] == ["e1", "e2", "e9"]
    assert report.notes == [
        "events: files of days before the look-back have changed and were loaded again: 2024-03-01"
    ]


def test_a_file_that_arrives_in_the_last_minute_of_the_look_back_is_loaded(
    make_settings, event, write_rows, dump
):
    settings = make_settings()
    write_rows(settings, [event(1)])
    load_days(settings, AS_OF)
    write_rows(settings, [event(2)], name="three_days_late.csv")
    load_days(settings, DAY + timedelta(days=settings.events.lookback_days + 1))
    assert len(dump(settings)) == 2


def test_a_day_never_loaded_is_loaded_whatever_its_age(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    load_days(settings, date(2024, 12, 1))
    assert len(dump(settings)) == 1


def test_days_from_as_of_on_are_not_looked_at(make_settings, event, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [event(1)])
    report = load_days(settings, DAY)
    assert report.feeds["events"].total_days == 0
    assert report.notes == ["no day file is of a day before 2024-03-01"]
    assert dump(settings) == []


def test_an_empty_day_is_loaded_as_a_day_without_rows(make_settings, write_rows, dump):
    settings = make_settings()
    path = write_rows(settings, [], name="shop.csv")
    path.write_text("event_type,user_id,item_id,event_at\n")
    load_days(settings, AS_OF)
    assert dump(settings, "raw.loads", "row_count, duplicate_count, quarantined_count") == [
        (0, 0, 0)
    ]


def test_items_default_to_available_from_the_day_they_landed(make_settings, write_rows, dump):
    settings = make_settings()
    write_rows(settings, [{"item_id": "i1", "title": "One"}], feed="items")
    load_days(settings, AS_OF)
    assert dump(settings, "raw.items", "item_id, is_available, valid_from") == [
        ("i1", True, datetime(2024, 3, 1))
    ]


def test_bookkeeping_counts_what_the_raw_table_holds(make_settings, event, write_rows, dump):
    settings = make_settings(events={"weights": {}, "max_quarantine_share": 0.5})
    write_rows(settings, [event(1), event(1), event(2), event(3, user_id=None)])
    load_days(settings, AS_OF)
    counts = "feed, row_count, duplicate_count, quarantined_count"
    assert dump(settings, "raw.loads", counts) == [("events", 2, 1, 1)]


def test_the_report_is_written_to_the_run_folder(make_settings, event, write_rows):
    settings = make_settings()
    write_rows(settings, [event(1)])
    report = load_days(settings, AS_OF)
    written = json.loads(settings.run_folder(AS_OF).load.read_text())
    assert written == json.loads(json.dumps(report.as_dict()))
    assert written["feeds"]["events"]["row_count"] == 1


# a load that is killed


def load_in_child(values, log):
    from pipelines.base.faults import passed_places

    os.environ["RECSYS_FAULT"] = log.read_text()
    load_days(parse_settings(values), date(2024, 12, 1))
    log.write_text(json.dumps(passed_places()))


def test_a_load_of_corrected_days_that_is_killed_anywhere_ends_as_if_it_was_not(
    make_settings, event, write_rows, dump, tmp_path
):
    settings = make_settings()
    for day in (1, 2, 3):
        at = datetime(2024, 3, day)
        write_rows(settings, [event(day, event_at=at)], day=date(2024, 3, day))
    load_days(settings, date(2024, 12, 1))
    write_rows(settings, [event(8), event(9)])  # one day is another, one is gone, one is new
    shutil.rmtree(settings.landing / "events" / "date=2024-03-02")
    write_rows(settings, [event(4)], day=date(2024, 3, 4))
    shutil.copytree(settings.home, tmp_path / "before")
    values = {**settings.model_dump(include={"home"}), "events": {"weights": {}}}
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.events.test_load"])
    log = tmp_path / "log"

    def run(fault):
        shutil.rmtree(settings.home)
        shutil.copytree(tmp_path / "before", settings.home)
        log.write_text(fault)
        child = context.Process(target=load_in_child, args=(values, log))
        child.start()
        child.join()
        return child.exitcode

    def rows():
        return {
            table: dump(settings, table, "* exclude file_times") for table in ("raw.loads",)
        } | {table: dump(settings, table) for table in TABLES[:3]}

    assert run("0") == 0
    places, after = json.loads(log.read_text()), rows()
    assert {"warehouse.changed", "warehouse.committed"} <= set(places)
    for number in range(1, len(places) + 1):
        assert run(str(number)) == -9, places[number - 1]
        load_days(settings, date(2024, 12, 1))
        assert rows() == after, f"killed at place {number}, {places[number - 1]}"


def test_a_warehouse_held_by_another_process_is_an_error(make_settings, event, write_rows):
    settings = make_settings()
    write_rows(settings, [event(1)])
    settings.home.mkdir(exist_ok=True)
    holder = _hold(settings.warehouse_path)
    try:
        with pytest.raises(WarehouseLockedError, match="One process at a time"):
            load_days(settings, AS_OF)
    finally:
        holder.communicate(b"\n")


def _hold(path: Path):
    import subprocess
    import sys

    code = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout.readline() == b"open\n"
    return holder


def test_a_failure_while_writing_leaves_every_table_as_it_was(
    make_settings, event, write_rows, dump, monkeypatch
):
    settings = make_settings()
    write_rows(settings, [event(1)])
    load_days(settings, AS_OF)
    before = {table: dump(settings, table) for table in TABLES}
    write_rows(settings, [event(2)], name="late.csv")

    def full_disk(*_arguments):
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr("pipelines.events.raw_days.restore_released", full_disk)
    with pytest.raises(duckdb.IOException, match="No space left"):
        load_days(settings, AS_OF)
    assert {table: dump(settings, table) for table in TABLES} == before
    monkeypatch.undo()
    load_days(settings, AS_OF)
    assert len(dump(settings)) == 2


@given(
    nights=st.permutations([2, 3, 4, 5]),
    rows=st.lists(
        st.tuples(
            st.integers(1, 4),
            st.sampled_from(["u1", "u2", "", "u\x07"]),
            st.sampled_from(["view", "purchase", "bogus"]),
            st.sampled_from([1.0, -1.0, float("inf"), None]),
        ),
        min_size=1,
        max_size=12,
    ),
)
@law(
    max_examples=6,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_the_order_of_nights_and_repeats_make_no_difference(
    make_settings, write_rows, dump, nights, rows
):
    settings = make_settings(events={"weights": {}, "max_quarantine_share": 1.0})
    shutil.rmtree(settings.home, ignore_errors=True)
    for day in {row[0] for row in rows}:
        today = [
            {
                "event_type": kind,
                "user_id": user,
                "item_id": "i1",
                "event_at": datetime(2024, 3, day),
                "price": price,
            }
            for landed, user, kind, price in rows
            if landed == day
        ]
        write_rows(settings, today, day=date(2024, 3, day))
    load_days(settings, date(2024, 3, 5))
    at_once = {table: dump(settings, table) for table in TABLES}
    settings.warehouse_path.unlink()
    for night in [*nights, *nights]:
        load_days(settings, date(2024, 3, night))
    assert {table: dump(settings, table) for table in TABLES} == at_once


def test_the_session_zone_of_the_machine_makes_no_difference(
    make_settings, event, write_rows, dump, monkeypatch
):
    import time

    settings = make_settings()
    found = []
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        shutil.rmtree(settings.home, ignore_errors=True)
        write_rows(settings, [event(2, event_at="2024-03-01T20:30:00-01:00")], name="shop.csv")
        load_days(settings, AS_OF)
        found.append(dump(settings, columns="event_at"))
    monkeypatch.undo()
    time.tzset()
    assert found[0] == found[1] == found[2] == [(datetime(2024, 3, 1, 21, 30),)]
