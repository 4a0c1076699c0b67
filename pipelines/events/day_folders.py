"""List the day folders of the landing area, and write day files atomically."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.errors import DayFilesError

#: File formats a day folder may hold, in any mixture.
FORMATS = (".parquet", ".csv", ".jsonl")
_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class DayFolder:
    """One landed day of one feed.

    Parameters
    ----------
    feed : str
        ``events`` or ``items``.
    landed_date : date
        The day in the folder's name.
    files : tuple of Path
        Its day files, sorted by name.
    """

    feed: str
    landed_date: date
    files: tuple[Path, ...]

    def fingerprint(self) -> str:
        """sha256 over the names and bytes of the files."""
        digest = hashlib.sha256()
        for path in self.files:
            with _readable(), path.open("rb") as stream:
                digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
                while chunk := stream.read(_CHUNK_BYTES):
                    digest.update(chunk)
        return digest.hexdigest()

    def file_times(self) -> str:
        """sha256 over the files' names, sizes and times of change; reads none of them.

        The time that the file system keeps (ctime) is told too, because copying tools set the
        other one (mtime) back.
        """
        digest = hashlib.sha256()
        for path in self.files:
            with _readable():
                found = path.stat()
            times = f"{found.st_mtime_ns}\0{found.st_ctime_ns}"
            digest.update(f"{path.name}\0{found.st_size}\0{times}\0".encode())
        return digest.hexdigest()


def day_of_file(path: Path | str) -> date:
    """The day in the name of a day file's folder.

    Examples
    --------
    >>> day_of_file("events/date=2011-12-08/orders.parquet")
    datetime.date(2011, 12, 8)
    """
    return date.fromisoformat(Path(path).parent.name.removeprefix("date="))


def list_day_folders(
    settings: Settings, feed: str, before: date
) -> tuple[list[DayFolder], list[str]]:
    """List the landed days of a feed, and the files that are no day files.

    Parameters
    ----------
    settings : Settings
        Home.
    feed : str
        ``events`` or ``items``.
    before : date
        Exclusive end.

    Returns
    -------
    folders : list of DayFolder
        Sorted by day. Names that start with ``.`` or ``_`` are unfinished files and ignored.
    notes : list of str
        Folders and files that are neither days nor day files.

    Raises
    ------
    DayFilesError
        If a folder cannot be read, or a link leads nowhere: what cannot be seen is not gone.
    """
    with _readable():
        return _list_day_folders(settings, feed, before)


@contextmanager
def _readable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DayFilesError(
            f"Every day folder and file must be readable. Got {error.filename}: {error.strerror}. "
            "Give the right to read it, or mount the disk that it is on; nothing was changed."
        ) from error


def has_day_file(settings: Settings, feed: str) -> bool:
    """Whether a feed has any day file, of whatever day."""
    return any(
        path.suffix in FORMATS and not path.name.startswith((".", "_"))
        for path in (settings.landing / feed).glob("date=*/*")
    )


def _list_day_folders(
    settings: Settings, feed: str, before: date
) -> tuple[list[DayFolder], list[str]]:
    folders: list[DayFolder] = []
    notes: list[str] = []
    root = settings.landing / feed
    for entry in sorted(root.iterdir()) if root.exists() else []:
        if entry.name.startswith((".", "_")):
            continue
        landed_date = _day_of(entry)
        if landed_date is None:
            notes.append(f"{entry} is not a folder named date=YYYY-MM-DD and was passed over")
        elif landed_date < before:
            files, strange = _day_files(entry)
            notes += [f"{path} is not {', '.join(FORMATS)} and was passed over" for path in strange]
            if files:
                folders.append(DayFolder(feed, landed_date, files))
    return folders, notes


def _day_of(entry: Path) -> date | None:
    match = _FOLDER.fullmatch(entry.name)
    if match is None:
        return None
    _follow_link(entry)
    if not entry.is_dir():
        return None
    try:
        return date.fromisoformat(match.group(1))
    except ValueError:
        return None


def _day_files(folder: Path) -> tuple[tuple[Path, ...], list[Path]]:
    files: list[Path] = []
    strange: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "_")):
            continue
        _follow_link(path)
        (files if path.suffix in FORMATS and path.is_file() else strange).append(path)
    return tuple(files), strange


def _follow_link(path: Path) -> None:
    """Fail with an OSError where a link leads nowhere, such as to a disk that is not mounted."""
    if path.is_symlink():
        path.stat()


def day_file(settings: Settings, feed: str, landed_date: date, name: str) -> Path:
    """Path of a day's Parquet file of one source."""
    return settings.landing / feed / f"date={landed_date.isoformat()}" / f"{name}.parquet"


def write_atomically(path: Path, content: bytes | memoryview) -> bool:
    """Write a file atomically; leave it alone if it already has this content.

    Parameters
    ----------
    path : Path
        Where it goes; the folder is created.
    content : bytes
        The whole file.

    Returns
    -------
    bool
        Whether the file was written.
    """
    if path.exists() and path.stat().st_size == len(content) and path.read_bytes() == content:
        return False
    with new_file(path) as fresh:
        fresh.write_bytes(content)
    return True
