from __future__ import annotations

from datetime import date

import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.landing import land
from pipelines.events.load import load_days

LINES = "customer,sku,ordered\nu1,i1,2024-03-01 10:00:00\nu2,i1,2024-03-03\n"
OPTIONS = {
    "mapping": {"user_id": "customer", "item_id": "sku", "event_at": "ordered"},
    "event_type": "purchase",
}


@pytest.fixture
def orders(tmp_path):
    path = tmp_path / "orders.csv"
    path.write_text(LINES)
    return path


def day_files(settings):
    return {
        str(path.relative_to(settings.landing)): path.read_bytes()
        for path in settings.landing.glob("*/date=*/*")
    }


def test_one_file_a_day_is_landed_and_reported(make_settings, orders):
    settings = make_settings()
    report = land(settings, "table", orders, **OPTIONS)
    assert sorted(day_files(settings)) == [
        "events/date=2024-03-01/orders.parquet",
        "events/date=2024-03-03/orders.parquet",
    ]
    assert (report.day_count, report.event_count, report.written_files) == (2, 2, 2)
    assert report.as_dict()["first_day"] == "2024-03-01"


def test_landing_twice_leaves_every_file_alone(make_settings, orders):
    settings = make_settings()
    land(settings, "table", orders, **OPTIONS)
    before = day_files(settings)
    times = [path.stat().st_mtime_ns for path in sorted(settings.landing.rglob("*.parquet"))]
    report = land(settings, "table", orders, **OPTIONS)
    assert (report.written_files, report.unchanged_files) == (0, 2)
    assert day_files(settings) == before
    assert times == [
        path.stat().st_mtime_ns for path in sorted(settings.landing.rglob("*.parquet"))
    ]


def test_a_day_that_grew_is_the_only_one_written(make_settings, orders):
    settings = make_settings()
    land(settings, "table", orders, **OPTIONS)
    orders.write_text(LINES + "u3,i2,2024-03-03\n")
    report = land(settings, "table", orders, **OPTIONS)
    assert (report.written_files, report.unchanged_files) == (1, 1)


def test_landed_files_load(make_settings, orders, dump):
    settings = make_settings()
    land(settings, "table", orders, name="orders", **OPTIONS)
    load_days(settings, date(2024, 3, 4))
    assert dump(settings, columns="user_id, event_type") == [("u1", "purchase"), ("u2", "purchase")]


def test_rows_of_a_day_that_spans_batches_land_in_one_file(make_settings, tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.events.landing._BATCH_ROWS", 2)
    rows = "".join(f"u{n},i1,2024-03-0{1 + n // 5}\n" for n in range(15))
    path = tmp_path / "orders.csv"
    path.write_text("customer,sku,ordered\n" + rows)
    settings = make_settings()
    assert land(settings, "table", path, **OPTIONS).event_count == 15
    counts = [pq.read_metadata(file).num_rows for file in settings.landing.rglob("*.parquet")]
    assert counts == [5, 5, 5]


def test_items_without_a_date_are_known_from_the_newest_day_of_events(make_settings, orders):
    settings = make_settings()
    land(settings, "table", orders, **OPTIONS)
    items = orders.with_name("items.csv")
    items.write_text("item_id,title\ni1,Lamp\n")
    report = land(settings, "table", items, name="items", feed="items")
    assert report.as_dict()["first_day"] == "2024-03-03"
    assert "known from 2024-03-03" in report.notes[0]


def test_a_later_list_without_dates_does_not_change_what_was_known_before(make_settings, orders):
    settings = make_settings()
    items = orders.with_name("items.csv")
    for day, title in (("2024-03-03", "Lamp"), ("2024-03-04", "Red lamp")):
        orders.write_text(f"customer,sku,ordered\nu1,i1,{day}\n")
        land(settings, "table", orders, **OPTIONS)
        items.write_text(f"item_id,title\ni1,{title}\n")
        land(settings, "table", items, name="items", feed="items")
    known = {
        path.parent.name: pq.read_table(path)["title"].to_pylist()
        for path in (settings.landing / "items").rglob("*.parquet")
    }
    assert known == {"date=2024-03-03": ["Lamp"], "date=2024-03-04": ["Red lamp"]}


def test_a_name_that_is_a_path_is_an_error(make_settings, orders):
    with pytest.raises(LandingError, match="must consist of letters.*Got '../x'"):
        land(make_settings(), "table", orders, name="../x", **OPTIONS)
