from __future__ import annotations

import pytest

from pipelines.start.looks import look_at


@pytest.mark.parametrize(
    "values",
    [
        ["2024-03-01 10:00:00", "2024-03-02"],
        ["03/04/2024", "04.12.2024 10:00"],
        ["1709251200", "1709251200000"],
        ["20240301", "2024-03-01T10:00:00+01:00"],
    ],
)
def test_values_that_the_door_reads_as_times_are_times(values):
    assert look_at(values).is_time


@pytest.mark.parametrize("values", [["1", "2", "7"], ["Monday", "Tuesday"], []])
def test_other_values_are_none(values):
    assert not look_at(values).is_time


@pytest.mark.parametrize("values", [["12.90", "3"], ["12,90", "3,10"], ["$10,200.50", "€ 4.00"]])
def test_amounts_are_numbers_whatever_their_marks(values):
    look = look_at(values)
    assert look.is_number and not look_at([*values, "x", "y"]).is_number


def test_few_values_that_repeat_can_be_types():
    assert look_at(["view", "buy"] * 5).is_few
    assert not look_at(list("abcdefgh")).is_few
