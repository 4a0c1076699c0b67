from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from pipelines.events.values import create_macros


@pytest.fixture(scope="module")
def read():
    connection = duckdb.connect()
    connection.execute("set TimeZone = 'UTC'")
    create_macros(connection)
    return lambda form, text: connection.execute(f"select {form}", {"text": text}).fetchone()[0]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2024-03-01", datetime(2024, 3, 1)),
        ("2024-03-01 10:00", datetime(2024, 3, 1, 10)),
        ("2024/3/1 10:00:00", datetime(2024, 3, 1, 10)),
        ("2024.03.01", datetime(2024, 3, 1)),
        ("2024-03-01T10:00:00Z", datetime(2024, 3, 1, 10)),
        ("2024-03-01 10:00:00 UTC", datetime(2024, 3, 1, 10)),
        ("2024-03-01 23:30:00 -0500", datetime(2024, 3, 2, 4, 30)),
        ("2024-03-01T10:00:00.25+05:30", datetime(2024, 3, 1, 4, 30, 0, 250_000)),
        ("2024-03-01T10:00:00,25-05", datetime(2024, 3, 1, 15, 0, 0, 250_000)),
        ("2024-03-01 1:05 PM", datetime(2024, 3, 1, 13, 5)),
        ("20240301", datetime(2024, 3, 1)),
        ("20240301103000", datetime(2024, 3, 1, 10, 30)),
        ("1709287200", datetime(2024, 3, 1, 10)),
        ("1709287200.5", datetime(2024, 3, 1, 10, 0, 0, 500_000)),
        ("1.7092872e9", datetime(2024, 3, 1, 10)),
        ("1709287200123", datetime(2024, 3, 1, 10, 0, 0, 123_000)),
        ("1709287200123456", datetime(2024, 3, 1, 10, 0, 0, 123_456)),
        ("1709287200123456789", datetime(2024, 3, 1, 10, 0, 0, 123_456)),
    ],
)
def test_a_time_of_one_reading_is_read(read, text, utc):
    assert read("as_time($text, 'UTC')", text) == utc


@pytest.mark.parametrize(
    "text",
    (
        *("", "NA", "soon", "0", "6", "24", "1450", "10:30", "infinity", "2024-13-01", "0x1F"),
        *("03/04/2024", "10-11-12", "2024-02-30", "2024-03-01 25:00", "-1709287200", "170928720"),
    ),
)
def test_what_is_no_time_or_has_two_readings_is_none(read, text):
    assert read("as_time($text, 'UTC')", text) is None


def test_a_time_without_an_offset_is_of_the_zone(read):
    assert read("as_time($text, 'Europe/Berlin')", "2024-07-01 12:00") == datetime(2024, 7, 1, 10)
    assert read("as_time($text, 'Europe/Berlin')", "2024-07-01 12:00Z") == datetime(2024, 7, 1, 12)
    assert read("as_time($text, 'Europe/Berlin')", "20240701120000") == datetime(2024, 7, 1, 10)
    assert read("as_time($text, 'Europe/Berlin')", "1719828000") == datetime(2024, 7, 1, 10)


def test_an_order_of_day_and_month_is_taken_as_said(read):
    assert read("as_time(day_first($text), 'UTC')", "3/4/2024 10:00") == datetime(2024, 4, 3, 10)
    assert read("as_time(month_first($text), 'UTC')", "3/4/2024 1:05 PM") == datetime(
        2024, 3, 4, 13, 5
    )
    assert read("as_time(month_first($text), 'UTC')", "13.11.2000") is None


@pytest.mark.parametrize(
    ("text", "plain", "pointed", "comma"),
    [
        ("12.90", 12.9, 12.9, None),
        ("-1e3", -1000.0, -1000.0, None),
        ("12,90", None, None, 12.9),
        ("1,234", None, 1234.0, 1.234),
        ("1.234", 1.234, 1.234, 1234.0),
        ("1.234,50", None, None, 1234.5),
        ("1 234,50", None, None, 1234.5),
        ("$10,200.50", None, 10200.5, None),
        ("-€12,90", None, None, -12.9),
        ("12.90 EUR", 12.9, 12.9, None),
        ("10,200,300", None, 10200300.0, None),
        ("12,345,67", None, None, None),
        ("(12)", None, None, None),
        ("0x1F", None, None, None),
        ("1_000", None, None, None),
        ("nan", None, None, None),
        ("12.90 per kg", None, None, None),
    ],
)
def test_numbers_are_read_by_their_marks(read, text, plain, pointed, comma):
    found = [
        read(f"{macro}(without_currency($text))", text)
        for macro in ("as_number", "as_pointed_number", "as_comma_number")
    ]
    assert found == [plain, pointed, comma]


def test_titles_lose_control_characters_and_ids_keep_them_to_be_refused(read):
    assert read("as_title($text)", " a\x00\x1b[31m b\u202e ") == "a [31m b"
    assert read("as_id($text)", " a\x00b ") == "a\x00b"
    assert read("as_id($text)", "¡\x00b") == "¡\x00b"


@pytest.mark.parametrize(
    ("text", "flag"), [("TRUE", True), ("in stock", True), ("0", False), ("n", False), ("?", None)]
)
def test_flags_are_words(read, text, flag):
    assert read("as_flag($text)", text) is flag
