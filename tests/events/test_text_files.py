from __future__ import annotations

import csv

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as law
from hypothesis import strategies as st

from pipelines.base.errors import SchemaError
from pipelines.events.text_files import (
    csv_batches,
    decode,
    json_keys,
    json_rows,
    parquet_batches,
)


def rows_of(batches):
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def test_bytes_that_are_not_utf8_are_marked_where_they_stood():
    assert decode(b"a\xffb\xc3") == "a\ufdd0xFFb\ufdd0xC3"


def test_a_csv_line_of_another_width_keeps_its_text(tmp_path):
    path = tmp_path / "day.csv"
    path.write_text('a,b\n1,"x, y"\n2\n3,,4\n\n5,\n')
    assert rows_of(csv_batches(path, 2)) == [
        ("1", "x, y", None),
        (None, None, "2"),
        (None, None, "3,,4"),
        ("5", None, None),
    ]


def test_a_stray_quote_costs_one_line(tmp_path):
    path = tmp_path / "day.csv"
    path.write_text('a,b\n1,"stray\n2,fine\n3,"over\ntwo lines"\n')
    assert rows_of(csv_batches(path, 2)) == [
        (None, None, '1,"stray'),
        ("2", "fine", None),
        ("3", "over\ntwo lines", None),
    ]


def test_a_value_too_long_for_a_csv_line_costs_one_line(tmp_path):
    path = tmp_path / "day.csv"
    path.write_text(f"a,b\n1,{'x' * 200_000}\n2,fine\n")
    assert [row[:2] for row in rows_of(csv_batches(path, 2))] == [(None, None), ("2", "fine")]


@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=4)] * 3),
        max_size=8,
    )
)
@law(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_slow_reader_reads_what_duckdb_reads(tmp_path, rows):
    path = tmp_path / "day.csv"
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, quoting=csv.QUOTE_ALL)
        writer.writerows([("a", "b", "c"), *rows])
    fast = duckdb.execute(
        "select * from read_csv($path, header = true, auto_detect = false, delim = ',', "
        "quote = '\"', escape = '\"', columns = {'a': 'VARCHAR', 'b': 'VARCHAR', 'c': 'VARCHAR'})",
        {"path": str(path)},
    ).fetchall()
    assert [row[:3] for row in rows_of(csv_batches(path, 3))] == fast


def test_json_values_are_text_as_it_is_written(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_bytes(
        b'{"a": 1.10, "b": "x"}\n\n{"a": 12E4, "b": ["x"]}\n{"b": "caf\xff\xe9"}\n'
        b'{"a": true, "b": "\\ud800"}\n[1\n'
    )
    assert rows_of(json_rows(path, ["a", "b"])) == [
        ("1.10", "x", None),
        ("12E4", '\ufdd1["x"]', None),
        (None, "caf\ufdd0xFF\ufdd0xE9", None),
        ("true", "\ufdd0xED\ufdd0xA0\ufdd0x80", None),
        (None, None, "[1"),
    ]


def test_json_keys_are_those_of_the_first_objects(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_text('nonsense\n{"a": 1}\n[]\n{"b": 2, "a": 3}\n')
    assert json_keys(path) == ["a", "b"]
    path.write_text("nonsense\n")
    assert json_keys(path) is None


def test_parquet_texts_are_decoded_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "day.parquet"
    raw = pa.array([b"ok", b"\xff", None], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(pa.table({"id": text, "price": [1.0, None, 2.0]}), path)
    assert rows_of(parquet_batches(path)) == [("ok", 1.0), ("\ufdd0xFF", None), (None, 2.0)]


def test_a_broken_parquet_file_is_named(tmp_path):
    path = tmp_path / "day.parquet"
    path.write_bytes(b"PAR1 and nothing more")
    with pytest.raises(
        SchemaError, match="must be readable in the format of its name.*day.parquet"
    ):
        list(parquet_batches(path))
