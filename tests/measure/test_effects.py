import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from pipelines.measure.arms import (
    ArmSummary,
    Sums,
    adjust_by_cuped,
    summarise_mean,
    summarise_ratio,
    summarise_share,
)
from pipelines.measure.effects import (
    Effect,
    adjust_by_holm,
    compare_at_any_time,
    compare_at_the_end,
    lift_of,
    users_per_arm_needed,
)

CASES = json.loads((Path(__file__).parent / "cases" / "experiments.json").read_text())


def arm_of(case, arm):
    given = case[arm]
    summarise = summarise_share if case.get("binary") else summarise_mean
    return summarise(Sums(given["n"], given["sum"], given.get("sum_sq", given["sum"])))


def agrees(case, effect):
    """Every figure of a published case equals ours within its tolerance."""
    wanted = {
        "est": effect.estimate,
        "se": effect.standard_error,
        "p": effect.p_value,
        "ci_low": effect.low,
        "ci": [effect.low, effect.high],
    }
    compared = [name for name in wanted if name in case]
    for name in compared:
        assert wanted[name] == pytest.approx(case[name], abs=case["tol"]), name
    return bool(compared)


@pytest.mark.parametrize("case", CASES["welch"]["cases"], ids=str)
def test_welch_equals_the_published_figures(case):
    effect = compare_at_the_end(
        arm_of(case, "a"), arm_of(case, "b"), alpha=0.05, relative=case["relative"]
    )
    assert agrees(case, effect)


@pytest.mark.parametrize("case", CASES["ratio"]["cases"], ids=str)
def test_a_ratio_equals_the_published_figures(case):
    first, second = (
        summarise_ratio(Sums(*(case[arm][name] for name in ("n", "m", "mm", "d", "dd", "md"))))
        for arm in "ab"
    )
    assert (first.mean, second.mean) == pytest.approx((case["mean_a"], case["mean_b"]))
    assert agrees(case, compare_at_the_end(first, second, alpha=0.05, relative=case["relative"]))


@pytest.mark.parametrize(
    "case", [case for case in CASES["cuped"]["cases"] if "est" in case], ids=str
)
def test_cuped_equals_the_published_figures(case):
    arms = adjust_by_cuped(
        *(Sums(*(case[arm][name] for name in ("n", "y", "yy", "x", "xx", "xy"))) for arm in "ab"),
        is_share=case.get("binary", False),
    )
    assert agrees(case, compare_at_the_end(*arms, alpha=0.05, relative=True))


@pytest.mark.parametrize("case", CASES["confidence_sequence"]["cases"], ids=str)
def test_the_confidence_sequence_equals_the_published_figures(case):
    effect = compare_at_any_time(
        arm_of(case, "a"),
        arm_of(case, "b"),
        alpha=case["alpha"],
        relative=case["relative"],
        planned_users=case["Nstar"],
    )
    assert agrees(case, effect)


@pytest.mark.parametrize("case", CASES["multiple_testing"]["cases"], ids=str)
def test_holm_equals_the_published_figures(case):
    assert adjust_by_holm(case["p"]) == pytest.approx(case["adj"])


def power_of(difference, variance, control_users, treatment_users, *, alpha):
    """Chance to find a given absolute difference with a two-sided z-test."""
    harmonic = control_users * treatment_users / (control_users + treatment_users)
    signal = abs(difference) / math.sqrt(variance) * math.sqrt(harmonic)
    z = norm.ppf(1 - alpha / 2)
    return norm.cdf(signal - z) + norm.cdf(-signal - z)


@pytest.mark.parametrize("case", CASES["power"]["cases"], ids=str)
def test_power_equals_the_published_figures(case):
    found = power_of(case["mde"], case["var"], case["n1"], case["n2"], alpha=case["alpha"])
    assert found == pytest.approx(case["power"], abs=case["tol"])


def test_the_users_needed_have_the_power_asked_for():
    users = users_per_arm_needed(4.0, 0.1, alpha=0.05, power=0.8)
    assert power_of(0.1, 4.0, users, users, alpha=0.05) == pytest.approx(0.8, abs=1e-4)


def test_a_sequence_is_wider_than_one_planned_look():
    first, second = (ArmSummary(500, mean, 1.0, mean, 1.0) for mean in (1.0, 1.2))
    once = compare_at_the_end(first, second, alpha=0.05, relative=False)
    always = compare_at_any_time(first, second, alpha=0.05, relative=False, planned_users=1000)
    assert always.low < once.low < once.high < always.high


def test_thirty_looks_at_nothing_seldom_find_something():
    # 400 null experiments, looked at each morning for 30 days: the fixed test errs on a fourth.
    rng = np.random.default_rng(3)
    values = rng.normal(size=(400, 2, 30 * 40))
    found = {"fixed": 0, "sequence": 0}
    for experiment in values:
        hits = dict.fromkeys(found, False)
        for day in range(1, 31):
            arms = [
                summarise_mean(Sums(day * 40, arm[: day * 40].sum(), (arm[: day * 40] ** 2).sum()))
                for arm in experiment
            ]
            looks = {
                "fixed": compare_at_the_end(*arms, alpha=0.05, relative=False),
                "sequence": compare_at_any_time(
                    *arms, alpha=0.05, relative=False, planned_users=2400
                ),
            }
            hits |= {
                name: hits[name] or not look.low <= 0 <= look.high for name, look in looks.items()
            }
        found = {name: found[name] + hits[name] for name in found}
    print(f"false alarms in 400: {found}")
    assert found["fixed"] > 400 * 0.18
    assert found["sequence"] < 400 * 0.05


def test_a_lift_has_the_bounds_of_fieller():
    # without a covariate: (b - L a)² = c² (v_b + L² v_a), L = 1 + lift
    a, b = ArmSummary(500, 2.0, 9.0, 2.0, 9.0), ArmSummary(400, 2.4, 12.0, 2.4, 12.0)
    difference = compare_at_the_end(a, b, alpha=0.05, relative=False)
    c = (difference.high - difference.estimate) / difference.standard_error
    lift = lift_of(difference, a, b)
    assert lift.estimate == pytest.approx(0.2)
    for bound in (lift.low, lift.high):
        ratio = 1 + bound
        error = math.sqrt(12.0 / 400 + ratio**2 * 9.0 / 500)
        assert abs(2.4 - ratio * 2.0) == pytest.approx(c * error)


@given(st.floats(-0.6, 0.6), st.floats(0.0, 0.9))
def test_a_lift_is_told_apart_exactly_where_the_difference_is(true_lift, correlation):
    # y = 1 with variance 4 in control; a covariate explains some of it
    theta = 2 * correlation
    rest = 4.0 - theta**2
    a = ArmSummary(900, 1.0, rest, 1.0, 4.0, 1.0, theta, theta)
    b = ArmSummary(1100, 1.0 + true_lift, rest, 1.0 + true_lift, 4.0, 1.0, theta, theta)
    difference = compare_at_any_time(a, b, alpha=0.05, relative=False, planned_users=2000)
    lift = lift_of(difference, a, b)
    assert lift.low < lift.estimate < lift.high
    assert (lift.low > 0, lift.high < 0) == (difference.low > 0, difference.high < 0)
    assert lift.p_value == difference.p_value


def test_a_lift_needs_a_mean_that_is_told_apart_from_zero():
    a, b = ArmSummary(100, 0.1, 9.0, 0.1, 9.0), ArmSummary(100, 3.0, 9.0, 3.0, 9.0)
    difference = compare_at_the_end(a, b, alpha=0.05, relative=False)
    lift = lift_of(difference, a, b)
    assert difference.low > 0 and lift.low is None
    assert "not told apart from zero" in lift.reason


def test_a_lift_of_nothing_has_its_reason():
    nothing = Effect(reason="control has 0 users")
    arm = ArmSummary(0, math.nan, math.nan, math.nan, math.nan)
    assert lift_of(nothing, arm, arm) == nothing


DEGENERATE = {
    "nobody": (Sums(0, 0, 0), Sums(9, 9, 12), "control has 0 users"),
    "one user": (Sums(9, 9, 12), Sums(1, 1, 1), "treatment has 1 users"),
    "no variance": (Sums(4, 8, 16), Sums(9, 9, 12), "control has no variance"),
    "no mean": (Sums(4, 0, 6), Sums(9, 9, 12), "mean is zero"),
}


@pytest.mark.parametrize(("control", "treatment", "reason"), DEGENERATE.values(), ids=DEGENERATE)
def test_what_has_no_effect_says_why(control, treatment, reason):
    arms = (summarise_mean(control), summarise_mean(treatment))
    once = compare_at_the_end(*arms, alpha=0.05, relative=True)
    always = compare_at_any_time(*arms, alpha=0.05, relative=True, planned_users=100)
    for effect in (once, always):
        assert effect.estimate is effect.low is effect.high is effect.p_value is None
        assert reason in effect.reason


def test_a_ratio_without_denominator_says_so():
    empty, full = summarise_ratio(Sums(5, 0, 0)), summarise_ratio(Sums(5, 3, 3, 9, 21, 7))
    effect = compare_at_the_end(empty, full, alpha=0.05, relative=False)
    assert effect.reason == "control has a denominator of zero"


@given(
    st.lists(st.floats(0, 1e6), min_size=0, max_size=6),
    st.lists(st.floats(0, 1e6), min_size=0, max_size=6),
    st.booleans(),
)
def test_no_figure_is_ever_nan(control, treatment, relative):
    arms = [
        summarise_mean(Sums(len(y), math.fsum(y), math.fsum(v * v for v in y)))
        for y in (control, treatment)
    ]
    effect = compare_at_the_end(*arms, alpha=0.05, relative=relative)
    figures = (effect.estimate, effect.standard_error, effect.low, effect.high, effect.p_value)
    assert all(figure is not None and math.isfinite(figure) for figure in figures) or (
        effect.reason and all(figure is None for figure in figures)
    )
