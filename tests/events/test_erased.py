from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.events.erased import (
    blank_log_lines,
    clean_day_file,
    drop_erased,
    read_erased,
    remember_erased,
)
from pipelines.events.load import load_days
from tests.events.conftest import AS_OF


@pytest.fixture
def erased(make_settings):
    remember_erased(make_settings(), "Zoë O'Neill, jr")
    return remember_erased(make_settings(), "zoe")


def test_a_home_without_erased_users_has_no_tombstones(make_settings):
    assert read_erased(make_settings()) is None
    assert drop_erased(make_settings()) == []


def test_tombstones_know_their_users_and_nobody_else(make_settings, erased):
    both = remember_erased(make_settings(), "adam")
    assert read_erased(make_settings()) == both
    assert [both.has(user) for user in ("zoe", "adam", "zo", None)] == [True, True, False, False]


@pytest.mark.parametrize("given", ["zo\u00eb", "zoe\u0308", " zo\u00eb\t"])
def test_a_user_is_known_in_every_spelling_that_is_loaded_as_the_same_id(make_settings, given):
    erased = remember_erased(make_settings(), given)
    for written in ("zo\u00eb", "zoe\u0308", "\u00a0zoe\u0308 ", "zo\u00eb".encode()):
        assert erased.has(written)
    assert not erased.has("zoe") and not erased.has(b"zo\xff") and not erased.has("\ud800")


def test_another_home_has_another_salt(make_settings, tmp_path, erased):
    other = remember_erased(make_settings(home=tmp_path / "other"), "zoe")
    assert other.hashes != erased.hashes


@pytest.mark.parametrize(
    "case",
    [
        ("a.csv", "user_id,item_id\nzoe,a\nzoey,b\n", "user_id,item_id\nzoey,b\n", 1),
        ("a.csv", 'item_id,user_id\n"a\nb",zoe\nc,"zo\ne"\n', 'item_id,user_id\nc,"zo\ne"\n', 1),
        ("a.csv", "user_id,item_id\nzoe\nzoe,a,b\nadam\n", "user_id,item_id\nadam\n", 2),
        ("a.csv", "zoe,item_id\nx,a\n", "zoe,item_id\nx,a\n", 0),
        ("a.jsonl", '{"user_id":"zoe"}\n{"user_id":"u"}\n', '{"user_id":"u"}\n', 1),
        ("a.jsonl", '{"user_id":"zoe", "it\n{"item_id":"zoe"}\n', '{"item_id":"zoe"}\n', 1),
        ("a.jsonl", "\n[1]\n", "\n[1]\n", 0),
        ("a.jsonl", '{"user_id": "Zo\\u00eb O\'Neill, jr", "it\n', "", 1),
        (
            "a.csv",
            'item_id,user_id\na,"Zoë O\'Neill, jr"\na,x,"Zoë O\'Neill, jr"\n',
            "item_id,user_id\n",
            2,
        ),
    ],
)
def test_rows_and_broken_lines_of_erased_users_go(tmp_path, erased, case):
    name, text, left, count = case
    path = tmp_path / name
    path.write_text(text)
    assert clean_day_file(path, erased) == count
    assert path.read_text() == left


def test_an_id_that_is_a_number_is_known_as_its_text(make_settings, tmp_path):
    erased = remember_erased(make_settings(), "17841")
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"user_id": [17841, 178410, None], "n": [1, 2, 3]}), path)
    assert clean_day_file(path, erased) == 1
    assert pq.read_table(path).to_pydict() == {"user_id": [178410, None], "n": [2, 3]}


def test_parquet_keeps_order_metadata_and_types_and_may_end_empty(tmp_path, erased):
    path = tmp_path / "a.parquet"
    table = pa.table({"user_id": ["b", "zoe", "a"], "at": pa.array([1, 2, 3], pa.timestamp("us"))})
    table = table.replace_schema_metadata({"made_by": "shop"})
    pq.write_table(table, path, row_group_size=2)
    assert clean_day_file(path, erased) == 1
    assert pq.read_table(path).equals(table.take([0, 2]), check_metadata=True)
    pq.write_table(table.slice(1, 1), path)
    assert (clean_day_file(path, erased), pq.read_metadata(path).num_rows) == (1, 0)


def test_a_file_without_users_is_left_alone(tmp_path, erased):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"item_id": ["zoe"]}), path)
    assert (clean_day_file(path, erased), pq.read_metadata(path).num_rows) == (0, 1)


def test_a_log_keeps_its_length_and_its_place_for_whoever_appends(tmp_path, erased):
    path = tmp_path / "served-1.jsonl"
    lines = [json.dumps({"user_id": user}) + "\n" for user in ("u1", "zoe", "u2")]
    path.write_text("".join(lines))
    with path.open("a") as api:
        assert blank_log_lines(path, erased) == 1
        api.write('{"user_id": "u3"}\n')
    assert path.read_text().split() == "".join([lines[0], lines[2], '{"user_id": "u3"}']).split()
    assert path.stat().st_size == sum(map(len, lines)) + 18


def test_a_load_drops_what_arrives_of_erased_users_and_says_so(
    make_settings, event, write_rows, dump
):
    settings = make_settings()
    remember_erased(settings, "zoe")
    path = write_rows(settings, [event(1, user_id="zoe"), event(2, user_id="adam")])
    report = load_days(settings, AS_OF)
    assert report.notes == [f"1 rows of erased users were removed from {path}"]
    assert dump(settings, columns="user_id") == [("adam",)]
    assert b"zoe" not in path.read_bytes()
