import json
import math
from pathlib import Path

import numpy as np
import pytest

from pipelines.measure.arms import (
    Sums,
    adjust_by_cuped,
    summarise_mean,
    summarise_ratio,
    summarise_share,
)

CASES = json.loads((Path(__file__).parent / "cases" / "experiments.json").read_text())


def sums_of(y, x=None):
    y = np.asarray(y, dtype=float)
    x = np.zeros_like(y) if x is None else np.asarray(x, dtype=float)
    return Sums(len(y), y.sum(), (y * y).sum(), x.sum(), (x * x).sum(), (x * y).sum())


def test_a_mean_has_the_variance_of_a_sample():
    found = summarise_mean(sums_of([1.0, 3.0, 8.0]))
    assert found.mean == 4.0
    assert found.variance == pytest.approx(np.var([1, 3, 8], ddof=1))


def test_a_share_has_the_variance_of_a_coin():
    found = summarise_share(sums_of([1, 0, 0, 1]))
    assert (found.mean, found.variance) == (0.5, 0.25)


def test_the_variance_of_a_ratio_is_that_of_its_linear_form():
    clicks, shown = np.array([1.0, 0, 4, 2]), np.array([10.0, 3, 20, 11])
    ratio = clicks.sum() / shown.sum()
    # delta method: (y - R x) / mean(x) is one value per user with the same variance
    linear = (clicks - ratio * shown) / shown.mean()
    found = summarise_ratio(sums_of(clicks, shown))
    assert found.mean == pytest.approx(ratio)
    assert found.variance == pytest.approx(np.var(linear, ddof=1))


@pytest.mark.parametrize("case", [case for case in CASES["cuped"]["cases"]], ids=str)
def test_cuped_has_the_published_spread(case):
    arms = [Sums(*(case[arm][name] for name in ("n", "y", "yy", "x", "xx", "xy"))) for arm in "ab"]
    found = adjust_by_cuped(*arms, is_share=case.get("binary", False))
    for arm, adjusted in zip("ab", found, strict=True):
        if f"adj_sd_{arm}" in case:
            assert adjusted.variance**0.5 == pytest.approx(case[f"adj_sd_{arm}"], abs=case["tol"])


def test_cuped_takes_out_what_the_covariate_explains():
    x = np.array([0.0, 1, 2, 3, 4, 5])
    first, second = adjust_by_cuped(sums_of(2 * x, x), sums_of(2 * x[::-1] + 1, x[::-1]))
    # Y = 2 X (+ 1 in treatment), so nothing but the effect is left
    assert first.theta == pytest.approx(2.0)
    assert (first.variance, second.variance) == (pytest.approx(0, abs=1e-9),) * 2
    assert second.mean - first.mean == pytest.approx(1.0)


def test_a_covariate_that_does_not_vary_changes_nothing():
    plain = summarise_mean(sums_of([1.0, 5.0]))
    adjusted, _ = adjust_by_cuped(sums_of([1.0, 5.0], [7, 7]), sums_of([2.0, 3.0], [7, 7]))
    assert (adjusted.mean, adjusted.variance, adjusted.theta) == (plain.mean, plain.variance, 0.0)


def test_sums_of_two_arms_are_the_sums_of_all_users():
    assert sums_of([1, 2], [3, 4]) + sums_of([5], [6]) == sums_of([1, 2, 5], [3, 4, 6])


@pytest.mark.parametrize("summarise", [summarise_mean, summarise_share, summarise_ratio])
def test_nobody_has_no_mean(summarise):
    assert math.isnan(summarise(Sums(0, 0.0, 0.0)).mean)


def test_clicks_without_impressions_have_no_ratio():
    assert math.isnan(summarise_ratio(sums_of([0, 0], [0, 0])).mean)
