"""Sources of the settings are landed by a night, each as far as it has changed."""

from __future__ import annotations

import json
import os
from datetime import date

import duckdb
import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.base.config import load_settings, parse_settings
from pipelines.base.errors import LandingError, SettingsError
from pipelines.events.configured_sources import land_night, land_sources
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.run.night import NIGHT, VERBS

NIGHT_OF = date(2024, 3, 10)
MAPPING = {"user_id": "who", "item_id": "what", "event_at": "at"}


def write(path, *rows):
    lines = [f"{user},{item},{at}" for user, item, at in rows]
    path.write_text("\n".join(["who,what,at", *lines]) + "\n")
    return path


def source(path, name="orders", **more):
    return {
        "name": name,
        "path": str(path),
        "mapping": MAPPING,
        "event_type": "purchase",
        **more,
    }


def landed(settings, night=NIGHT_OF):
    """Events and files written, by name of the day files."""
    return {
        report.stem: (report.event_count, report.written_files)
        for report in land_sources(settings, night)
    }


def users(settings, dump):
    load_days(settings, NIGHT_OF)
    return dump(settings, columns="user_id")


def test_landing_the_sources_is_the_first_step_of_a_night():
    assert NIGHT[0] == ("land_sources", None)
    assert VERBS["land_sources"].endswith(":land_night")


def test_a_source_is_read_again_only_where_it_has_changed(make_settings, tmp_path, dump):
    orders = write(tmp_path / "orders.csv", ("u1", "i1", "2024-03-08"), ("u2", "i1", "2024-03-09"))
    clicks = write(tmp_path / "clicks.csv", ("u3", "i1", "2024-03-09"))
    settings = make_settings(
        sources=[source(orders), source(clicks, "clicks", event_type="click")],
    )
    assert landed(settings) == {"orders": (2, 2), "clicks": (1, 1)}
    assert landed(settings) == {"orders": (0, 0), "clicks": (0, 0)}
    write(orders, ("u1", "i1", "2024-03-08"), ("u9", "i1", "2024-03-09"))
    os.utime(orders, ns=(1, 1))
    assert landed(settings) == {"orders": (2, 1), "clicks": (0, 0)}
    assert users(settings, dump) == [("u1",), ("u3",), ("u9",)]


def test_a_source_that_is_read_otherwise_or_lost_day_files_is_landed_anew(make_settings, tmp_path):
    orders = write(tmp_path / "orders.csv", ("u1", "i1", "2024-03-08"), ("u2", "i1", "2024-03-09"))
    settings = make_settings(sources=[source(orders)])
    landed(settings)
    (settings.landing / "events" / "date=2024-03-08" / "orders.parquet").unlink()
    assert landed(settings) == {"orders": (2, 1)}
    settings = make_settings(sources=[source(orders, event_type="view")])
    assert landed(settings) == {"orders": (2, 2)}


def test_what_was_landed_by_hand_is_not_landed_again(make_settings, tmp_path):
    orders = write(tmp_path / "orders.csv", ("u1", "i1", "2024-03-08"))
    settings = make_settings(sources=[source(orders)])
    land(settings, "table", orders, name="orders", mapping=MAPPING, event_type="purchase")
    assert landed(settings) == {"orders": (0, 0)}


def test_of_a_file_a_day_those_of_late_days_are_landed_too(make_settings, tmp_path, dump):
    for day in (1, 7, 8, 9, 10):
        write(tmp_path / f"202403{day:02}.csv", (f"u{day}", "i1", f"2024-03-{day:02}"))
    daily = source(tmp_path / "{day:%Y%m%d}.csv")
    settings = make_settings(sources=[daily], events={"lookback_days": 2})
    assert [count for count, _ in landed(settings).values()] == [1, 1, 1]
    assert users(settings, dump) == [("u7",), ("u8",), ("u9",)]
    write(tmp_path / "20240308.csv", ("late", "i1", "2024-03-08"))
    assert sorted(landed(settings).values()) == [(0, 0), (0, 0), (1, 1)]
    assert users(settings, dump) == [("late",), ("u7",), ("u9",)]


def test_the_file_of_the_newest_day_must_be_there_unless_it_is_not_required(
    make_settings, tmp_path
):
    write(tmp_path / "2024-03-08.csv", ("u8", "i1", "2024-03-08"))
    write(tmp_path / "others.csv", ("u1", "i1", "2024-03-08"))
    daily, others = source(tmp_path / "{day}.csv"), source(tmp_path / "others.csv", "others")
    settings = make_settings(sources=[daily, others])
    with pytest.raises(LandingError, match=r"Failed: 1 of 2: orders: .*2024-03-09\.csv") as raised:
        land_night(settings, NIGHT_OF)
    assert "`required = false`" in str(raised.value)
    days = {path.name for path in settings.landing.glob("events/date=2024-03-08/*.parquet")}
    assert days == {"orders.parquet", "others.parquet"}
    record = json.loads(settings.run_folder(NIGHT_OF).landed.read_text())
    assert [(one["name"], "error" in one) for one in record] == [
        ("orders", False),
        ("orders", True),
        ("others", False),
    ]
    settings = make_settings(sources=[{**daily, "required": False}, others])
    assert landed(settings) == {"orders": (0, 0), "others": (0, 0)}


def test_landing_by_hand_begins_no_night(make_settings, tmp_path):
    orders = write(tmp_path / "orders.csv", ("u1", "i1", "2024-03-08"))
    settings = make_settings(sources=[source(orders)])
    land_sources(settings, NIGHT_OF)
    assert settings.nights() == []


def test_events_land_before_items_also_where_a_preset_says_which_they_are(make_settings, tmp_path):
    products = tmp_path / "products.csv"
    products.write_text("Handle,Title,Variant SKU,Variant Price\nmug,Mug,i1,3\n")
    orders = write(tmp_path / "orders.csv", ("u1", "i1", "2024-03-08"))
    preset = {"name": "products", "source": "shopify-products", "path": str(products)}
    settings = make_settings(sources=[preset, source(orders)])
    assert [report.stem for report in land_sources(settings, NIGHT_OF)] == ["orders", "products"]
    # without dates, items are known from the newest day of events: there must be one by then
    assert list(settings.landing.glob("items/date=2024-03-08/products.parquet"))


def test_a_brace_of_a_name_is_written_twice(make_settings, tmp_path):
    write(tmp_path / "{a}.csv", ("u1", "i1", "2024-03-08"))
    named = source(f"{tmp_path}/{{{{a}}}}.csv")
    settings = make_settings(sources=[named])
    assert not settings.sources[0].is_daily
    assert landed(settings) == {"orders": (1, 1)}


def test_a_query_is_pulled_from_where_the_last_night_ended(make_settings, tmp_path, dump):
    database = tmp_path / "shop.duckdb"
    with duckdb.connect(database) as shop:
        shop.execute(
            "create table orders as select 'u1' who, 'i1' what, timestamp '2024-03-08' as at"
        )
    query = {"source": "sql", "url": str(database), "query": "select * from orders"}
    asked = {"name": "orders", "mapping": MAPPING, "event_type": "purchase", "watermark": "at"}
    settings = make_settings(sources=[{**asked, **query}])
    assert landed(settings) == {"orders": (1, 1)}
    with duckdb.connect(database) as shop:
        shop.execute("insert into orders values ('u2', 'i1', timestamp '2024-03-09')")
    assert [count for count, _ in landed(settings).values()] == [1]
    assert landed(settings) == {"orders": (0, 0)}
    assert users(settings, dump) == [("u1",), ("u2",)]


@pytest.mark.parametrize(
    ("one", "match"),
    [
        ({"name": "a"}, "a source has a `path`"),
        ({"name": "a", "source": "sql", "path": "x"}, "`sql` has `url` and `query`"),
        ({"name": "a", "path": "x", "watermark": "at"}, "only `sql` has `url` and `watermark`"),
        ({"name": "a", "path": "x{night}.csv"}, r"may hold \{day\}"),
        ({"name": "a", "path": "x", "maping": {}}, "Extra inputs"),
        ({"name": "a b", "path": "x"}, "should match pattern"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(one, match):
    with pytest.raises(SettingsError, match=match):
        parse_settings({"sources": [one]})


def test_names_of_sources_are_unique():
    with pytest.raises(SettingsError, match="names of sources must be unique"):
        parse_settings({"sources": [{"name": "a", "path": "x"}, {"name": "a", "path": "y"}]})


def test_relative_paths_start_at_the_settings_file_and_land_alone_lands_them(tmp_path, monkeypatch):
    shop = tmp_path / "shop {a}"
    shop.mkdir()
    write(shop / "orders.csv", ("u1", "i1", "2024-03-08"))
    config = shop / "recsys.toml"
    config.write_text(
        '[[sources]]\nname = "orders"\npath = "orders.csv"\nevent_type = "purchase"\n'
        'mapping = { user_id = "who", item_id = "what", event_at = "at" }\n'
    )
    monkeypatch.chdir(tmp_path)
    typed = ["land", "--config", str(config), "--home", str(tmp_path / "var")]
    found = CliRunner().invoke(cli, typed)
    assert found.exit_code == 0, found.output
    assert "1 events and 0 item rows in 1 days" in found.output
    assert "recsys run --as-of 2024-03-09" in found.output
    assert list(load_settings(config, tmp_path / "var").landing.glob("*/*/orders.parquet"))
    refused = CliRunner().invoke(cli, [*typed, "--event-type", "view"])
    assert "Found options event_type" in str(refused.exception)


def test_land_alone_says_that_there_are_no_sources(tmp_path):
    (tmp_path / "recsys.toml").write_text('home = "var"\n')
    found = CliRunner().invoke(cli, ["land", "--config", str(tmp_path / "recsys.toml")])
    assert "no [[sources]] in the settings" in str(found.exception)
