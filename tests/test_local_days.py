"""Days of 23 and 25 hours: no event is lost or doubled where a shop's clocks are changed.

Everything is kept in UTC, and a day is a UTC day; a shop's own day only decides in which file an
event arrives. The events have no `event_id`: those of the hour that comes twice differ by their
moment alone.
"""

from __future__ import annotations

import csv
import json
import time
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import load_settings
from pipelines.base.errors import QuarantineLimitError
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.features.build import build_features
from pipelines.features.snapshot import take_snapshot
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
DAYS = [
    pytest.param(BERLIN, date(2024, 3, 31), 23, id="23 hours east of UTC"),
    pytest.param(BERLIN, date(2024, 10, 27), 25, id="25 hours east of UTC"),
    pytest.param(NEW_YORK, date(2024, 3, 10), 23, id="23 hours west of UTC"),
    pytest.param(NEW_YORK, date(2024, 11, 3), 25, id="25 hours west of UTC"),
]


def moments_of(zone: ZoneInfo, day: date) -> list[datetime]:
    """Every quarter of an hour of a local day, as moments in UTC."""
    start, end = (
        datetime.combine(one, datetime.min.time(), zone).astimezone(UTC)
        for one in (day, day + timedelta(days=1))
    )
    return [
        start + timedelta(minutes=15 * n) for n in range((end - start) // timedelta(minutes=15))
    ]


def write(path, zone, moments) -> None:
    """Purchases of one user and item at these moments, as the shop's local time with its offset."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fixed = {"event_type": "purchase", "user_id": "u1", "item_id": "i1"}
    rows = [fixed | {"event_at": at.astimezone(zone).isoformat()} for at in moments]
    if path.suffix == ".csv":
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        columns = {name: [value] * len(moments) for name, value in fixed.items()}
        columns["event_at"] = pa.array(moments, pa.timestamp("us", tz=zone.key))
        pq.write_table(pa.table(columns), path)


def loaded(settings, as_of):
    load_days(settings, as_of)
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(
            "select event_at, landed_date from raw.events order by event_at"
        ).fetchall()


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("zone", "day", "hours"), DAYS)
def test_every_event_of_a_local_day_is_in_its_utc_day_once(make_settings, zone, day, hours, suffix):
    settings, moments = make_settings(), moments_of(zone, day)
    source = settings.home.parent / f"shop.{suffix}"
    assert len(moments) == 4 * hours
    if suffix == "jsonl":  # not a source of `land`: the shop writes the day files itself
        for utc_day in {at.date() for at in moments}:
            path = settings.landing / "events" / f"date={utc_day}" / source.name
            write(path, zone, [at for at in moments if at.date() == utc_day])
    else:
        write(source, zone, moments)
        land(settings, "table", source)
    expected = [(at.replace(tzinfo=None), at.date()) for at in moments]
    assert loaded(settings, day + timedelta(days=3)) == expected


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("zone", "day", "hours"), DAYS[:2])
def test_a_file_of_a_local_day_east_of_utc_may_be_landed_as_that_day(
    make_settings, zone, day, hours, suffix
):
    settings, moments = make_settings(), moments_of(zone, day)
    write(settings.landing / "events" / f"date={day}" / f"shop.{suffix}", zone, moments)
    found = loaded(settings, day + timedelta(days=1))
    assert found == [(at.replace(tzinfo=None), day) for at in moments]
    assert {at.date() for at, _ in found} == {day - timedelta(days=1), day}


@pytest.mark.parametrize(("zone", "day", "hours"), DAYS[2:])
def test_a_file_of_a_local_day_west_of_utc_is_refused_as_that_day(make_settings, zone, day, hours):
    """Its evening is already the next day in UTC; it is not left out quietly."""
    settings, moments = make_settings(), moments_of(zone, day)
    write(settings.landing / "events" / f"date={day}" / "shop.csv", zone, moments)
    evening = sum(at.date() > day for at in moments)
    with pytest.raises(QuarantineLimitError, match=f"future_event {evening}"):
        load_days(settings, day + timedelta(days=1))


@pytest.mark.slow
def test_features_are_the_same_where_the_machine_changes_its_clock(tmp_path, monkeypatch):
    """The last days of the small shop hold the tenth of March 2024: 23 hours in New York."""
    found = []
    try:
        for zone in ("UTC", NEW_YORK.key):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            settings = load_settings(SHOP_SETTINGS, tmp_path / "home" / zone.replace("/", "_"))
            land_small_shop(settings)
            night = shop_night(10)
            load_days(settings, night)
            build_features(settings, night)
            take_snapshot(settings, night)
            files = settings.run_folder(night).snapshot.iterdir()
            with connect(settings, read_only=True) as warehouse:
                tables = fingerprint_tables(warehouse)
            found.append((tables, {path.name: path.read_bytes() for path in files}))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert found[1] == found[0] and found[0][0]["features.feat_users"][0] > 0
