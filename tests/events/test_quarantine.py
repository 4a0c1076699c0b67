from __future__ import annotations

from datetime import date, datetime

import pytest

from pipelines.base.errors import SettingsError
from pipelines.events.load import load_days
from pipelines.events.quarantine import list_quarantine, release_quarantine

DAY = date(2024, 3, 1)
AS_OF = date(2024, 3, 2)


@pytest.fixture
def lenient(make_settings):
    return make_settings(events={"weights": {}, "max_quarantine_share": 1.0})


def test_rows_are_listed_by_day_reason_and_limit(lenient, event, write_rows):
    write_rows(lenient, [event(1, price=-1.0), event(2, user_id=None)])
    write_rows(lenient, [event(3, price=-1.0)], day=date(2024, 3, 2))
    load_days(lenient, date(2024, 3, 3))
    assert [row.reason for row in list_quarantine(lenient, day=DAY)] == [
        "missing_user",
        "negative_price",
    ]
    assert len(list_quarantine(lenient, reason="negative_price")) == 2
    assert len(list_quarantine(lenient, limit=1)) == 1
    assert list_quarantine(lenient)[0].payload["event_id"] == "e2"


def test_a_fixed_row_is_released_into_the_raw_table(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0), event(2)])
    load_days(lenient, AS_OF)
    report = release_quarantine(lenient, reason="negative_price", fixes={"price": "2"})
    assert len(report.released) == 1 and report.refused == {}
    assert dump(lenient, columns="event_id, price") == [("e1", 2.0), ("e2", 2.5)]
    assert list_quarantine(lenient)[0].is_released
    assert list_quarantine(lenient)[0].payload["price"] == "-2.0"
    assert dump(lenient, "raw.loads", "row_count, quarantined_count") == [(2, 1)]


def test_a_row_that_still_breaks_a_rule_is_refused(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0, user_id=None)])
    load_days(lenient, AS_OF)
    (row,) = list_quarantine(lenient)
    report = release_quarantine(lenient, [row.quarantine_id], fixes={"price": "2"})
    assert report.refused == {row.quarantine_id: "missing_user"}
    assert dump(lenient) == [] and not list_quarantine(lenient)[0].is_released


def test_a_cut_text_is_refused_until_it_is_replaced(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, item_id="i" * 5000)])
    load_days(lenient, AS_OF)
    (row,) = list_quarantine(lenient)
    assert release_quarantine(lenient, [row.quarantine_id]).refused == {
        row.quarantine_id: "oversized_text"
    }
    release_quarantine(lenient, [row.quarantine_id], fixes={"item_id": "i1"})
    assert dump(lenient, columns="item_id") == [("i1",)]


def test_a_released_row_survives_a_reload_and_is_not_doubled(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0), event(2)])
    load_days(lenient, AS_OF)
    release_quarantine(lenient, day=DAY, fixes={"price": "2"})
    before = dump(lenient)
    write_rows(lenient, [event(3)], name="late.csv")
    load_days(lenient, AS_OF)
    load_days(lenient, AS_OF)
    assert [row for row in dump(lenient) if row[1] != "e3"] == before
    assert len(dump(lenient)) == 3
    assert [row.is_released for row in list_quarantine(lenient)] == [True]


def test_a_row_that_comes_corrected_replaces_the_released_one(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0)])
    load_days(lenient, AS_OF)
    release_quarantine(lenient, day=DAY, fixes={"price": "2"})
    write_rows(lenient, [event(1, price=7.0)])
    load_days(lenient, AS_OF)
    assert dump(lenient, columns="event_id, price") == [("e1", 7.0)]


def test_a_row_whose_id_the_day_has_is_refused_as_duplicate(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0), event(1)])
    load_days(lenient, AS_OF)
    report = release_quarantine(lenient, day=DAY, fixes={"price": "2"})
    assert list(report.refused.values()) == ["duplicate"]
    assert len(dump(lenient)) == 1


def test_of_two_released_rows_with_one_id_one_is_refused(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, price=-2.0), event(1, price=-3.0)])
    load_days(lenient, AS_OF)
    report = release_quarantine(lenient, day=DAY, fixes={"price": "2"})
    assert len(report.released) == 1 and list(report.refused.values()) == ["duplicate"]
    assert len(dump(lenient)) == 1


def test_a_released_row_without_an_id_gets_the_derived_one(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, event_id=None, price=-2.0)])
    load_days(lenient, AS_OF)
    release_quarantine(lenient, day=DAY, fixes={"price": "2"})
    ((event_id,),) = dump(lenient, columns="event_id")
    assert len(event_id) == 64


def test_equal_bad_rows_are_told_apart(lenient, event, write_rows):
    write_rows(lenient, [event(1, price=-2.0)] * 3)
    load_days(lenient, AS_OF)
    assert len({row.quarantine_id for row in list_quarantine(lenient)}) == 3


def test_items_are_released_too(lenient, write_rows, dump):
    write_rows(lenient, [{"item_id": "i1", "title": "One", "price": -1.0}], feed="items")
    load_days(lenient, AS_OF)
    release_quarantine(lenient, day=DAY, fixes={"price": "1"})
    assert dump(lenient, "raw.items", "item_id, price, valid_from") == [
        ("i1", 1.0, datetime(2024, 3, 1))
    ]


def test_a_malformed_line_cannot_be_released(lenient, write_rows, event):
    path = write_rows(lenient, [event(1)], name="shop.jsonl")
    path.write_text(path.read_text() + '{"user_id": "u1", \n')
    load_days(lenient, AS_OF)
    assert list(release_quarantine(lenient, day=DAY).refused.values()) == ["malformed_row"]


def test_a_release_of_nothing_in_particular_is_an_error(lenient):
    with pytest.raises(SettingsError, match="must say which rows"):
        release_quarantine(lenient)


def test_an_unknown_id_is_an_error(lenient):
    with pytest.raises(SettingsError, match="'123456789' names 0"):
        release_quarantine(lenient, ["123456789"])


def test_a_fix_of_an_unknown_column_is_an_error(lenient, event, write_rows):
    write_rows(lenient, [event(1, price=-2.0)])
    load_days(lenient, AS_OF)
    with pytest.raises(SettingsError, match="A fix must name columns.*Got cost"):
        release_quarantine(lenient, day=DAY, fixes={"cost": "2"})
