import pandas as pd
import pytest

from pipelines.measure.arms import Sums, summarise_mean
from pipelines.measure.online_metrics import METRICS, summarise_arms, why_not_yet, why_too_skewed
from tests.measure.conftest import make_units

ROWS = pd.DataFrame(
    {
        "click_count": [1, 0, 2],
        "impression_count": [10, 5, 5],
        "purchase_count": [2, 0, 1],
        "revenue": [7.0, 0.0, 3.0],
        "purchase_count_before": [0, 1, 0],
        "revenue_before": [0.0, 4.0, 0.0],
        "is_mature": [True, True, False],
    }
)


def test_clicks_are_summed_over_all_users():
    assert METRICS["ctr"].sums(ROWS) == Sums(3, 3.0, 5.0, 20.0, 150.0, 20.0)


def test_purchases_count_where_the_days_to_buy_are_over():
    assert METRICS["conversion"].sums(ROWS) == Sums(2, 1.0, 1.0, 1.0, 1.0, 0.0)
    assert METRICS["revenue"].sums(ROWS) == Sums(2, 7.0, 49.0, 4.0, 16.0, 0.0)


def test_cuped_narrows_what_habits_explain(experiment):
    units = make_units(experiment, 4000)
    units["revenue"] = units["revenue_before"] + units["revenue"]
    arms = [units[units["variant"] == arm] for arm in ("control", "ease")]
    plain = [summarise_mean(METRICS["revenue"].sums(arm)) for arm in arms]
    adjusted = summarise_arms(METRICS["revenue"], *arms)
    assert adjusted[0].variance < 0.6 * plain[0].variance


@pytest.mark.parametrize(
    ("name", "count", "reason"),
    [
        ("ctr", 99, "99 users"),
        ("ctr", 100, None),
        ("conversion", 100, "9 users who bought"),
        ("conversion", 101, None),
    ],
)
def test_nothing_is_shown_of_a_handful(name, count, reason):
    rows = pd.DataFrame(
        {
            "click_count": 1,
            "impression_count": 2,
            "purchase_count": [1] * 9 + [0] * (count - 10) + [int(count > 100)],
            "purchase_count_before": 0,
            "is_mature": True,
        },
    )
    found = why_not_yet(METRICS[name], {"control": rows, "ease": rows})
    assert found is None if reason is None else reason in found


def spenders(count, skewness_of_all):
    """Users who buy; one of a hundred spends so much more that it is skewed."""
    much = 100.0 if skewness_of_all else 2.0
    revenue = [much if n % 100 == 0 else 1.0 + n % 2 for n in range(count)]
    return pd.DataFrame({"revenue": revenue, "revenue_before": 0.0, "is_mature": True})


@pytest.mark.parametrize(
    ("control", "treatment", "is_skewed", "is_shown"),
    [(200, 1800, True, False), (1000, 1000, True, True), (200, 1800, False, True)],
)
def test_unequal_arms_of_a_skewed_metric_wait(control, treatment, is_skewed, is_shown):
    arms = {"control": spenders(control, is_skewed), "ease": spenders(treatment, is_skewed)}
    reason = why_not_yet(METRICS["revenue"], arms)
    assert reason is None if is_shown else "too unequal for a metric of skewness 9.8" in reason


def test_clicks_are_as_skewed_as_their_residuals():
    # R = 3 / 20; residuals 1 - 1.5, 0 - .75, 2 - .75
    residuals = pd.Series([-0.5, -0.75, 1.25])
    expected = (residuals**3).mean() / (residuals**2).mean() ** 1.5
    assert METRICS["ctr"].skewness(ROWS) == pytest.approx(expected)


def test_without_a_spread_nothing_is_skewed():
    assert why_too_skewed(METRICS["conversion"].skewness(ROWS[:1]), 100, 900) is None
