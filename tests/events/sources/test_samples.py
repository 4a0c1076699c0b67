from __future__ import annotations

import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import FileFormat
from pipelines.events.sources.samples import read_sample


def sample(path, **written):
    return read_sample(str(path), FileFormat(**written))


def test_values_of_csv_stay_the_text_they_are_without_the_empty_ones(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user;sku;note\na;007;\nb; 1.10 ;x\n")
    found = sample(path)
    assert (found.format, found.row_count) == ("csv", 2)
    assert found.columns == {"user": ["a", "b"], "sku": ["007", "1.10"], "note": ["x"]}


def test_values_inside_of_lists_are_columns_of_their_own(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"user": "a", "items": [{"sku": "1"}, {"sku": "2"}]}) + "\n")
    assert sample(path).columns == {"user": ["a"], "items[].sku": ["1", "2"]}


def test_parquet_has_ids_without_decimals_and_lists_inside(tmp_path):
    path = tmp_path / "log.parquet"
    table = {
        "user": pa.array([17850.0, None]),
        "at": pa.array([datetime(2024, 3, 1, 10), datetime(2024, 3, 2)]),
        "items": pa.array([[{"sku": "x"}, {"sku": "y"}], []]),
    }
    pq.write_table(pa.table(table), path)
    assert sample(path).columns == {
        "user": ["17850"],
        "at": ["2024-03-01 10:00:00", "2024-03-02 00:00:00"],
        "items": [],
        "items[].sku": ["x", "y"],
    }


def test_values_of_folders_are_columns_too(tmp_path):
    (tmp_path / "shop" / "day=2024-03-01").mkdir(parents=True)
    (tmp_path / "shop" / "day=2024-03-01" / "part.csv").write_text("user,sku\na,1\nb,2\n")
    assert sample(tmp_path / "shop").columns["day"] == ["2024-03-01", "2024-03-01"]


def test_a_first_line_of_values_is_refused_until_columns_are_named(tmp_path):
    path = tmp_path / "u.data.csv"
    path.write_text("196,242,3,881250949\n186,302,3,891717742\n")
    with pytest.raises(LandingError, match=r"must name its columns.*--columns"):
        sample(path)
    named = sample(path, columns=("user", "item", "rating", "time"))
    assert named.columns["user"] == ["196", "186"]


def test_users_with_their_items_in_a_line_are_no_log(tmp_path):
    (tmp_path / "train.txt").write_text("0 1 2 3\n1 4 5\n")
    with pytest.raises(LandingError, match="recsys benchmark --train"):
        sample(tmp_path / "train.txt")
