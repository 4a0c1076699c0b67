from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from pipelines.serve.log.clock import day_number, iso, parse_utc, utc_now


def test_moments_are_written_in_utc_with_all_their_digits_and_read_back():
    moment = datetime(2024, 3, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))
    assert iso(moment) == "2024-02-29T23:02:03.000000Z"
    assert parse_utc(iso(moment)) == moment


def test_a_bare_time_counts_as_utc():
    assert parse_utc("2024-03-01T00:00:00") == datetime(2024, 3, 1, tzinfo=UTC)


def test_what_is_no_time_is_refused():
    with pytest.raises(ValueError, match="yesterday"):
        parse_utc("yesterday")


def test_days_are_numbered_from_1970():
    assert (day_number(date(1970, 1, 1)), day_number(date(1970, 3, 1))) == (0, 59)


def test_the_clock_is_in_utc():
    assert utc_now().tzinfo is UTC
