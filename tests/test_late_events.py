"""Events that arrive shuffled, twice and up to 72 hours late end in the tables of those on time."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import load_settings
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.events.load import load_days
from pipelines.features.build import build_features
from pipelines.features.snapshot import take_snapshot
from tests.conftest import SHOP_DAYS, SHOP_FIRST_DAY, SHOP_SETTINGS, land_small_shop

pytestmark = pytest.mark.xdist_group("late_events")

LATEST = timedelta(hours=72)
LAST_DAY = SHOP_FIRST_DAY + timedelta(days=SHOP_DAYS - 1)
#: The first night that can know every event, also one of the last second that is 72 hours late.
NIGHT = LAST_DAY + timedelta(days=4)
NIGHTS = [NIGHT - timedelta(days=days) for days in range(10, -1, -1)]
#: A night whose features are built while events are still on their way.
EARLY = NIGHT - timedelta(days=3)
#: Of `raw.loads` only what a day folder holds may differ: its files have other names.
BOOKKEEPING = "raw.loads"


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time())


@pytest.fixture(scope="module")
def on_time(tmp_path_factory):
    """The shop as it is landed, its events, and what two nights of it end in."""
    settings = load_settings(SHOP_SETTINGS, tmp_path_factory.mktemp("on_time"))
    land_small_shop(settings)
    files = sorted((settings.landing / "events").glob("date=*/shop.parquet"))
    # a file's own schema: the folder's name is no column of it
    events = [row for path in files for row in pq.ParquetFile(path).read().to_pylist()]
    for night in (EARLY, NIGHT):
        build(settings, night)
    return settings, events, figures(settings)


@pytest.fixture(scope="module")
def arrivals(on_time):
    """Every event with the moment it arrives, shuffled; one in twenty arrives twice."""
    _, events, _ = on_time
    rng = np.random.default_rng(72)
    found = []
    for event in events:
        share = rng.choice([0.0, 1.0, rng.random()], p=[0.3, 0.1, 0.6])
        found.append((event["event_at"] + share * LATEST, event))
        if rng.random() < 0.05:
            found.append((event["event_at"] + rng.random() * LATEST, event))
    return [found[number] for number in rng.permutation(len(found))]


def late_shop(tmp_path):
    settings = load_settings(SHOP_SETTINGS, tmp_path / "late")
    land_small_shop(settings)
    for path in (settings.landing / "events").glob("date=*/shop.parquet"):
        path.unlink()
    return settings


def write_part(settings, folder: date, name: str, rows: list[dict]) -> None:
    """A further file of a day folder; the format is the name's suffix."""
    path = settings.landing / "events" / f"date={folder}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    assert not path.exists()
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    else:
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)


def deliver(settings, arrivals, after: datetime, before: datetime, folder_of) -> int:
    """Write what arrives in a span as files of the day folders that `folder_of` names."""
    parts = defaultdict(list)
    for at, event in arrivals:
        if after <= at < before:
            parts[folder_of(at, event)].append(event)
    for folder, rows in parts.items():
        suffix = ("parquet", "jsonl", "csv")[(folder.toordinal() + before.toordinal()) % 3]
        write_part(settings, folder, f"before-{before:%Y-%m-%d}.{suffix}", rows)
    return sum(len(rows) for rows in parts.values())


def build(settings, night: date) -> None:
    load_days(settings, night)
    build_features(settings, night)
    take_snapshot(settings, night)


def figures(settings):
    """Fingerprints of all tables, and the bytes of the last night's snapshot."""
    files = settings.run_folder(NIGHT).snapshot.iterdir()
    with connect(settings, read_only=True) as warehouse:
        tables = fingerprint_tables(warehouse)
    tables.pop(BOOKKEEPING)
    return tables, {path.name: path.read_bytes() for path in files}


def test_events_that_are_72_hours_late_in_their_days_end_in_the_same_tables(
    on_time, arrivals, tmp_path
):
    _, events, (tables, snapshot) = on_time
    settings = late_shop(tmp_path)
    written, counts, start = 0, [], datetime.min
    for night in NIGHTS:
        written += deliver(
            settings, arrivals, start, midnight(night), lambda _, event: event["event_at"].date()
        )
        start = midnight(night)
        counts.append(load_days(settings, night).feeds["events"].total_rows)
        if night in (EARLY, NIGHT):
            build(settings, night)
    assert written == len(arrivals) > len(events)
    assert counts == sorted(counts) and counts[NIGHTS.index(EARLY)] < counts[-1] == len(events)
    found = figures(settings)
    assert found[1] == snapshot
    raw = {name for name in tables if name.startswith("raw.")}
    assert raw and {found[0][name] for name in raw} == {tables[name] for name in raw}
    assert found[0] != tables  # the early night could not know what had not arrived
    build(settings, EARLY)
    assert figures(settings) == (tables, snapshot)


def test_late_events_in_the_folder_of_their_arrival_end_in_the_same_features(
    on_time, arrivals, tmp_path
):
    """Later cutoffs know them as if on time; earlier ones must not (tests/features/test_build.py)."""
    known, _, _ = on_time
    settings = late_shop(tmp_path)
    deliver(settings, arrivals, datetime.min, midnight(NIGHT), lambda at, _: at.date())
    build(settings, NIGHT)
    late, features = 0, []
    for home in (known, settings):
        with connect(home, read_only=True) as warehouse:
            (late,) = warehouse.execute(
                "select count(*) from raw.events where landed_date > event_at::date"
            ).fetchone()
            features.append(
                {
                    table: warehouse.execute(
                        f"select * from features.{table} where cutoff_date = ? order by all",
                        [NIGHT],
                    ).fetchall()
                    for table in ("feat_user_items", "feat_users", "feat_items")
                }
            )
    assert late > len(arrivals) / 3
    assert all(features[0].values()) and features[1] == features[0]
