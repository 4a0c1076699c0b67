"""A corrected source ends in the tables and features of a home that only ever saw it corrected."""

from __future__ import annotations

import csv
import random
import shutil
from datetime import date, timedelta

import pytest

from pipelines.base.config import load_settings
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.features.build import build_features
from pipelines.features.snapshot import take_snapshot
from tests.conftest import SHOP_SETTINGS

pytestmark = pytest.mark.xdist_group("corrections")

FIRST_DAY = date(2024, 1, 1)
DAYS = 60
NIGHT = FIRST_DAY + timedelta(days=DAYS)
EARLIER = NIGHT - timedelta(days=7)
FEATURES = ("feat_user_items", "feat_users", "feat_items")


def orders(seed=5, count=700):
    """Rows of a shop: user, item, moment and price, with one user who is up to something."""
    rng = random.Random(seed)
    return [
        {
            "user_id": f"u{rng.randrange(40):02}",
            "item_id": f"i{int(rng.expovariate(0.15)):02}",
            "event_at": f"{FIRST_DAY + timedelta(days=rng.randrange(DAYS))} "
            f"{rng.randrange(24):02}:{rng.randrange(60):02}:00",
            "price": rng.choice([1.5, 2.0, 9.99]),
        }
        for _ in range(count)
    ]


def catalogue(items=60):
    return [
        {"item_id": f"i{n:02}", "title": f"Item {n}", "valid_from": str(FIRST_DAY)}
        for n in range(items)
    ]


def write(path, rows):
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def moved(rows, days):
    """All rows of the first twenty days, so many days later: their dates were wrong."""
    end = str(FIRST_DAY + timedelta(days=20))
    return [
        {
            **row,
            "event_at": str(date.fromisoformat(row["event_at"][:10]) + timedelta(days=days))
            + row["event_at"][10:],
        }
        if row["event_at"] < end
        else row
        for row in rows
    ]


#: Each a kind of correction of the orders.
CORRECTIONS = {
    "dates were wrong": lambda rows: moved(rows, 30),
    "the first half is gone, a user is another": lambda rows: [
        {**row, "user_id": "new"} if row["user_id"] == "u07" else row
        for row in rows
        if row["event_at"] > "2024-01-30"
    ],
}


def night(settings, as_of=NIGHT):
    report = load_days(settings, as_of)
    build_features(settings, as_of)
    take_snapshot(settings, as_of)
    return report


def shop(folder, rows):
    """A home with orders and items, landed from files of their own."""
    settings = load_settings(SHOP_SETTINGS, folder / "home")
    folder.mkdir(exist_ok=True)
    land(settings, "table", write(folder / "orders.csv", rows), event_type="purchase")
    land(settings, "table", write(folder / "items.csv", catalogue()), feed="items")
    return settings


def snapshot(settings, as_of=NIGHT):
    folder = settings.run_folder(as_of).snapshot
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def tables(settings):
    """Fingerprints of all that was loaded and built, and features of tonight's cutoffs."""
    with connect(settings, read_only=True) as warehouse:
        found = fingerprint_tables(warehouse)
        cutoffs = settings.night(NIGHT).cutoffs
        features = {
            name: warehouse.execute(
                f"select * from features.{name} "
                "where list_contains($cutoffs::date[], cutoff_date) order by all",
                {"cutoffs": list(cutoffs)},
            ).fetchall()
            for name in FEATURES
        }
    return {
        name: found[name]
        for name in found
        if name.split(".")[0] in ("raw", "intermediate") and "built_dates" not in name
    }, features


@pytest.fixture(scope="module")
def wrong(tmp_path_factory):
    """Folder and home with the wrong orders, after two nights."""
    folder = tmp_path_factory.mktemp("shop")
    settings = shop(folder / "given", orders())
    night(settings, EARLIER)
    night(settings)
    return settings, folder


@pytest.mark.parametrize("kind", CORRECTIONS)
def test_features_after_a_correction_are_those_of_a_fresh_home(wrong, tmp_path, kind):
    given, folder = wrong
    right = CORRECTIONS[kind](orders())
    settings = given.model_copy(update={"home": tmp_path / "home"})
    shutil.copytree(given.home, settings.home)
    path = write(folder / "given" / "orders.csv", right)
    land(settings, "table", path, event_type="purchase")
    night(settings)
    fresh = shop(tmp_path / "fresh", right)
    night(fresh)
    assert tables(settings) == tables(fresh)
    assert snapshot(settings) == snapshot(fresh)
    # what another night holds stays as it was, until that night is run again
    assert snapshot(settings, EARLIER) == snapshot(given, EARLIER)


def test_an_earlier_night_that_is_run_again_knows_the_correction(wrong, tmp_path):
    given, folder = wrong
    right = CORRECTIONS["dates were wrong"](orders())
    settings = given.model_copy(update={"home": tmp_path / "home"})
    shutil.copytree(given.home, settings.home)
    land(settings, "table", write(folder / "given" / "orders.csv", right), event_type="purchase")
    night(settings, EARLIER)
    fresh = shop(tmp_path / "fresh", right)
    night(fresh, EARLIER)
    assert snapshot(settings, EARLIER) == snapshot(fresh, EARLIER) != snapshot(given, EARLIER)
    assert snapshot(settings) == snapshot(given)
