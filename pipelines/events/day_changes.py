"""Find the days whose files are new, changed or gone since they were loaded, at next to no cost."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta

import duckdb

from pipelines.base.config import Settings
from pipelines.base.durable import write_text
from pipelines.base.errors import DayFilesError
from pipelines.base.warehouse import connect
from pipelines.events.day_folders import DayFolder, has_day_file, list_day_folders
from pipelines.events.erased import log_files
from pipelines.events.feeds import FEEDS, Feed
from pipelines.events.landed_sources import read_sources

#: File in the folder of a feed that a load leaves there.
MARK = "_loaded"
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


@dataclass(frozen=True)
class DayChanges:
    """What is to be done with the days of a feed.

    Parameters
    ----------
    feed : Feed
    folders : list of DayFolder
        Days to load.
    fingerprints : dict of date to str
        Of the days to load.
    file_times : dict of date to str
        Of the days to load, and of those with the same bytes as before but other times.
    unchanged_days : int
    gone_days : list of date
        Loaded days that have no file any more.
    notes : list of str
        Files that are no day files; old days that changed.
    is_marked : bool
        Whether loads of this version have marked the feed's folder (see `mark_loaded`).
    """

    feed: Feed
    folders: list[DayFolder] = field(default_factory=list)
    fingerprints: dict[date, str] = field(default_factory=dict)
    file_times: dict[date, str] = field(default_factory=dict)
    unchanged_days: int = 0
    gone_days: list[date] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_marked: bool = False


def find_changes(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date, feed: Feed
) -> DayChanges:
    """Compare the day files of a feed before `as_of` with what is loaded.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The warehouse.
    settings : Settings
        Home and look-back.
    as_of : date
        Exclusive end.
    feed : Feed

    Notes
    -----
    A file is known again by name, size and times. It is read only where these are others than
    when its day was loaded, and within the look-back, where files are few and likely to change.

    Raises
    ------
    DayFilesError
        If a day folder or file cannot be read.
    """
    folders, notes = list_day_folders(settings, feed.name, as_of)
    loaded = _loaded(connection, feed, as_of)
    is_marked = any(times for _, times in loaded.values())
    recheck = settings.events.first_day_to_recheck(as_of)
    chosen, fingerprints, file_times, old_days = [], {}, {}, []
    for folder in folders:
        day, times = folder.landed_date, folder.file_times()
        fingerprint, known_times = loaded.pop(day, (None, None))
        if fingerprint and times == known_times and day < recheck:
            continue
        fingerprints[day], file_times[day] = folder.fingerprint(), times
        if fingerprint != fingerprints[day]:
            chosen.append(folder)
            old_days += [day] if fingerprint and day < recheck else []
        elif times == known_times:
            del file_times[day]
    if old_days:
        notes.append(
            f"{feed.name}: files of days before the look-back have changed and were "
            f"loaded again: {days_text(old_days)}"
        )
    unchanged = len(folders) - len(chosen)
    return DayChanges(
        feed, chosen, fingerprints, file_times, unchanged, sorted(loaded), notes, is_marked
    )


def mark_loaded(settings: Settings, changes: DayChanges, *, allow_gone: bool) -> None:
    """Mark the folder of a feed as the one that is loaded; refuse to remove days without the mark.

    The mark tells a folder whose files were removed from another folder in its place, such as the
    empty one below a disk that is not mounted, into which something has landed since.

    Parameters
    ----------
    settings : Settings
    changes : DayChanges
    allow_gone : bool
        Do not refuse.

    Raises
    ------
    DayFilesError
        If days are gone, and the mark of an earlier load too.
    """
    mark = settings.landing / changes.feed.name / MARK
    if mark.exists():
        return
    if changes.gone_days and changes.is_marked and not allow_gone:
        gone = f"{changes.feed.name} files of {days_text(changes.gone_days)}"
        raise DayFilesError(
            "Days may only be taken out of the landing area that was loaded before. Found no "
            f"{mark}, and the {gone} are gone. Mount the disk; if they are gone on purpose, "
            "`recsys load --allow-gone` takes their rows out. Nothing was changed."
        )
    if changes.folders or changes.unchanged_days:
        try:
            write_text(mark, "Loaded. Without this file, a load takes no rows out.\n")
        except OSError as error:
            if error.errno not in _READ_ONLY:  # there, rows are only taken out when it is asked for
                raise


def _loaded(
    connection: duckdb.DuckDBPyConnection, feed: Feed, as_of: date
) -> dict[date, tuple[str, str | None]]:
    """Fingerprint and file times of each loaded day before `as_of`."""
    rows = connection.execute(
        "select landed_date, fingerprint, file_times from raw.loads "
        "where feed = ? and landed_date < ?",
        [feed.name, as_of],
    ).fetchall()
    return {day: (fingerprint, times) for day, fingerprint, times in rows}


def days_text(days: Iterable[date]) -> str:
    """Days in order, in spans.

    Examples
    --------
    >>> days_text([date(2024, 3, 1), date(2024, 3, 2), date(2024, 3, 9)])
    '2024-03-01 to 2024-03-02, 2024-03-09'
    """
    spans: list[list[date]] = []
    for day in sorted(days):
        if spans and day == spans[-1][1] + timedelta(days=1):
            spans[-1][1] = day
        else:
            spans.append([day, day])
    return ", ".join(f"{first}" if first == last else f"{first} to {last}" for first, last in spans)


def check_landing(settings: Settings, *, allow_gone: bool = False) -> None:
    """Refuse a home without day files, and one that has lost all those of a loaded feed.

    Parameters
    ----------
    settings : Settings
    allow_gone : bool, default False
        Refuse neither.

    Raises
    ------
    DayFilesError
        Saying where day files were looked for. Nothing is changed.
    """
    empty = [feed for feed in FEEDS if not has_day_file(settings, feed)]
    if allow_gone or not empty:
        return
    if lost := {name: n for name, n in _count_loaded(settings).items() if name in empty}:
        found = " and ".join(f"{count} days of {feed}" for feed, count in lost.items())
        raise DayFilesError(
            f"What is loaded must have day files. The warehouse has {found}, but found no such "
            f"day file below {settings.landing}. Mount the disk, or name the right --home; if they "
            "are gone on purpose, `recsys load --allow-gone` takes their rows out. Nothing was "
            "changed."
        )
    if len(empty) == len(FEEDS) and not log_files(settings):
        raise DayFilesError(
            f"A home must have day files. Found no day file below {settings.landing}. Name the "
            "right --home, or land a source: `recsys land --help`."
        )


def _count_loaded(settings: Settings) -> dict[str, int]:
    """Number of loaded days of each feed that has any."""
    if not settings.warehouse_path.exists():
        return {}
    with connect(settings) as connection:
        found = connection.execute("select feed, count(*) from raw.loads group by feed order by 1")
        return dict(found.fetchall())


def notes_on_sources(settings: Settings) -> list[str]:
    """A note for each source whose landing was stopped half way."""
    return [
        f"the landing of {source.stem} ({source.path or source.adapter}) was stopped half way: "
        "land it again"
        for source in read_sources(settings)
        if not source.is_complete
    ]
