import json
from pathlib import Path

import pytest

from pipelines.measure.sample_ratio import check_sample_ratio

CASES = json.loads((Path(__file__).parent / "cases" / "experiments.json").read_text())


def by_arm(values):
    return {f"arm{n}": value for n, value in enumerate(values)}


@pytest.mark.parametrize("case", CASES["sample_ratio"]["cases"], ids=str)
def test_the_p_value_equals_the_published_one(case):
    found = check_sample_ratio(by_arm(case["users"]), by_arm(case["weights"]))
    assert found.p_value == pytest.approx(case["p"], abs=case["tol"])


def test_users_in_an_arm_without_weight_are_a_fault_of_their_own():
    found = check_sample_ratio({"a": 500, "b": 500, "off": 1}, {"a": 0.5, "b": 0.5, "off": 0.0})
    assert found.is_alarm and "off" in found.reason


def test_fewer_than_eight_expected_users_say_nothing():
    found = check_sample_ratio({"a": 15, "b": 0}, {"a": 0.5, "b": 0.5})
    assert not found.is_alarm and "not enough data" in found.reason


def test_weights_in_any_unit_are_the_same_weights():
    shares = check_sample_ratio({"a": 310, "b": 98}, {"a": 0.75, "b": 0.25})
    assert check_sample_ratio({"a": 310, "b": 98}, {"a": 3, "b": 1}) == shares


def test_a_lost_half_of_an_arm_alarms():
    assert check_sample_ratio({"a": 1000, "b": 500}, {"a": 0.5, "b": 0.5}).is_alarm


def test_nobody_anywhere_is_no_alarm():
    assert not check_sample_ratio({}, {"a": 0.5, "b": 0.5}).is_alarm
