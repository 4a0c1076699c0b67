from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from datetime import date

import pytest

from pipelines.base.config import parse_settings
from pipelines.base.errors import LandingError
from pipelines.events.landed_sources import (
    begin_landing,
    name_of,
    read_sources,
    remove_source,
    remove_unrecorded,
)
from pipelines.events.landing import land
from pipelines.events.load import load_days

AS_OF = date(2024, 4, 1)


def write(path, *events):
    """A CSV file of purchases, each a user and a time."""
    path.parent.mkdir(exist_ok=True, parents=True)
    lines = [f"{user},i1,{at}" for user, at in events]
    path.write_text("\n".join(["user_id,item_id,event_at", *lines]) + "\n")
    return path


def land_table(settings, path, **options):
    return land(settings, "table", path, event_type="purchase", **options)


def tree(settings):
    """Every file below the landing area, hidden ones too, with its bytes."""
    return {
        str(path.relative_to(settings.landing)): path.read_bytes()
        for path in settings.landing.rglob("*")
        if path.is_file()
    }


def day_files(settings):
    return sorted(name for name in tree(settings) if name.endswith(".parquet"))


def users(settings, dump):
    load_days(settings, AS_OF)
    return dump(settings, columns="user_id, landed_date::varchar")


def test_landing_a_corrected_file_leaves_only_the_corrected_rows(make_settings, tmp_path, dump):
    settings = make_settings()
    path = write(tmp_path / "shop.csv", ("u1", "2024-01-05"), ("u2", "2024-03-05"))
    land_table(settings, path)
    assert users(settings, dump) == [("u1", "2024-01-05"), ("u2", "2024-03-05")]
    write(path, ("u1", "2024-05-01"), ("u1", "2024-02-05"), ("u2", "2024-03-05"))
    report = land_table(settings, path)
    assert (report.written_files, report.unchanged_files, report.removed_files) == (2, 1, 1)
    assert users(settings, dump) == [("u1", "2024-02-05"), ("u2", "2024-03-05")]


def test_two_files_of_the_same_days_are_both_kept(make_settings, tmp_path, dump):
    settings = make_settings()
    for name in ("views", "buys"):
        report = land_table(settings, write(tmp_path / f"{name}.csv", (name, "2024-03-01")))
        assert report.stem == name
    assert users(settings, dump) == [("buys", "2024-03-01"), ("views", "2024-03-01")]


def test_parts_of_one_name_share_the_day_that_midnight_in_utc_splits(make_settings, tmp_path, dump):
    settings = make_settings()
    jan = write(tmp_path / "jan.csv", ("a", "2024-01-31 12:00-05"), ("b", "2024-01-31 23:30-05"))
    feb = write(tmp_path / "feb.csv", ("c", "2024-02-01 00:30-05"))
    reports = [land_table(settings, path, name="shop") for path in (jan, feb)]
    assert [report.stem for report in reports] == ["shop", "shop-feb"]
    assert reports[1].notes == [
        f"shop has other parts, which count too: {jan}; if this one replaces them: "
        "recsys sources remove shop"
    ]
    expected = [("a", "2024-01-31"), ("b", "2024-02-01"), ("c", "2024-02-01")]
    assert users(settings, dump) == expected
    assert land_table(settings, jan, name="shop").unchanged_files == 2  # and not feb's
    assert users(settings, dump) == expected


def test_files_of_the_same_name_in_two_folders_are_two_sources(make_settings, tmp_path, dump):
    settings = make_settings()
    for folder in ("a", "b"):
        land_table(settings, write(tmp_path / folder / "orders.csv", (folder, "2024-03-01")))
    first, second = read_sources(settings)
    assert (first.stem, first.name, second.name) == ("orders", "orders", "orders")
    assert second.stem.startswith("orders-")
    assert len(users(settings, dump)) == 2


def test_many_parts_are_told_in_one_note(make_settings, tmp_path):
    settings = make_settings()
    for n in range(6):
        path = write(tmp_path / f"m{n}.csv", ("u1", f"2024-03-0{n + 1}"))
        (*_, note) = land_table(settings, path, name="shop").notes or [""]
    assert "m0.csv" in note and "m2.csv and 2 more; if" in note
    assert note.endswith("remove shop shop-m1 shop-m2 shop-m3 shop-m4")


def test_a_relative_path_names_the_same_source(make_settings, tmp_path, monkeypatch):
    settings = make_settings()
    path = write(tmp_path / "orders.csv", ("u1", "2024-03-01"))
    land_table(settings, path)
    monkeypatch.chdir(tmp_path)
    assert land_table(settings, "./orders.csv").stem == "orders"
    assert len(read_sources(settings)) == 1


def test_events_and_items_of_one_file_do_not_replace_each_other(make_settings, tmp_path):
    settings = make_settings()
    path = tmp_path / "shop.csv"
    path.write_text("user_id,item_id,title,event_at,valid_from\nu1,i1,Tea,2024-03-01,2024-03-01\n")
    land_table(settings, path)
    land(settings, "table", path, feed="items")
    land_table(settings, path)
    assert day_files(settings) == [
        f"{feed}/date=2024-03-01/shop.parquet" for feed in ("events", "items")
    ]


def test_an_empty_file_does_not_replace_what_was_landed(make_settings, tmp_path):
    settings = make_settings()
    path = write(tmp_path / "shop.csv", ("u1", "2024-03-01"))
    land_table(settings, path)
    before = tree(settings)
    write(path)
    with pytest.raises(LandingError, match=r"must hold rows. Found none in .*shop.csv"):
        land_table(settings, path)
    assert tree(settings) == before


def test_day_files_that_others_wrote_stay(make_settings, tmp_path, write_rows, event):
    settings = make_settings()
    path = write(tmp_path / "shop.csv", ("u1", "2024-03-01"), ("u1", "2024-03-02"))
    land_table(settings, path)
    own_job = write_rows(settings, [event(1)], day=date(2024, 3, 9))  # also named shop.parquet
    other = write_rows(settings, [event(2)], name="other.parquet")
    write(path, ("u1", "2024-03-02"))
    report = land_table(settings, path)
    assert report.removed_files == 1 and own_job.exists() and other.exists()
    assert "1 day files named shop.parquet were recorded by no landing and stay" in report.notes[0]


def test_day_files_of_a_home_without_a_ledger_are_taken_over_or_said(make_settings, tmp_path, dump):
    settings = make_settings()
    path = write(tmp_path / "orders.csv", ("u1", "2024-03-01"), ("u2", "2024-03-02"))
    land_table(settings, path, name="shop")
    shutil.rmtree(settings.landing / "_sources")
    write(path, ("u1", "2024-03-01"))
    report = land_table(settings, path, name="shop")
    assert (report.unchanged_files, report.removed_files) == (1, 0)
    assert report.notes == [
        "1 day files named shop.parquet that no finished landing had recorded are of this source "
        "now",
        "1 day files named shop.parquet were recorded by no landing and stay (first "
        "events/date=2024-03-02/shop.parquet); if they came from this source: "
        "recsys sources remove shop --unrecorded",
    ]
    assert len(users(settings, dump)) == 2
    assert remove_unrecorded(settings, "shop") == 1
    assert users(settings, dump) == [("u1", "2024-03-01")]


def test_tables_that_an_older_version_named_table_are_said(make_settings, tmp_path):
    settings = make_settings()
    path = write(tmp_path / "orders.csv", ("u1", "2024-03-01"))
    land_table(settings, path, name="table")
    shutil.rmtree(settings.landing / "_sources")
    (note,) = land_table(settings, path).notes
    assert "recsys sources remove table --unrecorded" in note


def test_a_source_is_taken_out_with_its_rows_and_nothing_else(make_settings, tmp_path, dump):
    settings = make_settings()
    for name in ("views", "buys"):
        land_table(settings, write(tmp_path / f"{name}.csv", (name, "2024-03-01")))
    land_table(settings, write(tmp_path / "old.csv", ("old", "2024-01-01")))
    assert len(users(settings, dump)) == 3
    assert [remove_source(settings, name) for name in ("views", "old")] == [1, 1]
    assert users(settings, dump) == [("buys", "2024-03-01")]
    assert not (settings.landing / "events" / "date=2024-01-01").exists()
    with pytest.raises(LandingError, match="one that was landed: buys. Got 'views'"):
        remove_source(settings, "views")


def test_unrecorded_files_that_are_not_there_or_the_apis_are_not_removed(make_settings):
    for name in ("table", "recsys-api"):
        with pytest.raises(LandingError, match=f"Found none named {name}.parquet"):
            remove_unrecorded(make_settings(), name)


def test_a_ledger_that_cannot_be_read_is_said(make_settings, tmp_path):
    settings = make_settings()
    path = write(tmp_path / "shop.csv", ("u1", "2024-03-01"))
    land_table(settings, path)
    (settings.landing / "_sources" / "shop.json").write_text("{")
    with pytest.raises(LandingError, match="ledger of sources must be readable.*shop.json"):
        land_table(settings, path)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("orders.csv", "orders"),
        ("amazon.json.gz", "amazon"),
        ("orders.2024.csv", "orders-2024"),
        ("Bücher & Co.parquet", "Bücher-Co"),
        ("spark_out", "spark_out"),
        ("_.csv", "table"),
        ("x" * 200 + ".csv", "x" * 60),
    ],
)
def test_a_name_is_made_of_the_files_stem(tmp_path, file, name):
    assert name_of(tmp_path / file) == name


# a landing that is killed


def land_in_child(values, path, fault):
    from pipelines.base.faults import passed_places

    os.environ["RECSYS_FAULT"] = fault
    land_table(parse_settings(values), path, name="shop")
    (path.parent / "places.json").write_text(json.dumps(passed_places()))


@pytest.fixture(scope="module")
def context():
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["tests.events.test_landed_sources", "duckdb", "pyarrow.parquet"]
    )
    return context


def test_a_landing_that_is_killed_anywhere_ends_as_if_it_was_not(
    make_settings, tmp_path, context, write_rows, event
):
    settings = make_settings()
    path = write(tmp_path / "a" / "shop.csv", ("u1", "2024-01-01"), ("u2", "2024-01-02"))
    land_table(settings, write(tmp_path / "b" / "shop.csv", ("u9", "2024-01-01")), name="other")
    land_table(settings, path, name="shop")
    write_rows(settings, [event(1)], day=date(2024, 1, 9))  # another shop.parquet
    shutil.copytree(settings.home, tmp_path / "before")
    values = {**settings.model_dump(include={"home"}), "events": {"weights": {"purchase": 1.0}}}

    def run(fault):
        child = context.Process(target=land_in_child, args=(values, path, fault))
        child.start()
        child.join()
        return child.exitcode

    corrected = (("u1", "2024-03-01"), ("u2", "2024-01-02"), ("u3", "2024-01-02"))
    os.utime(write(path, *corrected), ns=(1, 1))
    assert run("0") == 0
    after = tree(settings)
    places = json.loads((path.parent / "places.json").read_text())
    assert {"land.removes", "file.replaced"} <= set(places)
    for number in range(1, len(places) + 1):
        shutil.rmtree(settings.home)
        shutil.copytree(tmp_path / "before", settings.home)
        # killed with days that the file will not have when it is landed again
        write(path, *corrected, ("u4", "2024-02-02"))
        assert run(str(number)) == -9, places[number - 1]
        os.utime(write(path, *corrected), ns=(1, 1))
        land_table(settings, path, name="shop")
        assert tree(settings) == after, f"killed at place {number}, {places[number - 1]}"


def test_a_landing_that_was_stopped_is_said_by_the_load(make_settings, tmp_path):
    settings = make_settings()
    path = write(tmp_path / "shop.csv", ("u1", "2024-03-01"))
    land_table(settings, path)
    begin_landing(settings, "shop", "table", path, lambda _: ())
    (note,) = load_days(settings, AS_OF).notes
    assert note == f"the landing of shop ({path}) was stopped half way: land it again"
