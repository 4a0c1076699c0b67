from __future__ import annotations

from datetime import date

import duckdb
import pytest

from pipelines.audit.findings import ListFile


@pytest.fixture
def file(shop):
    with duckdb.connect() as connection:
        yield ListFile(connection, shop, date(2024, 3, 10), "discover", "control", last=None)


def test_a_finding_carries_the_names_of_its_file(file):
    found = file.none_found("ranks", 0.0, "gaps")
    assert (found.placement, found.variant, found.rule) == ("discover", "control", "ranks")
    assert found.passed and found.threshold == "0"


@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), 0.49])
def test_a_lower_bound_is_not_met_by_what_is_no_number_or_less(file, value):
    assert not file.at_least("coverage_ratio", 0.5, value, "").passed


@pytest.mark.parametrize("value", [None, float("nan"), float("-inf"), 0.81])
def test_an_upper_bound_is_not_met_by_what_is_no_number_or_more(file, value):
    assert not file.at_most("item_share", 0.8, value, "").passed


def test_bounds_include_themselves(file):
    assert file.at_least("coverage_ratio", 0.5, 0.5, "").passed
    assert file.at_most("item_share", 0.8, 0.8, "").passed


def test_value_reads_one_number_or_none(file):
    assert file.value("select 1 + $1", 2) == 3
    assert file.value("select null") is None
