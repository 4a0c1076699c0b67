from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import PROJECT_ROOT
from pipelines.base.disk_full import find_disk_full
from pipelines.base.durable import write_text


def write_sqlite(path):
    with closing(sqlite3.connect(path)) as store:
        store.execute("pragma max_page_count = 100")  # what a full disk gives: SQLITE_FULL
        store.execute("create table t as select randomblob(9000000) as x")


def write_duckdb(path):
    with duckdb.connect(str(path)) as connection:
        connection.execute("create table t as select random() as x from range(3_000_000)")


def write_parquet(path):
    pq.write_table(pa.table({"x": pa.array(range(3_000_000))}), path, compression="none")


def write_plain(path):
    write_text(path, "x" * 9_000_000)


@pytest.fixture
def small_files():
    """Files of this process may have 4 MB, as if the disk ended there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("write", [write_sqlite, write_duckdb, write_parquet, write_plain])
def test_a_real_failed_write_is_recognised_in_every_library_that_writes(
    tmp_path, small_files, write
):
    with pytest.raises(Exception) as failure:
        write(tmp_path / "file")
    assert "must have room" in str(find_disk_full(failure.value)), repr(failure.value)


def test_a_full_disk_is_found_behind_other_errors():
    try:
        try:
            raise OSError(errno.ENOSPC, "No space left on device")
        except OSError as error:
            raise ValueError("the night failed") from error
    except ValueError as outer:
        assert "No space left" in str(find_disk_full(outer))


def test_an_error_that_goes_round_in_circles_is_looked_at_once():
    one, other = ValueError("one"), ValueError("other")
    one.__context__, other.__context__ = other, one
    assert find_disk_full(one) is None


def test_a_verb_on_a_full_disk_says_so_plainly_and_fails(tmp_path):
    day = tmp_path / "home" / "landing" / "events" / "date=2024-01-01" / "shop.csv"
    day.parent.mkdir(parents=True)
    day.write_text("event_type,user_id,item_id,event_at\nview,u1,i1,2024-01-01\n")
    verb = ["load", "--as-of", "2024-01-02", "--home", str(tmp_path / "home")]
    ended = subprocess.run(
        [sys.executable, "-m", "pipelines", *verb],
        env={**os.environ, "RECSYS_FAULT": "1:enospc"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "DiskFullError: The disk of the home must have room" in ended.stderr
    assert "Traceback" not in ended.stderr
