from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import FileFormat
from pipelines.events.sources.column_paths import parse_paths
from pipelines.events.sources.csv_files import read_csv_rows, read_dialect
from pipelines.events.sources.json_files import json_columns, read_json_rows
from pipelines.events.sources.parquet_files import parquet_columns, read_parquet_rows
from pipelines.events.sources.source_files import LineFaults, find_files


@pytest.fixture
def file(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return find_files(str(path), FileFormat())[0]

    return write


def test_files_of_a_folder_are_found_by_their_endings(tmp_path):
    for name in ("a.csv.gz", "b.csv", "_SUCCESS", ".c.csv", "_tmp/d.csv", "k=v%201/e.csv", "x.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = find_files(str(tmp_path), FileFormat())
    assert [file.path.rsplit("/", 1)[1] for file in found] == ["a.csv.gz", "b.csv", "e.csv"]
    assert found[2].partitions == {"k": "v 1"}


@pytest.mark.parametrize(
    ("path", "message"),
    [("nowhere.csv", "Found none at"), ("what://x/y.csv", "can be read here: s3://.*what://x")],
)
def test_what_is_not_there_is_named(tmp_path, path, message):
    address = path if "://" in path else str(tmp_path / path)
    with pytest.raises(LandingError, match=message):
        find_files(address, FileFormat())


def test_formats_are_not_mixed(tmp_path):
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.json").touch()
    with pytest.raises(LandingError, match="of one format. Found csv and json"):
        find_files(str(tmp_path), FileFormat())


@pytest.mark.parametrize(
    ("content", "delimiter", "columns"),
    [
        (b"a,b\n1,2\n", ",", ("a", "b")),
        (b"a;b\n1,5;2,5\n", ";", ("a", "b")),
        (b"a\tb\n1\t2\n", "\t", ("a", "b")),
        (b'\xef\xbb\xbf"a, x"|b\n1|2\n', "|", ("a, x", "b")),
        ("a,é\n1,2\n".encode("utf-16"), ",", ("a", "é")),
        (b"a,\n1,2\n", ",", ("a", "column2")),
    ],
)
def test_the_dialect_is_seen_from_the_first_lines(file, content, delimiter, columns):
    dialect = read_dialect(file("log.csv", content), FileFormat())
    assert (dialect.written.delimiter, dialect.columns) == (delimiter, columns)


def test_rows_of_csv_are_numbered_as_in_the_file(file):
    written = file("log.csv", b'a,b\n"x\ny",1\n\n3,4\n')
    faults = LineFaults()
    (batch,) = read_csv_rows(written, read_dialect(written, FileFormat()), ["a"], faults)
    assert batch.to_pylist() == [{"a": "x\ny", "source_row": 2}, {"a": "3", "source_row": 3}]
    assert (faults.row_count, faults.counts) == (2, {})


def test_lines_that_are_no_rows_keep_their_numbers_for_the_others(file):
    written = file("log.csv", b"a,b\n1,2\n3\n4,5,6\n7,8\n\xff,9\n")
    faults = LineFaults()
    (batch,) = read_csv_rows(written, read_dialect(written, FileFormat()), ["a"], faults)
    assert batch.to_pylist() == [{"a": "1", "source_row": 2}, {"a": "7", "source_row": 5}]
    assert [example.split(":")[0] for example in faults.examples] == ["row 3", "row 4", "row 6"]


def test_values_of_json_are_found_by_their_paths(file):
    written = file("log.json", b'{"a": {"b": 1.10}, "c": [{"d": 1}, {"d": null}], "e.f": "x"}')
    assert list(json_columns(written, FileFormat())) == ["a.b", "c", "c[].d", "e.f"]
    paths = parse_paths(["a.b", "c[].d", "e.f"])
    (batch,) = read_json_rows(written, FileFormat(), paths, LineFaults())
    assert batch.to_pylist() == [
        {"a.b": "1.10", "c[].d": "1", "e.f": "x", "source_row": 1},
        {"a.b": "1.10", "c[].d": None, "e.f": "x", "source_row": 1},
    ]


def test_values_of_parquet_are_found_by_their_paths(tmp_path):
    path = tmp_path / "log.parquet"
    rows = {"a": [{"b": 7}, {"b": 8}], "c": [[{"d": 1}, {"d": 2}], [{"d": 3}]], "e.f": [1.5, 2.5]}
    pq.write_table(pa.table(rows), path)
    (file,) = find_files(str(path), FileFormat())
    assert list(parquet_columns(file)) == ["a", "a.b", "c", "c[].d", "e.f"]
    kinds = {"a.b": "VARCHAR", "c[].d": "VARCHAR", "e.f": "DOUBLE"}
    (batch,) = read_parquet_rows(file, parse_paths(kinds), kinds, LineFaults())
    assert batch.to_pylist() == [
        {"a.b": "7", "c[].d": "1", "e.f": 1.5, "source_row": 1},
        {"a.b": "7", "c[].d": "2", "e.f": 1.5, "source_row": 1},
        {"a.b": "8", "c[].d": "3", "e.f": 2.5, "source_row": 2},
    ]


@pytest.mark.parametrize("paths", [["a[]"], ["a[].b[].c"], ["[].a"], ["a[].b", "c[].d"]])
def test_one_list_can_be_unnested(paths):
    with pytest.raises(LandingError, match=r"one list|One list"):
        parse_paths(paths)
