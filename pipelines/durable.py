"""Files that are whole or not there, also after a power cut."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def to_json(value: Any) -> str:
    """Canonical, readable JSON: sorted keys, two spaces, a newline at the end."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write JSON beside `path`, flush it to the disk, and put it in place in one step."""
    write_text(path, to_json(value))


def write_text(path: Path, text: str) -> None:
    """Write text beside `path`, flush it to the disk, and put it in place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".tmp")
    draft.write_text(text, encoding="utf-8")
    fsync_file(draft)
    os.replace(draft, path)
    fsync_folder(path.parent)


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
