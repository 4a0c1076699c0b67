"""Back up a home to one file, and restore it anywhere, checked byte by byte."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipelines import __version__
from pipelines.base.config import Settings
from pipelines.base.durable import new_file, new_folder
from pipelines.base.errors import BackupError
from pipelines.base.night_lock import own_home
from pipelines.run.moved_home import repair_home

logger = logging.getLogger(__name__)

#: Last file of a backup: what is in it.
CONTENTS = "backup.json"
_CHUNK_BYTES = 1 << 20
#: Databases that a server may be writing: copied by SQLite, which waits for it.
_DATABASES = (".db",)
_JOURNALS = ("-wal", "-shm", "-journal")


@dataclass(frozen=True)
class BackupReport:
    """What a backup holds.

    Parameters
    ----------
    file_count, byte_count : int
    repaired_count : int
        Of a restored home: addresses of MLflow that were changed to the new place.
    """

    file_count: int
    byte_count: int
    repaired_count: int = 0


def back_up(settings: Settings, target: Path) -> BackupReport:
    """Write all of a home to a tar file, then read it again and compare.

    Scraps and spilled files are left out. Servers may go on: databases are copied as a whole.

    Raises
    ------
    BackupError
        If there is no home, the target lies in it, or what was written differs from what was read.
    HomeBusyError
        If a night is running.
    """
    home = settings.home.resolve()
    if not any(home.glob("*")) or target.resolve().is_relative_to(home):
        raise BackupError(
            "A backup must be of a home that is there, written outside of it. Got "
            f"{home} and {target}. Name the right --home, and a file elsewhere."
        )
    with own_home(settings), new_file(target) as fresh:
        found: dict[str, tuple[int, str]] = {}
        with tarfile.open(fresh, "w") as archive, tempfile.TemporaryDirectory() as scratch:
            for path in _files_of(settings):
                name = path.relative_to(home).as_posix()
                found[name] = _add(archive, name, path, Path(scratch))
            contents = {"version": __version__, "home": str(home), "files": found}
            _add_text(archive, CONTENTS, json.dumps(contents))
        report = _check(fresh, target)
    logger.info("%s: %s files, %s bytes", target, report.file_count, report.byte_count)
    return report


def restore(settings: Settings, source: Path) -> BackupReport:
    """Make a home of a backup, if all of it is as it was written, and repair it for its place.

    Raises
    ------
    BackupError
        If the file is not a whole backup, or the home is there already. Nothing is left then.
    """
    if settings.home.exists() and any(settings.home.iterdir()):
        raise BackupError(
            f"A backup must be restored to a place where nothing is. Found files in "
            f"{settings.home}. Name another --home, or move them away."
        )
    report = _check(source, source)
    with new_folder(settings.home) as fresh, tarfile.open(source) as archive:
        archive.extractall(fresh, filter="data")
        (fresh / CONTENTS).unlink()
    return BackupReport(report.file_count, report.byte_count, repair_home(settings))


def _files_of(settings: Settings) -> list[Path]:
    # What Spark built, the next night makes anew: its tables are bound to the place of the home.
    left_out = (settings.temporary, settings.lock, settings.spark_folder)
    return [
        path
        for path in sorted(settings.home.resolve().rglob("*"))
        if path.is_file()
        and not path.is_symlink()
        and not any(path == one or one in path.parents for one in map(Path.resolve, left_out))
        and not path.name.endswith((".tmp", *_JOURNALS))
    ]


def _add(archive: tarfile.TarFile, name: str, path: Path, scratch: Path) -> tuple[int, str]:
    """Add a file as it is now; returns its bytes and sha256."""
    info = archive.gettarinfo(path, name)
    if path.suffix in _DATABASES:
        copy = scratch / "copy.db"
        copy.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(copy)) as kept:
            live.backup(kept)
        path, info.size = copy, copy.stat().st_size
    with path.open("rb") as stream:
        hashing = _Hashing(stream)
        archive.addfile(info, hashing)
    return info.size, hashing.digest.hexdigest()


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    archive.addfile(info, io.BytesIO(text.encode()))


class _Hashing:
    """A stream that hashes what is read from it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        chunk = self._stream.read(size)
        self.digest.update(chunk)
        return chunk


def _check(file: Path, named: Path) -> BackupReport:
    """Compare every byte of a backup with its list of contents."""
    found: dict[str, tuple[int, str]] = {}
    contents = None
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                stream = archive.extractfile(member)
                if stream is None:
                    raise ValueError(f"{member.name} is no file")
                if member.name == CONTENTS:
                    contents = json.load(stream)
                else:
                    hashing = _Hashing(stream)
                    while hashing.read(_CHUNK_BYTES):
                        pass
                    found[member.name] = (member.size, hashing.digest.hexdigest())
        listed = {name: tuple(one) for name, one in (contents or {})["files"].items()}
        if differing := sorted(set(found.items()) ^ set(listed.items())):
            raise ValueError(f"{differing[0][0]} differs")
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError, OSError) as error:
        raise BackupError(
            f"A backup must be whole, as `recsys backup` wrote it. Found {named}: {error}. Take "
            "another copy of the file."
        ) from error
    return BackupReport(len(found), sum(size for size, _ in found.values()))
