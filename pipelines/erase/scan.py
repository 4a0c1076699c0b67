"""Look for a user's id in every byte of a home, and in what compressed files hold."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import compress
from pathlib import Path
from typing import BinaryIO

import duckdb
import numpy as np

from pipelines.erase.databases import table_names
from pipelines.erase.words import UserWords

CHUNK_BYTES = 1 << 22
#: Longer than any spelling of an id, which may lie across two chunks.
OVERLAP_BYTES = 1 << 12
_ROWS = 10_000


def find_user(place: Path, words: UserWords) -> list[Path]:
    """Files at or below a place that hold a user's id, in their contents or their names.

    Every file is searched byte by byte. What Parquet, npz, gzip, DuckDB and SQLite files hold
    compressed, or across pages, is searched once more as it reads. An id that is not distinct (see
    `UserWords`) occurs in such files' bytes by chance, and as a number in JSON: there only their
    texts are searched.
    """
    return [
        path
        for path in (sorted(place.rglob("*")) if place.is_dir() else [place])
        if words.is_in(path.name)
        or (path.is_file() and not path.is_symlink() and _is_in_file(path, words))
    ]


def _is_in_file(path: Path, words: UserWords) -> bool:
    pattern = words.byte_pattern
    if words.is_distinct or not _has_chance_hits(path):
        with path.open("rb") as stream:
            if any(pattern.search(chunk) for chunk in _chunks(stream)):
                return True
    elif path.suffix == ".json":
        return _is_in_json(path, words)
    return any(pattern.search(chunk) for chunk in _decoded(path, words))


def _has_chance_hits(path: Path) -> bool:
    """Whether a short id may be in the file without being meant: numbers, compressed bytes."""
    with path.open("rb") as stream:
        return path.suffix in {".json", ".csv", ".jsonl"} or b"\0" in stream.read(CHUNK_BYTES)


def _is_in_json(path: Path, words: UserWords) -> bool:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return words.byte_pattern.search(path.read_bytes()) is not None
    return bool(words.redact_json(value) != value)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    tail = b""
    while block := stream.read(CHUNK_BYTES):
        yield tail + block
        tail = (tail + block)[-OVERLAP_BYTES:]


def _decoded(path: Path, words: UserWords) -> Iterator[bytes]:
    """Contents of a compressed file or database, decoded; up to the damage if it is damaged."""
    with path.open("rb") as stream:
        head = stream.read(16)
    try:
        if head.startswith(b"PAR1"):
            yield from _parquet_texts(path, words)
        elif head.startswith(b"PK\3\4"):
            yield from _zip_members(path, words)
        elif head.startswith(b"\x1f\x8b"):
            with gzip.open(path) as stream:
                yield from _chunks(stream)  # type: ignore[arg-type]  # it reads bytes
        elif head.startswith(b"SQLite format 3"):
            yield from _sqlite_texts(path, words)
        elif head[8:12] == b"DUCK":
            yield from _duckdb_texts(path, words)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error, duckdb.Error):
        return
    except sqlite3.Error:
        return


def _parquet_texts(path: Path, words: UserWords) -> Iterator[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as source:
        for batch in source.iter_batches(batch_size=_ROWS):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if words.may_be_item(name):
                    continue
                if pa.types.is_nested(column.type) or pa.types.is_dictionary(column.type):
                    yield str(column.to_pylist()).encode("utf-8", "surrogateescape")
                elif pa.types.is_string(column.type) or pa.types.is_binary(column.type):
                    values = column.cast(pa.binary()).to_pylist()
                    yield b"\n".join(value for value in values if value is not None)


def _zip_members(path: Path, words: UserWords) -> Iterator[bytes]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as member:
                if not name.endswith(".npy"):
                    yield from _chunks(member)  # type: ignore[arg-type]  # it reads bytes
                elif not words.may_be_item(Path(name).stem):
                    array = np.lib.format.read_array(member, allow_pickle=False)
                    if array.dtype.kind in "US":
                        yield "\n".join(map(str, array.ravel().tolist())).encode()


def _sqlite_texts(path: Path, words: UserWords) -> Iterator[bytes]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        names = table_names(store)
        store.text_factory = bytes
        for table in names:
            rows = store.execute(f'select * from "{table}"')
            shown = [not words.may_be_item(column[0]) for column in rows.description]
            for whole in rows:
                row = compress(whole, shown)
                yield b"\n".join(value for value in row if isinstance(value, bytes))


def _duckdb_texts(path: Path, words: UserWords) -> Iterator[bytes]:
    with closing(duckdb.connect(str(path), read_only=True)) as connection:
        tables = connection.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_type = 'BASE TABLE' order by all"
        ).fetchall()
        for schema, name in tables:
            rows = connection.execute(f'select * from "{schema}"."{name}"')
            shown = [not words.may_be_item(column[0]) for column in rows.description or ()]
            while batch := rows.fetchmany(_ROWS):
                texts = (
                    str(one)
                    for row in batch
                    for one in compress(row, shown)
                    if not isinstance(one, float)
                )
                yield "\n".join(texts).encode("utf-8", "surrogateescape")
