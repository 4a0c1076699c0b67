import pandas as pd
import pytest

from pipelines.measure.arms import Sums, summarise_mean
from pipelines.measure.online_metrics import METRICS, summarise_arms, why_too_early
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
    found = why_too_early(METRICS[name], "control", rows)
    assert found is None if reason is None else reason in found
