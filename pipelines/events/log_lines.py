"""Read the API's logs back, for the nightly load and for the API itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

_NAME = re.compile(r"(served|events|items)-([A-Za-z0-9_.-]+)\.jsonl")
_FOLDER = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class LogFile:
    """A log file of the API: one day, kind and instance.

    Parameters
    ----------
    path : Path
    day : date
    kind : str
        ``served``, ``events`` or ``items``.
    instance : str
    """

    path: Path
    day: date
    kind: str
    instance: str


def list_log_files(folder: Path, first_day: date) -> list[LogFile]:
    """The API's log files from a day on, sorted by day and name; other files are ignored."""
    found = []
    for entry in sorted(folder.glob("date=*")) if folder.is_dir() else []:
        day = _day_of(entry)
        if day is None or day < first_day:
            continue
        for path in sorted(entry.glob("*.jsonl")):
            if match := _NAME.fullmatch(path.name):
                found.append(LogFile(path, day, match.group(1), match.group(2)))
    return found


def _day_of(entry: Path) -> date | None:
    match = _FOLDER.fullmatch(entry.name)
    try:
        return date.fromisoformat(match.group(1)) if match else None
    except ValueError:
        return None


def read_rows(path: Path, offset: int) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Read the rows of a log from an offset on.

    Parameters
    ----------
    path : Path
    offset : int
        Where to begin, in bytes: the end of a line.

    Yields
    ------
    end : int
        Offset of the end of the line; a last line without a newline is not read yet.
    row : dict or None
        None for a line that is no JSON object.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        rest = b""
        while chunk := stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                offset += len(line) + 1
                if line.strip():  # an erased line is blank
                    yield offset, parse_row(line)


def parse_row(line: bytes) -> dict[str, Any] | None:
    """Parse a log line into a row; None if it is no JSON object (a torn line)."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None
