"""Every way a text or Parquet day can be broken, through the whole load: one row, one reason."""

from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.errors import SchemaError
from pipelines.events.load import load_days

AS_OF = date(2024, 3, 2)


@pytest.fixture
def lenient(make_settings):
    return make_settings(events={"weights": {}, "max_quarantine_share": 0.6})


def write_lines(settings, name, *lines):
    path = settings.landing / "events" / "date=2024-03-01" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(
        b"\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)
    )


HEADER = "event_type,user_id,item_id,event_at,price"
GOOD = "purchase,u1,i1,2024-03-01T10:00:00Z,1.5"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"purchase,u\xff,i1,2024-03-01 10:00:00,1", "bad_utf8"),
        ("purchase,u1,i1", "malformed_row"),
        ('purchase,"u1,i1,2024-03-01 10:00:00,1', "malformed_row"),
        ("purchase,u1,i1,yesterday,1", "bad_time"),
        ("purchase,u1,i1,,1", "missing_time"),
        ("purchase,u1,i1,2024-03-01 10:00:00,cheap", "bad_number"),
        ("purchase,u1,i1,2024-03-01 10:00:00,inf", "non_finite_number"),
        ("purchase,,i1,2024-03-01 10:00:00,1", "missing_user"),
        ("purchase,u1, ,2024-03-01 10:00:00,1", "missing_item"),
        ("buy,u1,i1,2024-03-01 10:00:00,1", "bad_type"),
        (f"purchase,u1,{'i' * 3_000_000},2024-03-01 10:00:00,1", "oversized_text"),
    ],
)
def test_a_bad_csv_line_is_quarantined_and_the_others_load(lenient, dump, line, reason):
    write_lines(lenient, "shop.csv", HEADER, GOOD, line, "purchase,u2,i1,2024-03-01 11:00:00,")
    report = load_days(lenient, AS_OF)
    assert report.feeds["events"].reasons == {reason: 1}
    assert dump(lenient, columns="user_id, price") == [("u1", 1.5), ("u2", None)]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"event_type":"purchase","user_id":"u\xff","item_id":"i","event_at":"2024-03-01"}',
         "bad_utf8"),
        ('{"event_type":"purchase","user_id":', "malformed_row"),
        ("[1, 2]", "malformed_row"),
        ('{"event_type":"purchase","user_id":"u","item_id":"i","event_at":"2024-03-01","price":NaN}',
         "non_finite_number"),
        ('{"event_type":"purchase","user_id":"a\\u0000","item_id":"i","event_at":"2024-03-01"}',
         "control_characters"),
        ('{"event_type":"purchase","user_id":"' + "u" * 300 + '","item_id":"i",'
         '"event_at":"2024-03-01"}', "id_too_long"),
    ],
)  # fmt: skip
def test_a_bad_json_line_is_quarantined_and_the_others_load(lenient, dump, line, reason):
    good = '{"event_type":"purchase","user_id":7,"item_id":"i","event_at":"2024-03-01","price":2}'
    write_lines(lenient, "shop.jsonl", good, line)
    report = load_days(lenient, AS_OF)
    assert report.feeds["events"].reasons == {reason: 1}
    assert dump(lenient, columns="user_id, price") == [("7", 2.0)]


def test_one_broken_file_leaves_its_neighbours_to_the_fast_reader(lenient, dump):
    for number in range(5):
        write_lines(lenient, f"{number}.csv", HEADER, GOOD.replace("u1", f"u{number}"))
    write_lines(lenient, "5.csv", HEADER, GOOD.replace("u1", "u5"), b"\xff,,,,")
    report = load_days(lenient, AS_OF)
    assert report.feeds["events"].row_count == 6
    assert report.feeds["events"].reasons == {"bad_utf8": 1}


def test_a_missing_json_key_is_named(lenient):
    write_lines(
        lenient, "shop.jsonl", '{"event_type":"view","item_id":"i","event_at":"2024-03-01"}'
    )
    with pytest.raises(SchemaError, match=r"Missing `user_id` in .*shop.jsonl"):
        load_days(lenient, AS_OF)


def test_a_retyped_text_column_is_named(lenient, dump):
    lines = [f"purchase,u{n},i1,2024-03-01 10:00:00,cheap" for n in range(12)]
    write_lines(lenient, "shop.csv", HEADER, *lines)
    with pytest.raises(
        SchemaError, match="Column `price` .* must hold DOUBLE values. None of its 12"
    ):
        load_days(lenient, AS_OF)
    assert dump(lenient) == []


def test_ids_may_be_text_in_one_file_and_numbers_in_another(lenient, event, write_rows, dump):
    write_rows(lenient, [event(1, user_id=5)], name="a.parquet")
    write_rows(lenient, [event(2, user_id="5")], name="b.parquet")
    load_days(lenient, AS_OF)
    assert dump(lenient, columns="user_id") == [("5",), ("5",)]


def test_names_with_quotes_and_statements_are_only_values(lenient, event, write_rows, dump):
    evil = "'; drop table raw.events; --"
    write_rows(lenient, [event(1, user_id=evil)], name="a'b.parquet")
    write_rows(lenient, [event(2, user_id=evil) | {"x'y": "1"}], name="c'd.csv")
    load_days(lenient, AS_OF)
    assert dump(lenient, columns="user_id") == [(evil,), (evil,)]
