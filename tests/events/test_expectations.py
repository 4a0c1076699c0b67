from __future__ import annotations

import re
import warnings
from datetime import date

import pandas as pd
import pytest

from pipelines.base.errors import DataCheckError
from pipelines.events.expectations import Check, run_checks

AS_OF = date(2024, 2, 5)
FRAME = pd.DataFrame({"user_id": ["a", None, "b"], "units": [1, 2, 300]})
NO_NULLS = ("ExpectColumnValuesToNotBeNull", {"column": "user_id"})
FEW_UNITS = ("ExpectColumnValuesToBeBetween", {"column": "units", "max_value": 10})
NO_COLUMN = ("ExpectColumnValuesToNotBeNull", {"column": "nobody"})
THREE_ROWS = ("ExpectTableRowCountToEqual", {"value": 3})


def run(page, *checks):
    return run_checks("events", AS_OF, {"day": FRAME}, checks, page)


def test_checks_are_reported_in_the_order_given(tmp_path):
    report = run(
        tmp_path / "checks.html",
        Check("day", *THREE_ROWS, "critical", "three rows"),
        Check("day", *FEW_UNITS, "warning", "few units"),
        Check("day", *NO_NULLS, "critical", "users are named"),
    )
    assert [result.is_passed for result in report.results] == [True, False, False]
    assert [result.check.meaning for result in report.warnings] == ["few units"]
    assert [result.check.meaning for result in report.failures] == ["users are named"]
    assert report.warnings[0].observed == "1 of 3 rows, such as 300"
    assert report.as_dict()["is_passed"] is False


def test_a_warning_does_not_stop_the_night(tmp_path):
    report = run(tmp_path / "checks.html", Check("day", *FEW_UNITS, "warning", "few units"))
    assert report.require_passed() is report


def test_a_failed_critical_check_stops_the_night_and_says_what_it_found(tmp_path):
    report = run(tmp_path / "checks.html", Check("day", *NO_NULLS, "critical", "users are named"))
    with pytest.raises(DataCheckError, match=r"day: users are named .*found 1 of 3 rows"):
        report.require_passed()


def test_a_check_that_cannot_be_evaluated_is_critical_whatever_its_severity(tmp_path):
    report = run(tmp_path / "checks.html", Check("day", *NO_COLUMN, "warning", "somebody is named"))
    assert "nobody" in (report.failures[0].exception or "")
    with pytest.raises(DataCheckError, match="does not exist"):
        report.require_passed()


def test_a_check_of_an_unknown_frame_is_refused(tmp_path):
    with pytest.raises(DataCheckError, match=r"one of the frames \['day'\]. Found \['night'\]"):
        run(tmp_path / "checks.html", Check("night", *THREE_ROWS, "critical", "three rows"))


def test_the_page_shows_every_check_and_needs_nothing_else(tmp_path):
    page = tmp_path / "docs" / "checks.html"
    page.parent.mkdir()
    page.write_text("of an earlier run")
    report = run(
        page,
        Check("day", *NO_NULLS, "critical", "users are <named>"),
        Check("day", *FEW_UNITS, "warning", "few units"),
        Check("day", *THREE_ROWS, "critical", "three rows"),
    )
    text = page.read_text()
    assert report.page == page and "of an earlier run" not in text
    assert "3 checks, 1 failed and stop the night, 1 warn" in text
    assert "users are &lt;named&gt;" in text and "1 of 3 rows, such as 300" in text
    assert "ExpectColumnValuesToBeBetween(column=units, max_value=10)" in text
    assert not re.search(r"https?://|src=|<link", text)


def test_the_frame_and_the_warning_filters_are_left_as_they_were(tmp_path):
    before, filters = FRAME.copy(), list(warnings.filters)
    run(tmp_path / "checks.html", Check("day", *THREE_ROWS, "critical", "three rows"))
    pd.testing.assert_frame_equal(FRAME, before)
    assert list(warnings.filters) == filters
