"""Write files and folders atomically: complete or absent, also after a power cut."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.base.faults import faultpoint

#: Rights of a file that may name people: its owner's, and reading by its group.
PRIVATE = 0o640


def to_json(value: Any) -> str:
    """A value as canonical, readable JSON: sorted keys, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write a value as canonical JSON, atomically."""
    write_text(path, to_json(value))


def write_ordered_json(path: Path, value: Any) -> None:
    """Write JSON atomically, keys in their own order; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with new_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write a file atomically: beside `path`, flushed to the disk, then renamed.

    Its rights are `PRIVATE`, whatever the umask.

    Parameters
    ----------
    path : Path
        Where it goes; the folder is made.

    Yields
    ------
    Path
        The file to write: hidden, in the same folder, a different one in each process. If the block
        raises, it is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    faultpoint("file.begins")
    try:
        yield fresh
        faultpoint("file.written")
        make_private(fresh)
        fsync_file(fresh)
        faultpoint("file.flushed")
        os.replace(fresh, path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    faultpoint("file.replaced")
    fsync_folder(path.parent)


@contextmanager
def new_folder(path: Path, *, same_by: str | None = None) -> Iterator[Path]:
    """Write a folder as a whole: filled beside `path`, then renamed.

    Parameters
    ----------
    path : Path
        Where it goes; a folder already there is replaced.
    same_by : str, optional
        A file of the folder, such as a manifest with hashes: if it has the same bytes in both, the
        folder already there stays.

    Yields
    ------
    Path
        The folder to fill, empty and hidden. If the block raises, it is removed and `path` stays
        as it was.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    faultpoint("folder.begins")
    fresh.mkdir(parents=True)
    try:
        yield fresh
        if same_by is None or not _has_same_bytes(fresh / same_by, path / same_by):
            put_folder(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _has_same_bytes(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def put_folder(fresh: Path, path: Path) -> None:
    """Rename a filled folder to `path`; one already there is renamed first and removed after.

    Between the two renames `path` does not exist: a folder that must never be missing needs a new
    name each time.
    """
    faultpoint("folder.filled")
    fsync_folder(fresh)
    old = path.with_name(f".{path.name}.{os.getpid()}.old")
    if path.exists():
        os.replace(path, old)
        faultpoint("folder.moved_away")
    os.replace(fresh, path)
    faultpoint("folder.replaced")
    fsync_folder(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def make_private(path: Path) -> None:
    """Take the rights away that a file which may name people must not give."""
    path.chmod(path.stat().st_mode & PRIVATE)


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read, or is no JSON that is nested as deeply as people nest.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path.name} is nested too deeply") from error


def read_if_there(path: Path) -> Any:
    """The value of a JSON file, or None if there is no such file."""
    return read_json(path) if path.exists() else None


def fsync_file(path: Path) -> None:
    """Flush a file's bytes to the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def fsync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
