"""List what landed, by source: those of the ledger, and day files that no landing recorded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from pipelines.base.config import Settings
from pipelines.events.day_folders import day_of_file, list_day_folders
from pipelines.events.exposures import API_FILES
from pipelines.events.feeds import FEEDS
from pipelines.events.landed_sources import own_files, read_sources
from pipelines.events.schema import parquet_schema


@dataclass(frozen=True)
class ListedSource:
    """Day files of one source, of both feeds.

    Parameters
    ----------
    source : str
        Stem of the day files.
    adapter : str or None
        What landed them; None if no landing recorded them.
    path : str or None
        File or folder they came from.
    is_complete : bool
        False after a landing that was stopped.
    event_rows, item_rows, user_rows : int or None
        Rows; None if there are files that do not say how many they have (CSV, JSON).
    day_count : int
    first_day, last_day : date or None
    file_count : int
    """

    source: str
    adapter: str | None
    path: str | None
    is_complete: bool
    event_rows: int | None
    item_rows: int | None
    user_rows: int | None
    day_count: int
    first_day: date | None
    last_day: date | None
    file_count: int

    @property
    def origin(self) -> str:
        """Where it came from, in words."""
        if self.adapter is None:
            return "the API's logs" if self.source == API_FILES else "not recorded"
        stopped = "" if self.is_complete else ", stopped half way: land it again"
        return f"{self.path or self.adapter}{stopped}"

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        days = {name: str(day) if (day := getattr(self, name)) else None for name in _DAY_FIELDS}
        return {**asdict(self), **days}


_DAY_FIELDS = ("first_day", "last_day")


def list_sources(settings: Settings) -> list[ListedSource]:
    """The sources of the ledger by name, then other day files by their stem.

    Raises
    ------
    LandingError
        If the ledger cannot be read.
    DayFilesError
        If a day folder cannot be read.
    SchemaError
        If a day file is not readable Parquet.
    """
    stems: dict[str, set[Path]] = defaultdict(set)
    for feed in FEEDS:
        for folder in list_day_folders(settings, feed, date.max)[0]:
            for path in folder.files:
                stems[path.stem].add(path)
    listed = []
    for one in read_sources(settings):
        files = {settings.landing / name for name in own_files(settings, one)}
        stems[one.stem] -= files
        listed.append(_listed(one.stem, files, one.adapter, one.path, is_complete=one.is_complete))
    others = [_listed(stem, files, None, None) for stem, files in sorted(stems.items()) if files]
    return listed + others


def _listed(
    stem: str,
    files: Iterable[Path],
    adapter: str | None,
    path: str | None,
    *,
    is_complete: bool = True,
) -> ListedSource:
    files = sorted(files)
    days = {day_of_file(file) for file in files}
    rows = {
        feed: _count_rows(file for file in files if file.parent.parent.name == feed)
        for feed in FEEDS
    }
    return ListedSource(
        source=stem,
        adapter=adapter,
        path=path,
        is_complete=is_complete,
        event_rows=rows["events"],
        item_rows=rows["items"],
        user_rows=rows["users"],
        day_count=len(days),
        first_day=min(days, default=None),
        last_day=max(days, default=None),
        file_count=len(files),
    )


def _count_rows(files: Iterable[Path]) -> int | None:
    import pyarrow.parquet as pq

    count = 0
    for file in files:
        if file.suffix != ".parquet":
            return None
        parquet_schema(file)  # or says which file is not Parquet
        count += pq.read_metadata(file).num_rows
    return count
