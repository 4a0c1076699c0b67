from __future__ import annotations

import json
import os
from datetime import date, datetime, timedelta

import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.events import exposures
from pipelines.events.exposures import take_in_exposures
from pipelines.events.landing import land
from pipelines.events.load import load_days

DAY, AS_OF = date(2024, 3, 1), date(2024, 3, 2)
CLICK = {
    "event_id": "e1",
    "event_type": "click",
    "user_id": "u1",
    "item_id": "b",
    "event_at": "2024-03-01T10:00:05.000000Z",
    "request_id": "r1",
    "position": 2,
    "publication_id": "2024-02-29-00000000",
}
SERVED = {
    "request_id": "r1",
    "at": "2024-03-01T10:00:00.000000Z",
    "user_id": "u1",
    "placement": "discover",
    "source": "personal",
    "publication_id": "2024-02-29-00000000",
    "experiment_id": None,
    "variant": "control",
    "items": ["a", "b"],
}
STOCK = {
    "item_id": "a",
    "is_available": False,
    "at": "2024-03-01T11:00:00.000000Z",
    "title": "Item a",
    "category": "tea",
    "price": 2.5,
}


@pytest.fixture
def settings(make_settings):
    return make_settings()


@pytest.fixture
def log(settings):
    """Append lines to a log of the API."""

    def append(kind, *rows, day=DAY, instance="1-ab", end="\n"):
        path = settings.exposures / f"date={day}" / f"{kind}-{instance}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        with path.open("a") as stream:
            stream.write("\n".join(lines) + end)

    return append


def landed(settings, feed="events", day=DAY):
    path = settings.landing / feed / f"date={day}" / "recsys-api.parquet"
    return pq.read_table(path).to_pylist() if path.exists() else None


def test_teams_and_chances_go_with_their_items(settings, log):
    log("served", {**SERVED, "teams": ["control", None]})
    log("served", {**SERVED, "request_id": "r2", "propensities": [0.98, 1.0]})
    assert take_in_exposures(settings, AS_OF) == []
    found = [(row["event_id"], row["team"], row["propensity"]) for row in landed(settings)]
    assert found == [
        *(("served:r1:1", "control", None), ("served:r1:2", None, None)),
        *(("served:r2:1", None, 0.98), ("served:r2:2", None, 1.0)),
    ]


def test_a_line_whose_chances_are_of_another_length_counts_as_torn(settings, log):
    log("served", SERVED, {**SERVED, "request_id": "r2", "propensities": [0.98]})
    assert any("1 torn" in note for note in take_in_exposures(settings, AS_OF))
    assert {row["request_id"] for row in landed(settings)} == {"r1"}


def test_an_answer_becomes_one_event_for_each_item_it_showed(settings, log):
    log("served", SERVED)
    log("events", CLICK)
    assert take_in_exposures(settings, AS_OF) == []
    click, first, second = landed(settings)
    assert click["event_at"] == datetime(2024, 3, 1, 10, 0, 5)
    assert {name: click[name] for name in ("event_id", "position", "price")} == {
        "event_id": "e1",
        "position": 2,
        "price": None,
    }
    assert [row["event_id"] for row in (first, second)] == ["served:r1:1", "served:r1:2"]
    assert [(row["item_id"], row["position"]) for row in (first, second)] == [("a", 1), ("b", 2)]
    assert {first[name] for name in ("event_type", "variant", "publication_id", "user_id")} == {
        *("served", "control", "2024-02-29-00000000", "u1"),
    }


def test_a_line_of_a_client_says_nothing_that_only_the_server_knows(settings, log):
    forged = {**CLICK, "event_id": "e2", "experiment_id": "x", "variant": "ease", "propensity": 1.0}
    log("events", CLICK, {**CLICK, "event_type": "served"}, {**CLICK, "event_id": "served:r1:1"})
    log("events", forged)
    (note,) = take_in_exposures(settings, AS_OF)
    assert note.endswith("2 events of clients say what only the server may say")
    assert [row["event_id"] for row in landed(settings)] == ["e1", "e2"]
    assert {row[name] for row in landed(settings) for name in ("variant", "propensity")} == {None}


def test_a_day_file_of_an_earlier_version_is_made_anew(settings, log, monkeypatch):
    log("events", CLICK)
    monkeypatch.setattr(exposures, "_VERSION", 1)
    take_in_exposures(settings, AS_OF)
    path = settings.landing / "events" / f"date={DAY}" / "recsys-api.parquet"
    before = path.read_bytes()
    monkeypatch.undo()
    take_in_exposures(settings, AS_OF)
    assert path.read_bytes() != before


def test_what_lands_is_for_owner_and_group_whatever_the_umask(settings, log):
    log("events", CLICK)
    before = os.umask(0)
    try:
        take_in_exposures(settings, AS_OF)
    finally:
        os.umask(before)
    path = settings.landing / "events" / f"date={DAY}" / "recsys-api.parquet"
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_change_of_stock_becomes_a_version_of_the_item(settings, log):
    unknown = {name: STOCK[name] for name in ("item_id", "is_available", "at")}
    log("items", STOCK, unknown)
    notes = take_in_exposures(settings, AS_OF)
    assert landed(settings, "items") == [
        {
            "item_id": "a",
            "title": "Item a",
            "category": "tea",
            "price": 2.5,
            "is_available": False,
            "valid_from": datetime(2024, 3, 1, 11),
            "attributes": None,
        }
    ]
    assert notes == [
        "API logs of 2024-03-01: 1 changes of availability are of items that no publication knows"
    ]


def test_torn_lines_are_left_out_and_counted(settings, log):
    log("served", SERVED, '{"request_id": "r2", "ite', json.dumps({**SERVED, "items": 3}))
    log("events", CLICK, {**CLICK, "price": "dear"}, '{"event_id": "e3"', end="")
    (note,) = take_in_exposures(settings, AS_OF)
    assert note == "API logs of 2024-03-01: 4 torn lines of events were left out"
    assert len(landed(settings)) == 3


def test_the_same_logs_give_the_same_bytes_and_changed_ones_are_taken_in_anew(settings, log):
    log("events", CLICK)
    path = settings.landing / "events" / f"date={DAY}" / "recsys-api.parquet"
    take_in_exposures(settings, AS_OF)
    before, written_at = path.read_bytes(), path.stat().st_mtime_ns
    take_in_exposures(settings, AS_OF)
    assert path.stat().st_mtime_ns == written_at
    path.unlink()
    take_in_exposures(settings, AS_OF)
    assert path.read_bytes() == before
    log("events", {**CLICK, "event_id": "e2"}, instance="2-cd")
    take_in_exposures(settings, AS_OF)
    assert len(landed(settings)) == 2


def test_a_day_that_lost_all_its_lines_is_emptied(settings, log):
    log("events", CLICK)
    take_in_exposures(settings, AS_OF)
    path = settings.exposures / f"date={DAY}" / "events-1-ab.jsonl"
    path.write_text("")
    take_in_exposures(settings, AS_OF)
    assert landed(settings) == []


def test_the_day_of_the_night_itself_is_left_alone_and_days_of_any_age_are_taken_in(settings, log):
    log("events", CLICK, day=AS_OF)
    log("events", CLICK, day=DAY - timedelta(days=30))
    take_in_exposures(settings, AS_OF)
    assert landed(settings, day=AS_OF) is None
    assert len(landed(settings, day=DAY - timedelta(days=30))) == 1


def test_a_log_of_an_old_day_is_read_again_only_where_it_is_newer_than_its_day_file(settings, log):
    old = DAY - timedelta(days=30)
    log("events", CLICK, day=old)
    path = settings.landing / "events" / f"date={old}" / "recsys-api.parquet"
    take_in_exposures(settings, AS_OF)
    log("events", {**CLICK, "event_id": "e2"}, day=old, instance="2-cd")
    take_in_exposures(settings, AS_OF)
    assert [row["event_id"] for row in landed(settings, day=old)] == ["e1", "e2"]
    logs = settings.exposures / f"date={old}" / "events-2-cd.jsonl"
    before = path.read_bytes()
    os.utime(logs, (0, 0))  # a touch: read once, and not every night
    take_in_exposures(settings, AS_OF)
    assert path.stat().st_ctime_ns >= logs.stat().st_ctime_ns
    assert path.read_bytes() == before


def test_answers_are_not_taken_where_the_settings_do_not_know_them(make_settings, log):
    settings = make_settings(events={"types": ["click"], "exposures": []})
    log("served", SERVED)
    log("events", CLICK)
    (note,) = take_in_exposures(settings, AS_OF)
    assert "1 answers are not taken: events.types has no `served`" in note
    assert len(landed(settings)) == 1


def test_every_row_is_in_raw_once_however_often_it_is_loaded(
    settings, log, dump, write_rows, event
):
    write_rows(settings, [event(1, event_id="shop-1")])
    log("served", SERVED, {**SERVED, "request_id": "r2", "user_id": "nobody"})
    log("events", CLICK, CLICK)  # two workers may both take an event
    log("items", STOCK)
    load_days(settings, AS_OF)
    ids = [row[0] for row in dump(settings, columns="event_id")]
    assert ids == [
        "e1",
        *(f"served:{answer}" for answer in ("r1:1", "r1:2", "r2:1", "r2:2")),
        "shop-1",
    ]
    everything = [dump(settings), dump(settings, "raw.items"), dump(settings, "raw.quarantine")]
    load_days(settings, AS_OF)
    again = [dump(settings), dump(settings, "raw.items"), dump(settings, "raw.quarantine")]
    assert again == everything
    assert everything[2] == []
    assert [row[1:3] for row in everything[1]] == [("a", "Item a")]


def test_no_source_may_take_the_name_of_the_apis_day_files(settings):
    with pytest.raises(LandingError, match="must not be 'recsys-api'"):
        land(settings, "online-retail", name="recsys-api")
