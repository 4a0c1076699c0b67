from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.base.errors import SchemaError
from pipelines.events.feeds import EVENTS, ITEMS
from pipelines.events.schema import (
    check_columns,
    check_readable,
    check_types,
    csv_header,
    parquet_schema,
)

PATH = Path("shop.parquet")


@pytest.mark.parametrize(
    "column",
    [
        {"user_id": pa.array([1])},
        {"user_id": pa.array(["a"]).dictionary_encode()},
        {"user_id": pa.array(["a"], pa.large_string())},
        {"user_id": pa.array([None])},
        {"event_at": pa.array([date(2024, 3, 1)])},
        {"event_at": pa.array([0], pa.timestamp("ns", "Europe/London"))},
        {"price": pa.array([1])},
        {"price": pa.array([Decimal("1.50")])},
        {"position": pa.array([1.0])},
    ],
    ids=lambda column: str(next(iter(column.values())).type),
)
def test_types_that_lose_nothing_are_taken(column):
    check_types(EVENTS, PATH, pa.table(column).schema)


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ({"user_id": pa.array([1.5])}, "double"),
        ({"user_id": pa.array([["a"]])}, "list<.*>"),
        ({"event_at": pa.array([True])}, "bool"),
        ({"price": pa.array(["1.5"])}, "string"),
        ({"value": pa.array([True])}, "bool"),
    ],
)
def test_other_types_are_named_with_column_and_file(column, found):
    name = next(iter(column))
    with pytest.raises(SchemaError, match=f"Column `{name}` .*Got {found} in shop.parquet"):
        check_types(EVENTS, PATH, pa.table(column).schema)


def test_flags_must_be_flags():
    with pytest.raises(SchemaError, match="`is_available` of a items file must be of type BOOLEAN"):
        check_types(ITEMS, PATH, pa.table({"is_available": [1]}).schema)


def test_columns_the_feed_does_not_know_are_returned():
    names = ["campaign", *EVENTS.required]
    assert check_columns(EVENTS, PATH, names) == ["campaign"]


def test_a_missing_column_without_a_likely_new_name_is_named():
    with pytest.raises(SchemaError, match="Missing `title` in shop.parquet; found item_id. Rename"):
        check_columns(ITEMS, PATH, ["item_id"])


@pytest.mark.parametrize("text", ["", "a,b,a\n1,2,3\n"])
def test_a_csv_file_needs_a_header_without_repeats(tmp_path, text):
    path = tmp_path / "day.csv"
    path.write_text(text)
    with pytest.raises(SchemaError, match="must name each column once"):
        csv_header(path)


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path):
    path = tmp_path / "day.csv"
    path.write_bytes(b"\xef\xbb\xbfuser_id,item_id\n")
    assert csv_header(path) == ["user_id", "item_id"]


def test_what_is_not_parquet_is_named(tmp_path):
    path = tmp_path / "day.parquet"
    path.write_text("user_id\n")
    with pytest.raises(SchemaError, match="must be readable in the format of its name"):
        parquet_schema(path)


def test_a_column_without_one_readable_value_is_retyped():
    with pytest.raises(SchemaError, match="None of its 10 values in day.csv can be read"):
        check_readable(EVENTS, "day.csv", 10, {"price": 10}, {"price": 10})


@pytest.mark.parametrize(("rows", "values", "bad"), [(9, 9, 9), (10, 10, 9), (10, 0, 0)])
def test_a_few_unreadable_values_are_left_to_the_rules_of_rows(rows, values, bad):
    check_readable(EVENTS, "day.csv", rows, {"price": values}, {"price": bad})
