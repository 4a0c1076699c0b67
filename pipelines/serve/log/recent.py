"""What people did, and what went out of stock, since the batch: read from the API's own logs.

Every instance reads the logs of all of them, so several workers agree within `recent_seconds`; its
own events count at once. Days that the live publication knows are dropped. What it takes in memory
is bounded; users who are erased are forgotten.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from pipelines.base.event_meaning import counted_type
from pipelines.events.log_lines import LogFile, list_log_files, read_rows
from pipelines.serve.log.clock import parse_utc

logger = logging.getLogger(__name__)

SECONDS_A_DAY = 86_400
#: Rows put in at once while a log is read, so that requests wait for microseconds only.
_BATCH_ROWS = 500
#: Bytes that an entry takes in dictionaries and sets beside its own texts, at most.
_EVENT_BYTES, _USER_BYTES, _PAIR_BYTES, _STOCK_BYTES = 128, 400, 250, 450


class RecentEvent(NamedTuple):
    """Something a user did since the batch; `at` is in seconds since 1970, UTC."""

    item_id: str
    event_type: str
    at: float

    @property
    def day_number(self) -> int:
        """Days since 1970-01-01."""
        return int(self.at // SECONDS_A_DAY)


@dataclass
class _Day:
    """What arrived on one day."""

    # of each user, when an item last had an event of a type
    users: dict[str, dict[tuple[str, str], float]] = field(default_factory=dict)
    # hashes instead of ids: 10 million of them collide with a probability of 3 in a million
    event_hashes: set[int] = field(default_factory=set)
    stock: dict[str, tuple[str, bool]] = field(default_factory=dict)
    event_bytes: int = 0
    stock_bytes: int = 0

    def forget_events(self) -> None:
        """Drop what people did; stock stays."""
        self.users, self.event_hashes, self.event_bytes = {}, set(), 0


class RecentEvents:
    """An index over the logs' last days, safe to ask from any thread.

    Parameters
    ----------
    folder : Path
        `settings.exposures`.
    own_instance : str
        Instance whose lines are added by `add`, not read from its file.
    exposures : collection of str
        Event types that tell what a user was shown; they are not held.
    min_value : mapping of str to float, optional
        `events.min_value`: an event below it is held as of the low type.
    max_bytes : int, optional
        `serve.recent_megabytes`. Where more is to be held, what people did on the oldest day goes;
        of the newest day, what comes later is not held.
    is_erased : callable, optional
        Whether a user was erased: such a user's events are not held.
    """

    def __init__(
        self,
        folder: Path,
        own_instance: str,
        exposures: Collection[str],
        min_value: Mapping[str, float] | None = None,
        *,
        max_bytes: int = sys.maxsize,
        is_erased: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._folder = folder
        self._own = own_instance
        self._exposures = frozenset(exposures)
        self._min_value = dict(min_value or {})
        self._max_bytes = max_bytes
        self._is_erased = is_erased
        #: Rows that were not held because there was no room.
        self.unheld_count = 0
        self._days: dict[date, _Day] = {}
        self._stock: dict[str, tuple[str, bool]] = {}
        self._seen: dict[Path, tuple[int, int]] = {}
        self._first_day: date | None = None
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    # reading the logs

    def cover(self, first_day: date) -> None:
        """Hold the days from `first_day` on: read those that are missing, drop earlier ones."""
        with self._reading:
            known = self._first_day
            for file in self._files_from(first_day):
                if known is None or file.day < known:
                    self._read(file)
            with self._lock:
                self._first_day = first_day
                self._days = {day: rows for day, rows in self._days.items() if day >= first_day}
                self._join_stock()
            oldest = f"date={first_day.isoformat()}"
            self._seen = {
                path: seen for path, seen in self._seen.items() if path.parent.name >= oldest
            }

    def poll(self) -> None:
        """Read what other instances have written since the last poll."""
        with self._reading:
            if self._first_day is None:
                return
            files = self._files_from(self._first_day)
            if self._was_rewritten(files):
                self._read_anew(self._first_day)
                return
            for file in files:
                if file.instance == self._own:
                    self._seen.setdefault(file.path, (os.stat(file.path).st_ino, 0))
                else:
                    self._read(file)

    def _files_from(self, first_day: date) -> list[LogFile]:
        return [file for file in list_log_files(self._folder, first_day) if file.kind != "served"]

    def _was_rewritten(self, files: Iterable[LogFile]) -> bool:
        """Whether a file that was read is another one now, as after the erasure of a user."""
        for file in files:
            inode, offset = self._seen.get(file.path, (None, 0))
            if inode is not None:
                now = os.stat(file.path)
                if now.st_ino != inode or now.st_size < offset:
                    return True
        return False

    def _read_anew(self, first_day: date) -> None:
        """Read all logs again and replace the index at once; answers see the old or the new one."""
        logger.info("logs were rewritten: reading them again")
        fresh = RecentEvents(
            *(self._folder, "", self._exposures, self._min_value),
            max_bytes=self._max_bytes,
            is_erased=self._is_erased,
        )
        fresh.cover(first_day)
        with self._lock:
            self._days, self._stock, self._seen = fresh._days, fresh._stock, fresh._seen
        for file in self._files_from(first_day):
            self._read(file)  # what this instance wrote meanwhile

    def _read(self, file: LogFile) -> None:
        inode = os.stat(file.path).st_ino
        _, offset = self._seen.get(file.path, (inode, 0))
        batch: list[Mapping[str, Any]] = []
        for end, row in read_rows(file.path, offset):
            offset = end
            if row is not None:
                batch.append(row)
            if len(batch) == _BATCH_ROWS:
                self.add(file.kind, file.day, batch)
                batch = []
        self.add(file.kind, file.day, batch)
        self._seen[file.path] = (inode, offset)

    # rows

    def add(self, kind: str, day: date, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add ``events``, or ``items`` that changed their availability, of the log of `day`."""
        with self._lock:
            held = self._days.setdefault(day, _Day())
            for row in rows:
                try:
                    if kind == "events":
                        self._add_event(held, row)
                    else:
                        self._add_item(held, row)
                except (KeyError, TypeError, ValueError):
                    continue  # a line that another program wrote

    def _add_event(self, day: _Day, row: Mapping[str, Any]) -> None:
        known = hash(row["event_id"])
        if known in day.event_hashes or self._is_erased(str(row["user_id"])):
            return
        if not self._has_room():
            self.unheld_count += 1
            return
        moment = parse_utc(row["event_at"]).timestamp()
        kind = counted_type(str(row["event_type"]), row.get("value"), self._min_value)
        pair = (str(row["item_id"]), sys.intern(kind))
        day.event_hashes.add(known)
        day.event_bytes += _EVENT_BYTES
        if pair[1] not in self._exposures:
            user_id = str(row["user_id"])
            if user_id not in day.users:
                day.users[user_id] = {}
                day.event_bytes += _USER_BYTES + sys.getsizeof(user_id)
            last = day.users[user_id]
            if pair not in last:
                day.event_bytes += _PAIR_BYTES + sys.getsizeof(pair[0])
            last[pair] = max(moment, last.get(pair, moment))

    def _add_item(self, day: _Day, row: Mapping[str, Any]) -> None:
        change, item_id = (str(row["at"]), bool(row["is_available"])), str(row["item_id"])
        if item_id not in day.stock:
            if not self._has_room():
                self.unheld_count += 1
                return
            day.stock_bytes += _STOCK_BYTES + sys.getsizeof(item_id)
        for stock in (day.stock, self._stock):
            if change[0] >= stock.get(item_id, ("",))[0]:
                stock[item_id] = change

    def _has_room(self) -> bool:
        """Whether one more row may be held, once the oldest days have made room."""
        while self._bytes() >= self._max_bytes:
            newest = max(self._days)
            older = [day for day, held in self._days.items() if held.event_bytes and day < newest]
            if not older:
                return False
            oldest = min(older)
            logger.warning("serve.recent_megabytes is reached: events of %s are dropped", oldest)
            self._days[oldest].forget_events()
        return True

    def _bytes(self) -> int:
        return sum(day.event_bytes + day.stock_bytes for day in self._days.values())

    def forget_erased(self) -> None:
        """Drop the users who were erased since they were held."""
        for day in list(self._days.values()):
            with self._lock:
                users = list(day.users)
            gone = [user_id for user_id in users if self._is_erased(user_id)]
            with self._lock:
                for user_id in gone:
                    day.users.pop(user_id, None)

    def _join_stock(self) -> None:
        self._stock = {}
        for day in sorted(self._days):
            self._stock |= self._days[day].stock

    # questions

    @property
    def first_day(self) -> date | None:
        """First day that is held; None before the logs were read."""
        return self._first_day

    @property
    def is_loaded(self) -> bool:
        """Whether the logs were read once."""
        return self._first_day is not None

    def events_of(self, user_id: str) -> list[RecentEvent]:
        """When a user's items last had an event of each type since the batch, oldest first."""
        with self._lock:
            found = [
                RecentEvent(*pair, at)
                for day in self._days.values()
                if user_id in day.users
                for pair, at in day.users[user_id].items()
            ]
        return sorted(found, key=lambda event: event.at)

    def is_available(self, item_id: str) -> bool | None:
        """Availability of an item by its last change since the batch; None without a change."""
        change = self._stock.get(item_id)
        return None if change is None else change[1]

    def knows_event(self, event_id: str) -> bool:
        """Whether an event with this id is in the days that are held."""
        known = hash(event_id)
        with self._lock:
            return any(known in day.event_hashes for day in self._days.values())

    def count_bytes(self) -> int:
        """Bytes held, at most, for the metrics."""
        with self._lock:
            return self._bytes()

    def count_events(self) -> int:
        """Events held, for the metrics."""
        with self._lock:
            return sum(len(day.event_hashes) for day in self._days.values())
