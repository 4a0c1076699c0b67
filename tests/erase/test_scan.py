from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.erase.scan import CHUNK_BYTES, find_user
from pipelines.erase.words import UserWords

USER = "Zoë-O'Neill-77431"


def write_parquet(path):
    pq.write_table(pa.table({"x": [USER] * 5}), path, compression="zstd")


def write_npz(path):
    with path.open("wb") as stream:
        np.savez_compressed(stream, users=np.array([USER, "other"]))


def write_gzip(path):
    with gzip.open(path, "wt") as stream:
        stream.write("words " * 500 + USER)


def write_sqlite(path):
    with closing(sqlite3.connect(path)) as store:
        store.execute("create table t (x)")
        # Longer than a page, so that some copy lies across two pages.
        store.execute("insert into t values (?)", [f"{USER}," * 4000])
        store.commit()


def write_duckdb(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create table t as select ? || (i % 3) as x from range(200000) r(i)", [USER]
        )


def write_across_chunks(path):
    path.write_bytes(b"." * (CHUNK_BYTES - 5) + USER.encode() + b"." * 100)


def write_json(path):
    path.write_text(json.dumps([USER]))


WRITERS = [
    write_parquet,
    write_npz,
    write_gzip,
    write_sqlite,
    write_duckdb,
    write_across_chunks,
    write_json,
]


@pytest.mark.parametrize("write", WRITERS)
def test_the_user_is_found_in_every_kind_of_file(tmp_path, write):
    write(tmp_path / "held")
    (tmp_path / "other").write_bytes(USER[:-1].encode())
    assert find_user(tmp_path, UserWords(USER)) == [tmp_path / "held"]
    assert find_user(tmp_path, UserWords("somebody-else")) == []


def test_a_name_of_a_file_counts_and_a_file_may_be_searched_alone(tmp_path):
    path = tmp_path / f"log-of-{USER}.txt"
    path.touch()
    assert find_user(path, UserWords(USER)) == find_user(tmp_path, UserWords(USER)) == [path]


def test_a_short_id_is_not_found_among_numbers_and_compressed_bytes(tmp_path):
    (tmp_path / "count.json").write_text('{"row_count": 17841}')
    (tmp_path / "picture.png").write_bytes(b"\0 17841 ")
    (tmp_path / "said.json").write_text('{"user": "17841"}')
    (tmp_path / "said.log").write_text("user 17841 came")
    found = find_user(tmp_path, UserWords("17841"))
    assert found == [tmp_path / "said.json", tmp_path / "said.log"]


def test_a_short_id_is_found_in_arrays_and_columns_of_users_and_not_of_items(tmp_path):
    for name in ("user", "item"):
        with (tmp_path / f"{name}s.npz").open("wb") as stream:
            np.savez(stream, **{f"{name}_ids": np.array(["u002", "u003", "u004"])})
        table = pa.table({f"{name}_id": ["u002", "u003"]})
        pq.write_table(table, tmp_path / f"{name}s.parquet")
    found = [path.name for path in find_user(tmp_path, UserWords("u003"))]
    assert found == ["users.npz", "users.parquet"]


def test_a_damaged_file_is_searched_as_it_is(tmp_path):
    (tmp_path / "broken.parquet").write_bytes(b"PAR1" + USER.encode())
    (tmp_path / "other.parquet").write_bytes(b"PAR1 nothing")
    assert find_user(tmp_path, UserWords(USER)) == [tmp_path / "broken.parquet"]
