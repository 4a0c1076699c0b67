from __future__ import annotations

import numpy as np
import pytest

from pipelines.evaluate.intervals import paired_interval
from pipelines.gate.differences import Thresholds, describe_difference, paired_difference
from pipelines.show.figures import format_figure


def test_paired_difference_is_the_mean_of_differences_by_user(contender, thresholds):
    found = paired_difference(
        contender("a", [0.4, 0.6, 0.8]), contender("b", [0.3, 0.3, 0.3]), thresholds
    )
    # differences .1 .3 .5: mean .3, standard error .2/sqrt(3), t(2; .975) = 4.302653
    assert found.value == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - 4.302653 * 0.2 / 3**0.5)
    assert found.user_count == 3


def test_paired_difference_of_chosen_users_looks_at_no_other(contender, thresholds):
    found = paired_difference(
        contender("a", [0.4, 0.4, 0.0]),
        contender("b", [0.3, 0.3, 1.0]),
        thresholds,
        chosen=np.array([True, True, False]),
    )
    assert found.value == pytest.approx(0.1)
    assert found.user_count == 2


@pytest.mark.parametrize(
    "second",
    [
        {"user_ndcg": [0.1, 0.2], "ndcg": None},
        {"user_ndcg": [0.1, 0.2], "user_ids": np.array(["x", "y"])},
    ],
)
def test_paired_difference_is_none_when_the_two_cannot_be_compared(contender, thresholds, second):
    assert (
        paired_difference(contender("a", [0.3, 0.4]), contender("b", **second), thresholds) is None
    )


def test_paired_difference_is_none_for_a_single_user(contender, thresholds):
    assert paired_difference(contender("a", [0.3]), contender("b", [0.2]), thresholds) is None


def test_margin_lowers_the_users_needed(contender, thresholds):
    first, second = contender("a", [0.3, 0.5, 0.2]), contender("b", [0.3, 0.3, 0.3])
    strict = paired_difference(first, second, thresholds)
    lenient = paired_difference(first, second, thresholds, margin=0.2)
    assert lenient.users_needed < strict.users_needed


def test_description_of_a_missed_bound_says_by_how_much_and_how_many_users(contender, thresholds):
    found = paired_difference(
        contender("a", [0.3, 0.5, 0.2]), contender("b", [0.3, 0.3, 0.3]), thresholds
    )
    text = describe_difference(found, thresholds, 0.0)
    assert f"{format_figure(-found.low)} short of 0;" in text
    assert f"about {found.users_needed:,} users would be needed" in text


def test_description_of_a_worse_challenger_says_that_no_number_of_users_helps(
    contender, thresholds
):
    found = paired_difference(contender("a", [0.1, 0.2]), contender("b", [0.3, 0.3]), thresholds)
    assert "no number of users" in describe_difference(found, thresholds, 0.0)


def test_a_night_errs_as_seldom_as_it_says(thresholds):
    # 20,000 nights of two equal candidates: 20,000 * .05 / 365 = 2.7 errors are expected
    rng, count = np.random.default_rng(0), 0
    for _ in range(20):
        ndcg = rng.random((2, 1000, 500)) * (rng.random((2, 1000, 500)) < 0.3)
        count += sum(
            paired_interval(mine, theirs, thresholds.night_confidence).low > 0
            for mine, theirs in zip(*ndcg, strict=True)
        )
    assert thresholds.night_error == pytest.approx(0.05 / 365)
    assert count <= 10


def test_thresholds_come_from_the_gate_and_the_placement(make_settings):
    settings = make_settings(
        gate={"min_users": 7}, placements={"discover": {"ndcg_floor": 0.1, "ndcg_ceiling": 0.6}}
    )
    found = Thresholds.from_settings(settings, "discover")
    assert (found.min_users, found.ndcg_floor, found.ndcg_ceiling, found.k) == (7, 0.1, 0.6, 10)
