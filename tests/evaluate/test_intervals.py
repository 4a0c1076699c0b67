from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from scipy import stats

from pipelines.base.errors import SettingsError
from pipelines.evaluate.intervals import (
    Interval,
    mean_interval,
    paired_interval,
    ratio_interval,
    users_needed,
)


def test_interval_of_four_values_by_hand() -> None:
    found = mean_interval(np.array([0.0, 0.0, 1.0, 1.0]), 0.95)

    standard_error = sqrt((4 * 0.25) / 3) / sqrt(4)
    half = 3.182446305284263 * standard_error  # t table: 3 degrees of freedom, 97.5 %
    assert (found.value, found.user_count) == (0.5, 4)
    assert found.standard_error == pytest.approx(standard_error)
    assert (found.low, found.high) == (pytest.approx(0.5 - half), pytest.approx(0.5 + half))


@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_interval_equals_scipy(confidence: float) -> None:
    values = np.random.default_rng(0).random(57)

    expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)

    found = mean_interval(values, confidence)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_interval_of_equal_values_is_a_point() -> None:
    assert mean_interval(np.full(5, 0.1), 0.95) == Interval(0.1, 0.1, 0.1, 0.0, 5)


def test_one_value_has_no_bounds() -> None:
    assert mean_interval(np.array([0.4]), 0.95) == Interval(0.4, None, None, None, 1)


def test_no_values_have_no_mean() -> None:
    assert mean_interval(np.array([]), 0.95) == Interval(None, None, None, None, 0)


def test_nan_is_not_dropped() -> None:
    found = mean_interval(np.array([0.1, np.nan, 0.3]), 0.95)

    assert all(np.isnan([found.value, found.low, found.high]))


def test_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    samples = np.random.default_rng(1).beta(1, 3, (2000, 200))

    found = [mean_interval(row, 0.95) for row in samples]
    covered = np.mean([one.low <= 0.25 <= one.high for one in found])

    assert abs(covered - 0.95) < 4 * sqrt(0.95 * 0.05 / 2000)


def test_paired_difference_is_narrower_than_the_means_suggest() -> None:
    user = np.random.default_rng(2).random(100)
    noise = 0.01 * np.random.default_rng(3).standard_normal(100)

    found = paired_interval(user + 0.05 + noise, user, 0.95)

    assert 0 < found.low < 0.05 < found.high
    assert found.high - found.low < 0.01 < mean_interval(user, 0.95).standard_error


def test_paired_values_of_other_lengths_are_refused() -> None:
    with pytest.raises(SettingsError, match="must be of the same users. Got 3 and 2 values"):
        paired_interval(np.zeros(3), np.zeros(2), 0.95)


def test_users_needed_by_hand() -> None:
    differences = np.array([-0.1, 0.3])  # mean .1, standard deviation .2 * sqrt(2)

    expected = ((1.959964 + 0.841621) * 0.2 * sqrt(2) / 0.1) ** 2  # = 62.8

    assert users_needed(differences, 0.95) == int(expected) + 1 == 63


def test_users_needed_gives_the_power_it_promises() -> None:
    differences = np.random.default_rng(4).normal(0.02, 0.1, 5000)
    n = users_needed(differences, 0.95, power=0.8)
    assert n is not None

    draws = np.random.default_rng(5).choice(differences, (2000, n))
    shown = np.mean([mean_interval(row, 0.95).low > 0 for row in draws])

    assert abs(shown - 0.8) < 0.04


def test_no_number_of_users_shows_a_loss() -> None:
    assert users_needed(np.array([-0.2, 0.1, 0.0]), 0.95) is None
    assert users_needed(np.array([0.0, 0.0]), 0.95) is None
    assert users_needed(np.array([np.nan, 0.1]), 0.95) is None


def test_one_difference_says_nothing() -> None:
    assert users_needed(np.array([0.2]), 0.95) is None


def test_equal_positive_differences_need_two_users() -> None:
    assert users_needed(np.array([0.2, 0.2, 0.2]), 0.95) == 2


# ratios


def test_ratio_of_means_with_the_error_of_its_residuals() -> None:
    shown, before = np.array([2.0, 3.0, 4.0, 5.0]), np.array([1.0, 2.0, 1.0, 2.0])

    found = ratio_interval(shown, before, 0.95)

    ratio = 14 / 6
    residuals = (shown - ratio * before) / 1.5
    half = mean_interval(residuals, 0.95).high
    assert found.value == pytest.approx(ratio)
    assert (found.low, found.high) == (pytest.approx(ratio - half), pytest.approx(ratio + half))


def test_ratio_to_nothing_is_unknown() -> None:
    assert ratio_interval(np.ones(3), np.zeros(3), 0.95).value is None
    assert ratio_interval(np.array([]), np.array([]), 0.95).value is None


def test_ratio_of_one_user_has_no_bounds() -> None:
    found = ratio_interval(np.array([3.0]), np.array([2.0]), 0.95)

    assert (found.value, found.low, found.high) == (1.5, None, None)


def test_interval_of_a_ratio_holds_the_true_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(1000):
        before = rng.gamma(4.0, 1.0, 200)
        found = ratio_interval(before * rng.normal(1.5, 0.5, 200), before, 0.95)
        held += found.low <= 1.5 <= found.high
    assert abs(held / 1000 - 0.95) < 4 * sqrt(0.95 * 0.05 / 1000)
