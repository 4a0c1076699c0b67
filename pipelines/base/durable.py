"""Files that are whole or not there, also after a power cut."""

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


def to_json(value: Any) -> str:
    """Canonical, readable JSON: sorted keys, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Put canonical JSON in place in one step."""
    write_text(path, to_json(value))


def write_ordered_json(path: Path, value: Any) -> None:
    """Write JSON at once, keys in their own order; NaN and infinities are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Put text in place in one step."""
    with new_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """Write a file beside `path`, flush it to the disk, and put it in place in one step.

    Parameters
    ----------
    path : Path
        Where it goes; the folder is made.

    Yields
    ------
    Path
        The file to write: hidden, in the same folder, another one in each process. If the block
        raises, it is removed and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    faultpoint("file.begins")
    try:
        yield fresh
        faultpoint("file.written")
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
    """Fill a folder beside `path` and put it in place as a whole.

    Parameters
    ----------
    path : Path
        Where it goes; what is there makes way.
    same_by : str, optional
        A file of the folder, such as a manifest with hashes: where it has the same bytes in both,
        what is there stays.

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
    """Rename a filled folder to its name; what is there is renamed out of the way, then removed.

    Between the two renames neither is there, so what must never be missing needs a new name.
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


def read_json(path: Path) -> Any:
    """The value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def read_if_there(path: Path) -> Any:
    """The value of a JSON file, or None if there is no such file."""
    return read_json(path) if path.exists() else None


def fsync_file(path: Path) -> None:
    """Flush a file's bytes to the disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())


def fsync_folder(folder: Path) -> None:
    """Flush a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
