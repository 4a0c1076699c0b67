from __future__ import annotations

import os
import shutil
from datetime import date

import pytest

from pipelines.base.errors import DayFilesError
from pipelines.base.warehouse import connect
from pipelines.events.day_changes import check_landing, days_text, find_changes
from pipelines.events.day_folders import DayFolder
from pipelines.events.feeds import EVENTS
from pipelines.events.load import load_days

DAY, AS_OF = date(2024, 3, 1), date(2024, 3, 2)
LATER = date(2025, 1, 1)
TABLES = ("raw.events", "raw.items", "raw.quarantine", "raw.loads")


@pytest.fixture
def settings(make_settings, write_rows, event):
    """A home with three loaded days of events and one of items, all long ago."""
    settings = make_settings(events={"weights": {}, "max_quarantine_share": 1.0})
    for number in (1, 2, 3):
        day = date(2024, 3, number)
        bad = event(9, event_at=f"2024-03-0{number} 10:00", user_id="")
        good = event(number, event_at=f"2024-03-0{number} 10:00")
        write_rows(settings, [good, bad], day=day, name="shop.csv")
    write_rows(settings, [{"item_id": "i1", "title": "Tea"}], feed="items")
    load_days(settings, LATER)
    return settings


@pytest.fixture
def read_days(monkeypatch):
    """Days whose files are read to compare their bytes."""
    days = []
    fingerprint = DayFolder.fingerprint

    def follow(folder):
        days.append((folder.feed, folder.landed_date.day))
        return fingerprint(folder)

    monkeypatch.setattr(DayFolder, "fingerprint", follow)
    return days


def folder(settings, day, feed="events"):
    return settings.landing / feed / f"date=2024-03-0{day}"


def everything(settings, dump):
    return {table: dump(settings, table) for table in TABLES}


def test_a_night_reads_no_file_that_is_as_it_was(settings, read_days):
    report = load_days(settings, LATER)
    assert (report.feeds["events"].unchanged_days, read_days) == (3, [])


def test_files_with_other_times_are_read_once(settings, read_days):
    os.utime(folder(settings, 2) / "shop.csv", (0, 0))
    for _ in range(2):
        report = load_days(settings, LATER)
        assert (report.feeds["events"].loaded_days, report.notes) == (0, [])
    assert read_days == [("events", 2)]


def test_a_file_of_the_same_size_and_time_is_seen_by_its_time_of_change(settings, dump):
    path = folder(settings, 2) / "shop.csv"
    was = path.stat()
    path.write_bytes(path.read_bytes().replace(b"e2", b"x2"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    assert path.stat().st_size == was.st_size
    assert load_days(settings, LATER).feeds["events"].loaded_days == 1
    assert ("x2",) in dump(settings, columns="event_id")


def test_a_warehouse_of_an_older_version_reads_all_files_once(settings, read_days):
    with connect(settings) as warehouse:
        warehouse.execute("alter table raw.loads drop column file_times")
    for _ in range(2):
        assert load_days(settings, LATER).feeds["events"].loaded_days == 0
    assert len(read_days) == 4


def test_rows_of_a_day_whose_files_are_gone_are_removed_and_said(settings, dump):
    shutil.rmtree(folder(settings, 1))
    (folder(settings, 3) / "shop.csv").unlink()
    report = load_days(settings, LATER)
    events = report.feeds["events"]
    assert (events.removed_days, events.removed_rows, events.total_rows) == (2, 2, 1)
    assert report.notes == [
        "events: the day files of 2 loaded days are gone, and their 2 rows were removed: "
        "2024-03-01, 2024-03-03"
    ]
    days = [("2024-03-02",)]
    for table in ("raw.events", "raw.quarantine"):
        assert dump(settings, table, "landed_date::varchar") == days
    assert dump(settings, "raw.items", "item_id") == [("i1",)]
    assert load_days(settings, LATER).notes == []


def test_a_file_that_is_gone_from_a_day_takes_its_rows_along(settings, write_rows, event, dump):
    path = write_rows(settings, [event(7)], name="more.parquet")
    load_days(settings, LATER)
    before = everything(settings, dump)
    path.unlink()
    load_days(settings, LATER)
    assert ("e7",) not in dump(settings, columns="event_id")
    write_rows(settings, [event(7)], name="more.parquet")
    load_days(settings, LATER)
    assert [row[:-1] for row in dump(settings)] == [row[:-1] for row in before["raw.events"]]


def test_days_from_as_of_on_keep_their_rows_also_if_their_files_are_gone(settings):
    shutil.rmtree(folder(settings, 3))
    report = load_days(settings, date(2024, 3, 3))
    assert (report.feeds["events"].removed_days, report.notes) == (0, [])
    assert load_days(settings, LATER).feeds["events"].removed_days == 1


def lose(settings, how):
    landing = settings.landing
    if how == "no folder":
        landing.rename(landing.with_name("elsewhere"))
    elif how == "an empty folder":
        shutil.rmtree(landing)
        landing.mkdir()
    elif how == "no events":
        shutil.rmtree(landing / "events")
    elif how == "empty day folders":
        for path in landing.glob("*/date=*/*"):
            path.unlink()
    else:
        landing.rename(landing.with_name("elsewhere"))
        landing.symlink_to(landing.with_name("nowhere"))


@pytest.mark.parametrize(
    "how", ["no folder", "an empty folder", "no events", "empty day folders", "a dangling link"]
)
def test_a_landing_area_that_is_lost_removes_nothing(settings, how, dump):
    before = everything(settings, dump)
    logs = settings.exposures / f"date={DAY}"  # the API goes on; its day files are no shop's
    logs.mkdir(parents=True)
    (logs / "events-1.jsonl").write_text("{}\n")
    lose(settings, how)
    with pytest.raises(DayFilesError, match=r"3 days of events.*found no such day file below"):
        load_days(settings, LATER)
    assert everything(settings, dump) == before
    assert not list(settings.landing.glob("*/date=*/recsys-api.parquet"))


def test_what_landed_below_a_disk_that_is_not_mounted_removes_nothing(
    settings, write_rows, event, dump
):
    before = everything(settings, dump)
    settings.landing.rename(settings.home / "mounted")
    for feed, row in (("events", event(5)), ("items", {"item_id": "i1", "title": "Tea"})):
        write_rows(settings, [row], day=date(2024, 3, 2), feed=feed)
    with pytest.raises(DayFilesError, match=r"Days may only.*2024-03-01, 2024-03-03 are gone"):
        load_days(settings, LATER)
    assert everything(settings, dump) == before
    assert load_days(settings, LATER, allow_gone=True).feeds["events"].removed_days == 2
    assert load_days(settings, LATER).feeds["events"].unchanged_days == 1


def test_day_files_that_are_landed_anew_after_all_were_deleted_are_as_before(settings, dump):
    before = dump(settings)
    shutil.copytree(settings.landing, settings.home / "copy", ignore=lambda *_: {"_loaded"})
    shutil.rmtree(settings.landing)
    (settings.home / "copy").rename(settings.landing)
    assert load_days(settings, LATER).feeds["events"].loaded_days == 0
    assert dump(settings) == before and (settings.landing / "events" / "_loaded").exists()


def test_day_files_that_are_gone_on_purpose_are_taken_out(settings, dump):
    shutil.rmtree(settings.landing)
    report = load_days(settings, LATER, allow_gone=True)
    assert report.feeds["events"].removed_days == 3
    assert [dump(settings, table) for table in TABLES] == [[], [], [], []]


@pytest.mark.parametrize("where", ["the day folder", "a day file"])
def test_a_link_to_what_is_not_mounted_removes_nothing(settings, where, dump):
    before = everything(settings, dump)
    path = folder(settings, 2) if where == "the day folder" else folder(settings, 2) / "shop.csv"
    path.rename(settings.home / "moved")
    path.symlink_to(settings.home / "nowhere")
    with pytest.raises(DayFilesError, match=r"must be readable.*date=2024-03-02.*No such file"):
        load_days(settings, LATER)
    assert everything(settings, dump) == before


def test_a_home_without_day_files_is_refused_and_not_made(make_settings):
    settings = make_settings()
    with pytest.raises(DayFilesError, match=f"Found no day file below {settings.landing}"):
        load_days(settings, AS_OF)
    assert not settings.home.exists()


def test_a_home_that_only_has_logs_of_the_api_is_one(make_settings):
    settings = make_settings()
    logs = settings.exposures / f"date={DAY}"
    logs.mkdir(parents=True)
    (logs / "served-1.jsonl").write_text("")
    check_landing(settings)
    assert load_days(settings, AS_OF).feeds["events"].total_rows == 0


def test_changes_are_told_by_day(settings, write_rows, event):
    write_rows(settings, [event(7)], name="more.parquet")
    write_rows(settings, [event(8)], day=date(2024, 3, 5))
    shutil.rmtree(folder(settings, 2))
    with connect(settings) as warehouse:
        changes = find_changes(warehouse, settings, LATER, EVENTS)
    assert [one.landed_date.day for one in changes.folders] == [1, 5]
    assert sorted(changes.fingerprints) == sorted(changes.file_times) == [DAY, date(2024, 3, 5)]
    assert (changes.unchanged_days, changes.gone_days) == (1, [AS_OF])


def test_days_are_told_in_spans():
    days = [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2024, 3, 5)]
    assert days_text(reversed(days)) == "2024-02-28 to 2024-03-01, 2024-03-05"
