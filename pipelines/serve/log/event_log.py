"""The API's own day files: what was shown, what people did, what is in stock; appended at once.

`exposures/date=YYYY-MM-DD/{served,events,items}-<instance>.jsonl`, by UTC day of arrival. Lines of
one request are one write to a file opened for appending: they survive the end of the process,
SIGKILL included. A thread flushes them to the disk every second, so a power cut costs that much.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pipelines.base.errors import EventLogError
from pipelines.serve.log.clock import Clock

logger = logging.getLogger(__name__)

KINDS = ("served", "events", "items")


@dataclass
class _File:
    """An open day file."""

    path: Path
    day: date
    descriptor: int
    inode: int
    is_torn: bool = False
    is_dirty: bool = False


class EventLog:
    """The day files of one process, appended to durably.

    Parameters
    ----------
    folder : Path
        `settings.exposures`.
    instance : str
        Part of the file names; no two processes may share one.
    clock : Clock
    sync_seconds : float, default 1
        Longest time a line is not yet flushed to the disk.
    """

    def __init__(
        self, folder: Path, instance: str, clock: Clock, *, sync_seconds: float = 1.0
    ) -> None:
        self.instance = instance
        self._folder = folder
        self._clock = clock
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(
            target=self._sync_now_and_then, args=(sync_seconds,), name="event-log", daemon=True
        )
        self._thread.start()

    def append(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> date:
        """Write rows, each as one line, all in one write.

        Parameters
        ----------
        kind : str
            One of `KINDS`.
        rows : sequence of mapping

        Returns
        -------
        date
            The day whose file they are in.

        Raises
        ------
        EventLogError
            If they could not be written; none of them counts as written, though some may be
            there (repeating them is safe: rows have ids).
        """
        text = "".join(
            json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows
        )
        content = text.encode()
        day = self._clock().date()
        with self._lock:
            try:
                file = self._open(kind, day)
                self._write(file, content)
            except OSError as error:
                raise EventLogError(
                    f"Lines must be written to {self._folder}. Found {error}. Free space there, "
                    "or make it writable; nothing needs to be restarted."
                ) from error
        return day

    def close(self) -> None:
        """Flush everything to the disk and close the files."""
        self._stopped.set()
        self._thread.join()
        with self._lock:
            for file in self._files.values():
                _close(file.path, file.descriptor)
            self._files = {}

    def _open(self, kind: str, day: date) -> _File:
        """The file of a day, opened anew after midnight or when something replaced it."""
        file = self._files.get(kind)
        if file is not None and file.day == day and _inode(file.path) == file.inode:
            return file
        if file is not None:
            del self._files[kind]
            _close(file.path, file.descriptor)
        path = self._folder / f"date={day.isoformat()}" / f"{kind}-{self.instance}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        file = _File(path, day, descriptor, os.fstat(descriptor).st_ino)
        self._files[kind] = file
        return file

    @staticmethod
    def _write(file: _File, content: bytes) -> None:
        # A line that a full disk cut short is ended first, so that it spoils no other line.
        left = b"\n" + content if file.is_torn else content
        while left:
            written = os.write(file.descriptor, left)
            file.is_torn = written < len(left)
            file.is_dirty = True
            left = left[written:]

    def _sync_now_and_then(self, seconds: float) -> None:
        while not self._stopped.wait(seconds):
            self._sync()

    def _sync(self) -> None:
        """Flush what was written; not under the lock, so that no request waits for the disk."""
        with self._lock:
            dirty = [file for file in self._files.values() if file.is_dirty]
            copies = []
            for file in dirty:
                file.is_dirty = False
                copies.append((file.path, os.dup(file.descriptor)))
        for path, descriptor in copies:
            _close(path, descriptor)


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return -1


def _close(path: Path, descriptor: int) -> None:
    """Flush what was written to the disk, then close."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        logger.error("%s was not flushed to the disk: %s", path, error)
    finally:
        os.close(descriptor)
