"""Remember erased users by hashes of their ids, and drop their rows from later arrivals."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.config import Settings
from pipelines.base.durable import new_file, read_if_there, write_json
from pipelines.base.ids import clean_id
from pipelines.events.day_folders import FORMATS

if TYPE_CHECKING:
    import pyarrow as pa

USER_COLUMN = "user_id"
_SALT_BYTES = 32
#: Separators to split an unparsable line by, each tried alone: an id may contain the others.
_BETWEEN_WORDS = tuple(
    re.compile(mark) for mark in (rb"[,;\t\r\n]", rb'"', rb"""[\s,;:"'{}\[\]]+""")
)


@dataclass(frozen=True)
class Erased:
    """Tombstones: salted hashes of the ids that were erased from a home.

    Parameters
    ----------
    salt : bytes
        Random bytes of this home; without them a hash reveals nothing about an id.
    hashes : frozenset of str
        Hex sha256 of salt and id.
    """

    salt: bytes
    hashes: frozenset[str]

    def hash_of(self, user_id: bytes) -> str:
        """Tombstone (salted hash) of a user id."""
        return hashlib.sha256(self.salt + user_id).hexdigest()

    def has(self, user_id: bytes | str | None) -> bool:
        """Whether the user with this id was erased, in whatever form of Unicode it is written."""
        if user_id is None:
            return False
        raw = user_id.encode("utf-8", "surrogatepass") if isinstance(user_id, str) else user_id
        return any(self.hash_of(one) in self.hashes for one in {raw, _canonical(raw)})

    def is_named_in(self, line: bytes) -> bool:
        """Whether an unparsable line contains the id of an erased user."""
        words = {word for mark in _BETWEEN_WORDS for word in mark.split(line) if word}
        return any(self.has(word) or self.has(_unescape(word)) for word in words)


def _canonical(user_id: bytes) -> bytes:
    """An id as events hold it; as it is if it is none."""
    try:
        return clean_id(user_id.decode()).encode()
    except ValueError:
        return user_id


def _unescape(word: bytes) -> str | None:
    """A word with its JSON escapes resolved; None if it has none, or broken ones."""
    if b"\\" not in word:
        return None
    try:
        return str(json.loads(b'"' + word + b'"'))
    except ValueError:
        return None


def read_erased(settings: Settings) -> Erased | None:
    """The home's tombstones; None if nobody was erased."""
    found = read_if_there(settings.erased)
    return found and Erased(bytes.fromhex(found["salt"]), frozenset(found["hashes"]))


def remember_erased(settings: Settings, user_id: str) -> Erased:
    """Add a user's tombstone to the home, unless it is there already."""
    known = read_erased(settings) or Erased(secrets.token_bytes(_SALT_BYTES), frozenset())
    erased = Erased(known.salt, known.hashes | {known.hash_of(_canonical(user_id.encode()))})
    stored = {"salt": erased.salt.hex(), "hashes": sorted(erased.hashes)}
    write_json(settings.erased, stored)
    return erased


def drop_erased(settings: Settings) -> list[str]:
    """Remove erased users from day files and API logs that are new or changed since the last call.

    Returns
    -------
    list of str
        A note for each file that named them.

    Notes
    -----
    New files are told by the file system's time of change, which no copying tool sets; the time of
    the newest file checked is kept as that of the tombstones' file. Days that no night would read
    again are checked too.
    """
    erased = read_erased(settings)
    if erased is None:
        return []
    stones = settings.erased
    since = stones.stat().st_mtime_ns
    notes, newest = [], since
    for path, clean in _places(settings):
        changed = path.stat().st_ctime_ns
        if changed >= since:
            newest = max(newest, changed)
            if count := clean(path, erased):
                notes.append(f"{count} rows of erased users were removed from {path}")
    os.utime(stones, ns=(newest, newest))
    return notes


def _places(settings: Settings) -> Iterator[tuple[Path, Callable[[Path, Erased], int]]]:
    for path in sorted(settings.landing.glob("*/date=*/*")):
        if path.suffix in FORMATS and path.is_file():
            yield path, clean_day_file
    for path in log_files(settings):
        yield path, blank_log_lines


def log_files(settings: Settings) -> list[Path]:
    """Paths of the API's logs: ``exposures/date=*/*.jsonl``."""
    return sorted(settings.exposures.glob("date=*/*.jsonl"))


def clean_day_file(path: Path, erased: Erased) -> int:
    """Rewrite a day file without the rows of erased users; returns how many there were."""
    if path.suffix == ".parquet":
        return clean_parquet(path, erased)
    keep = _csv_rows if path.suffix == ".csv" else _json_lines
    return _rewrite_lines(path, lambda lines: keep(lines, erased))


def clean_parquet(path: Path, erased: Erased) -> int:
    """Rewrite a Parquet file without the rows of erased users; returns how many there were.

    Row groups and compression stay as they are, row by row in the same order.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        if USER_COLUMN not in source.schema_arrow.names:
            return 0
        count = sum(
            batch.num_rows - len(_kept(batch.column(0), erased))
            for batch in source.iter_batches(columns=[USER_COLUMN])
        )
        if not count:
            return 0
        column = source.metadata.row_group(0).column(0)
        with (
            new_file(path) as fresh,
            pq.ParquetWriter(fresh, source.schema_arrow, compression=column.compression) as out,
        ):
            for number in range(source.num_row_groups):
                table = source.read_row_group(number)
                rows = _kept(table.column(USER_COLUMN), erased)
                kept = table.take(pa.array(rows, pa.int64()))
                out.write_table(kept, row_group_size=max(kept.num_rows, 1))
    return count


def _kept(column: pa.Array | pa.ChunkedArray, erased: Erased) -> list[int]:
    """Positions of the rows to keep: those of users who were not erased."""
    import pyarrow as pa

    text = column if pa.types.is_string(column.type) else column.cast(pa.string())
    encoded = text.cast(pa.binary()).dictionary_encode()
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    kept, start = [], 0
    for chunk in chunks:
        gone = {n for n, value in enumerate(chunk.dictionary.to_pylist()) if erased.has(value)}
        indices = chunk.indices.to_pylist()
        kept += [start + n for n, index in enumerate(indices) if index not in gone]
        start += len(chunk)
    return kept


def _rewrite_lines(path: Path, keep: Callable[[list[bytes]], Iterator[tuple[bytes, bool]]]) -> int:
    lines = path.read_bytes().splitlines(keepends=True)
    judged = list(keep(lines))
    count = sum(not is_kept for _, is_kept in judged)
    if count:
        with new_file(path) as fresh:
            fresh.write_bytes(b"".join(line for line, is_kept in judged if is_kept))
    return count


def _json_lines(lines: list[bytes], erased: Erased) -> Iterator[tuple[bytes, bool]]:
    """Lines of a JSONL file, each with whether it is kept."""
    for line in lines:
        yield line, not _is_json_of(line, erased)


def _is_json_of(line: bytes, erased: Erased) -> bool:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return erased.is_named_in(line)
    user_id = value.get(USER_COLUMN) if isinstance(value, dict) else None
    return erased.has(None if user_id is None else str(user_id))


def _csv_rows(lines: list[bytes], erased: Erased) -> Iterator[tuple[bytes, bool]]:
    """Rows of a CSV file, each with all its lines and whether it is kept."""
    header = next(csv.reader([lines[0].decode("utf-8-sig", "replace")]), []) if lines else []
    place = header.index(USER_COLUMN) if USER_COLUMN in header else -1
    start = 0
    while start < len(lines):
        values, used = _first_row(lines, start)
        raw = b"".join(lines[start : start + used])
        if start == 0 or place < 0:  # the header, or a feed that is not of users
            is_kept = True
        elif len(values) == len(header):
            is_kept = not erased.has(values[place])
        else:
            is_kept = not erased.is_named_in(raw)
        yield raw, is_kept
        start += used


def _first_row(lines: list[bytes], start: int) -> tuple[list[str], int]:
    reader = csv.reader(
        (lines[n].decode("utf-8", "surrogateescape") for n in range(start, len(lines))),
        strict=True,
    )
    try:
        return next(reader), max(reader.line_num, 1)
    except (csv.Error, StopIteration):
        return [], 1


def blank_log_lines(path: Path, erased: Erased) -> int:
    """Overwrite a log's lines about erased users with spaces, in place; returns how many.

    The API appends to the file meanwhile, so it must stay the same file and keep its length.
    """
    count = offset = 0
    with path.open("r+b") as log:
        for line in log.read().splitlines(keepends=True):
            if _is_json_of(line, erased):
                os.pwrite(log.fileno(), b" " * len(line.rstrip(b"\r\n")), offset)
                count += 1
            offset += len(line)
        if count:
            os.fsync(log.fileno())
    return count
