from __future__ import annotations

import duckdb
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.sources.source_rows import check_source_columns


def test_columns_come_with_their_types(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,x\n")
    assert check_source_columns(duckdb.connect(), str(path), ["b"]) == {
        "a": "BIGINT",
        "b": "VARCHAR",
    }


def test_missing_columns_are_named_beside_those_found(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("a,b\n1,x\n")
    with pytest.raises(LandingError, match="Missing c; found a, b"):
        check_source_columns(duckdb.connect(), str(path), ["a", "c"])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    path = tmp_path / "log.parquet"
    path.write_text("no")
    with pytest.raises(LandingError, match="must be a readable CSV or Parquet file.*log.parquet"):
        check_source_columns(duckdb.connect(), str(path), [])
