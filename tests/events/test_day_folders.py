from __future__ import annotations

import os
from datetime import date

import pytest

from pipelines.base.errors import DayFilesError
from pipelines.events.day_folders import (
    DayFolder,
    day_file,
    has_day_file,
    list_day_folders,
    write_atomically,
)

DAY = date(2024, 3, 1)


def put(settings, *parts, content="x"):
    path = settings.landing.joinpath("events", *parts)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_days_are_listed_in_order_before_the_end(make_settings):
    settings = make_settings()
    for day in ("2024-03-02", "2024-03-01", "2024-03-03"):
        put(settings, f"date={day}", "b.csv")
        put(settings, f"date={day}", "a.parquet")
    folders, notes = list_day_folders(settings, "events", date(2024, 3, 3))
    assert [folder.landed_date.day for folder in folders] == [1, 2]
    assert [path.name for path in folders[0].files] == ["a.parquet", "b.csv"]
    assert notes == []


def test_what_is_no_day_file_is_passed_over_with_a_note(make_settings):
    settings = make_settings()
    put(settings, "date=2024-03-01", "a.csv")
    put(settings, "date=2024-03-01", "readme.txt")
    put(settings, "date=2024-02-31", "a.csv")
    put(settings, "latest", "a.csv")
    folders, notes = list_day_folders(settings, "events", date(2024, 4, 1))
    assert [len(folder.files) for folder in folders] == [1]
    assert [note.split(" is not ")[0].split("/")[-1] for note in notes] == [
        "date=2024-02-31",
        "readme.txt",
        "latest",
    ]


def test_files_in_the_making_and_empty_folders_are_left_alone(make_settings):
    settings = make_settings()
    put(settings, "date=2024-03-01", ".a.parquet.1.tmp")
    put(settings, "date=2024-03-01", "_SUCCESS")
    assert list_day_folders(settings, "events", date(2024, 4, 1)) == ([], [])


def test_a_fingerprint_changes_with_names_and_bytes_only(make_settings):
    settings = make_settings()
    path = put(settings, "date=2024-03-01", "a.csv", content="one")
    first = DayFolder("events", DAY, (path,)).fingerprint()
    os.utime(path, (0, 0))
    assert DayFolder("events", DAY, (path,)).fingerprint() == first
    path.write_text("two")
    assert DayFolder("events", DAY, (path,)).fingerprint() != first
    renamed = path.rename(path.with_name("b.csv"))
    renamed.write_text("one")
    assert DayFolder("events", DAY, (renamed,)).fingerprint() != first


def test_file_times_change_with_names_sizes_and_times(make_settings):
    settings = make_settings()
    path = put(settings, "date=2024-03-01", "a.csv", content="one")

    def times(*files):
        return DayFolder("events", DAY, files).file_times()

    found = [times(path)]
    assert times(path) == found[0]
    os.utime(path, (0, 0))
    found.append(times(path))
    path.write_text("longer")
    found.append(times(path))
    found.append(times(path.rename(path.with_name("b.csv"))))
    assert len(set(found)) == 4


def test_a_file_that_is_gone_while_it_is_read_is_an_error(make_settings):
    folder = DayFolder("events", DAY, (make_settings().landing / "a.csv",))
    for read in (folder.fingerprint, folder.file_times):
        with pytest.raises(DayFilesError, match="must be readable. Got .*a.csv: No such file"):
            read()


def test_a_feed_has_day_files_where_a_day_folder_holds_one(make_settings):
    settings = make_settings()
    put(settings, "_SUCCESS.csv")
    put(settings, "date=2024-03-01", ".a.csv.1.tmp")
    put(settings, "date=2024-03-01", "readme.txt")
    assert not has_day_file(settings, "events")
    put(settings, "date=2024-03-01", "a.csv")
    assert has_day_file(settings, "events") and not has_day_file(settings, "items")


def test_a_file_is_written_once_and_then_left_alone(make_settings):
    path = day_file(make_settings(), "events", DAY, "shop")
    assert path.parts[-3:] == ("events", "date=2024-03-01", "shop.parquet")
    assert write_atomically(path, b"one")
    assert not write_atomically(path, b"one")
    assert write_atomically(path, b"two")
    assert path.read_bytes() == b"two" and [path] == list(path.parent.iterdir())


def test_a_full_disk_keeps_the_old_file_and_no_scrap(make_settings, monkeypatch):
    path = day_file(make_settings(), "events", DAY, "shop")
    write_atomically(path, b"one")

    def full_disk(*_arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pipelines.base.durable.os.replace", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one" and [path] == list(path.parent.iterdir())
