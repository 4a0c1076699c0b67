from __future__ import annotations

import json
from datetime import date, datetime, timedelta

import pytest

from pipelines.base.errors import DataCheckError
from pipelines.base.warehouse import connect
from pipelines.events.check import check_events
from pipelines.events.load import load_days

AS_OF = date(2024, 3, 1)


@pytest.fixture
def shop(make_settings, event, write_rows):
    """Thirty-five days of ten events, with `last` of them on the newest; returns the settings."""

    def build(last=10, dry_days=0):
        settings = make_settings()
        for back in range(35, dry_days, -1):
            day = AS_OF - timedelta(days=back)
            at = datetime.combine(day, datetime.min.time())
            count = last if back == 1 else 10
            rows = [event(n, event_at=at) for n in range(count)]
            if rows:
                write_rows(settings, rows, day=day)
        items = [{"item_id": f"i{n}", "title": "Thing"} for n in range(5)]
        write_rows(settings, items, day=AS_OF - timedelta(days=35), feed="items")
        load_days(settings, AS_OF)
        return settings

    return build


def test_a_sound_shop_passes_and_leaves_its_pages(shop):
    settings = shop()
    report = check_events(settings, AS_OF)
    assert report.is_passed and not report.warnings
    run = settings.run_folder(AS_OF)
    assert run.event_checks_page.read_text().startswith("<!doctype html>")
    written = json.loads(run.event_checks.read_text())
    assert written["is_passed"] and len(written["results"]) == len(report.results)


@pytest.mark.parametrize("last", [5, 17])
def test_a_volume_far_from_the_mean_is_a_warning(shop, last):
    report = check_events(shop(last), AS_OF)
    assert report.is_passed
    assert [result.check.arguments["column"] for result in report.warnings] == ["day_ratio"]


def test_a_missing_day_is_a_warning(shop):
    report = check_events(shop(last=0), AS_OF)
    assert [result.check.frame for result in report.warnings] == ["volume"]


def test_a_feed_that_ran_dry_stops_the_night(shop):
    settings = shop(dry_days=7)
    with pytest.raises(DataCheckError, match="the last seven days hold 0%.*volume_drop_fail"):
        check_events(settings, AS_OF)
    written = json.loads(settings.run_folder(AS_OF).event_checks.read_text())
    assert written["is_passed"] is False


def test_a_row_that_came_past_the_load_stops_the_night(shop):
    settings = shop()
    with connect(settings) as connection:
        connection.execute("update raw.events set price = -1 where landed_date = '2024-02-29'")
    with pytest.raises(DataCheckError, match="no price is below zero"):
        check_events(settings, AS_OF)


def test_events_about_unknown_items_are_a_warning(shop):
    settings = shop()
    with connect(settings) as connection:
        connection.execute("update raw.items set item_id = 'other'")
    report = check_events(settings, AS_OF)
    assert [result.check.arguments["column"] for result in report.warnings] == ["is_known_item"]


def test_a_user_who_makes_most_of_the_shop_and_of_an_item_is_named(shop, event, write_rows, caplog):
    settings = shop()
    day = AS_OF - timedelta(days=20)  # before the look-back
    at = datetime.combine(day, datetime.min.time())
    bulk = [
        event(n, event_id=f"b{n}", user_id="bulk", item_id="i9", event_at=at) for n in range(500)
    ]
    write_rows(settings, bulk, day=day, name="bulk.parquet")
    with connect(settings) as connection:
        connection.execute("delete from raw.loads")
    load_days(settings, AS_OF)
    report = check_events(settings, AS_OF)
    assert report.is_passed
    found = {result.check.arguments["column"]: result.sentence() for result in report.warnings}
    assert (
        "user 'bulk' made 500 of 850 (59%) of all events; no user should make more than 20%"
        in (found["user_share"])
    )
    assert (
        "user 'bulk' made 500 of 500 (100%) of the events of item 'i9'" in found["item_user_share"]
    )
    assert "user 'bulk' made 500" in caplog.text


def test_an_empty_warehouse_passes_with_nothing_to_judge(make_settings):
    assert check_events(make_settings(), AS_OF).results == ()
