"""Turn the API's logs into day files of the landing area, which a night loads like any other.

`exposures/date=D/{served,events,items}-*.jsonl` becomes `landing/events/date=D/recsys-api.parquet`
and `landing/items/date=D/recsys-api.parquet`.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.event_meaning import OF_THE_SERVER, SERVED, SERVED_ID
from pipelines.events.day_folders import day_file
from pipelines.events.feeds import FEEDS, Feed
from pipelines.events.log_lines import LogFile, list_log_files, read_rows

if TYPE_CHECKING:
    import pyarrow as pa

logger = logging.getLogger(__name__)

#: Stem of the day files made from the API's logs; `land` gives it to no other source.
API_FILES = "recsys-api"
#: Version of what is made of the logs; day files of an earlier one are made anew.
_VERSION = 2
#: Rows per row group.
BATCH_ROWS = 50_000
#: Key of the Parquet metadata that says which logs a day file was made from.
_FINGERPRINT = b"recsys_logs"


@dataclass
class _Counts:
    """Counts of a day's log lines, by what was done with them."""

    rows: int = 0
    torn: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str) -> None:
        self.left_out[why] = self.left_out.get(why, 0) + 1


def take_in_exposures(settings: Settings, as_of: date) -> list[str]:
    """Write the API's changed logs of the days before `as_of` as day files.

    Parameters
    ----------
    settings : Settings
        Home, event types and look-back; logs of an earlier day are read again where one of them
        has changed since its day files were written.
    as_of : date
        Exclusive end.

    Returns
    -------
    list of str
        Notes on what was left out: torn lines, and lines that the settings do not accept.

    Notes
    -----
    A line of `served` becomes one event per item, with ``served:<request_id>:<position>`` as its
    event_id. A line of `events`, which a client sent, says nothing that only the server knows: an
    exposure or an id of this form is left out, an arm is not taken. The same logs give files of
    the same bytes.
    """
    notes: list[str] = []
    recheck = settings.events.first_day_to_recheck(as_of)
    files = [file for file in list_log_files(settings.exposures, date.min) if file.day < as_of]
    for day, group in groupby(files, key=lambda file: file.day):
        logs = list(group)
        for feed in FEEDS.values():
            mine = [
                file
                for file in logs
                if feed.name == ("items" if file.kind == "items" else "events")
            ]
            target = day_file(settings, feed.name, day, API_FILES)
            if mine and (day >= recheck or _is_newer(mine, target)):
                notes += _take_in(settings, feed, day, mine, target)
    return notes


def _is_newer(logs: Sequence[LogFile], target: Path) -> bool:
    """Whether a log was changed after its day file was written, or there is no day file.

    Told by the file system's time of change, which no copying tool sets.
    """
    if not target.exists():
        return True
    written_at = target.stat().st_ctime_ns
    return any(log.path.stat().st_ctime_ns >= written_at for log in logs)


def _take_in(
    settings: Settings, feed: Feed, day: date, files: Sequence[LogFile], target: Path
) -> list[str]:
    fingerprint = _fingerprint(settings, files)
    if _stored_fingerprint(target) == fingerprint:
        if _is_newer(files, target):
            os.utime(target)  # or these logs would be read every night
        return []
    counts = _Counts()
    _write(feed, target, _rows(settings, files, counts), fingerprint)
    logger.info("API logs of %s: %s rows of %s", day, counts.rows, feed.name)
    notes = [f"API logs of {day}: {count} {why}" for why, count in sorted(counts.left_out.items())]
    if counts.torn:
        notes.append(f"API logs of {day}: {counts.torn} torn lines of {feed.name} were left out")
    return notes


def _fingerprint(settings: Settings, files: Sequence[LogFile]) -> bytes:
    digest = hashlib.sha256(repr((_VERSION, SERVED in settings.events.types)).encode())
    for file in files:
        with file.path.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        digest.update(f"{file.path.name}\0{content}\0".encode())
    return digest.hexdigest().encode()


def _stored_fingerprint(target: Path) -> bytes | None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not target.exists():
        return None
    try:
        found: bytes | None = (pq.read_schema(target).metadata or {}).get(_FINGERPRINT)
    except (pa.ArrowException, OSError):
        return None
    return found


# rows


def _rows(
    settings: Settings, files: Sequence[LogFile], counts: _Counts
) -> Iterator[dict[str, Any]]:
    for file in files:
        read_bytes = 0
        for end, line in read_rows(file.path, 0):
            read_bytes = end
            try:
                rows = [] if line is None else _rows_of(settings, file.kind, line, counts)
                counts.torn += line is None
            except (KeyError, TypeError, ValueError):
                counts.torn += 1
                continue
            counts.rows += len(rows)
            yield from rows
        counts.torn += file.path.stat().st_size > read_bytes


def _rows_of(
    settings: Settings, kind: str, line: dict[str, Any], counts: _Counts
) -> list[dict[str, Any]]:
    if kind == "items":
        if "title" not in line:
            counts.leave_out("changes of availability are of items that no publication knows")
            return []
        return [_typed(FEEDS["items"], {**line, "valid_from": line["at"]})]
    if kind == "events":
        if line["event_type"] == SERVED or str(line["event_id"]).startswith(SERVED_ID):
            counts.leave_out("events of clients say what only the server may say")
            return []
        told = {name: value for name, value in line.items() if name not in OF_THE_SERVER}
        return [_typed(FEEDS["events"], told)]
    if SERVED not in settings.events.types:
        counts.leave_out("answers are not taken: events.types has no `served`")
        return []
    return _exposures(line)


def _exposures(line: dict[str, Any]) -> list[dict[str, Any]]:
    """One event per item that an answer showed."""
    items = line["items"]
    teams, chances = (line.get(name) or [None] * len(items) for name in ("teams", "propensities"))
    rows = zip(items, teams, chances, strict=True)
    return [
        _typed(
            FEEDS["events"],
            {
                **line,
                "event_id": f"{SERVED_ID}{line['request_id']}:{position}",
                "event_type": SERVED,
                "item_id": item_id,
                "event_at": line["at"],
                "position": position,
                "team": team,
                "propensity": chance,
            },
        )
        for position, (item_id, team, chance) in enumerate(rows, 1)
    ]


def _typed(feed: Feed, values: dict[str, Any]) -> dict[str, Any]:
    """A row's values for the columns of a feed, converted to their types.

    Raises
    ------
    ValueError, TypeError, KeyError
        If a required column is missing or a value is of another type.
    """
    row = {name: _value(kind, values.get(name)) for name, kind in feed.columns.items()}
    for name in feed.required:
        if row[name] is None and name != "title":
            raise KeyError(name)
    return row


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind == "TIMESTAMP":
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    wanted: dict[str, type | tuple[type, ...]] = {
        "VARCHAR": str,
        "DOUBLE": (int, float),
        "INTEGER": int,
        "BOOLEAN": bool,
    }
    if not isinstance(value, wanted[kind]):
        raise TypeError(kind)
    return value


# files


def _write(feed: Feed, target: Path, rows: Iterator[dict[str, Any]], fingerprint: bytes) -> None:
    """Write the rows as one whole file, in row groups; none where there are no rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(feed).with_metadata({_FINGERPRINT: fingerprint})
    batch = list(islice(rows, BATCH_ROWS))
    if not batch and not target.exists():
        return
    with new_file(target) as fresh, pq.ParquetWriter(fresh, schema, compression="zstd") as out:
        while batch:
            out.write_table(pa.Table.from_pylist(batch, schema))
            batch = list(islice(rows, BATCH_ROWS))


def _schema(feed: Feed) -> pa.Schema:
    import pyarrow as pa

    kinds = {
        "VARCHAR": pa.string(),
        "TIMESTAMP": pa.timestamp("us"),
        "DOUBLE": pa.float64(),
        "INTEGER": pa.int32(),
        "BOOLEAN": pa.bool_(),
    }
    return pa.schema([(name, kinds[kind]) for name, kind in feed.columns.items()])
