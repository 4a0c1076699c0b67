"""The analysis on worlds whose truth is known; the proofs run larger under `make prove`."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import norm

from pipelines.measure.analysis import ALL_USERS, LISTS_EQUAL, analyse_units
from pipelines.measure.arms import Sums, summarise_mean
from pipelines.measure.effects import compare_at_any_time, compare_at_the_end, lift_of
from pipelines.measure.experiment_text import health_lines
from pipelines.measure.online_metrics import METRICS, summarise_arms
from pipelines.measure.units import check_units
from tests.measure.conftest import NIGHT, make_experiment, make_units


def analyse(experiment, units):
    return analyse_units(experiment, check_units(units, experiment, NIGHT), NIGHT)


def effect_of(report, metric, population=ALL_USERS, arm="ease"):
    (found,) = [
        row
        for row in report["effects"]
        if (row["metric"], row["population"], row["arm"]) == (metric, population, arm)
    ]
    return found


def arms_of(units):
    return [units[units["variant"] == arm] for arm in ("control", "ease")]


def test_a_large_lift_is_shipped():
    experiment = make_experiment()
    report = analyse(experiment, make_units(experiment, 20_000, lift=0.5))
    assert [row["verdict"] for row in report["decisions"]] == ["ship"]
    conversion = effect_of(report, "conversion")
    assert conversion["low"] < 0.5 < conversion["high"]


def test_a_large_loss_is_rolled_back():
    experiment = make_experiment()
    report = analyse(experiment, make_units(experiment, 20_000, lift=-0.5))
    assert [row["verdict"] for row in report["decisions"]] == ["roll back"]


def test_nothing_is_shown_at_fault():
    experiment = make_experiment()
    units = make_units(experiment, 2000, lift=0.5)
    units.loc[:20, "bucket"] += 1
    report = analyse(experiment, units)
    assert report["effects"] == []
    assert report["decisions"][0]["verdict"] == "void"
    assert "u0" in report["decisions"][0]["reason"]


def test_a_few_doubted_users_are_named_and_the_rest_decides():
    experiment = make_experiment()
    units = make_units(experiment, 2000, lift=0.5)
    units.loc[:19, "variant"] = None
    report = analyse(experiment, units)
    assert report["health"]["excluded_users"] == 20 and report["health"]["is_healthy"]
    assert report["health"]["doubts"] == ["20 users served without an arm: u0, u1, u2 and 17 more"]
    assert report["effects"] and report["decisions"][0]["verdict"] != "void"
    assert any("served without an arm" in line for line in health_lines(report))


def test_the_fixed_interval_waits_for_the_planned_users():
    experiment = make_experiment(expected_users=4000)
    before = effect_of(analyse(experiment, make_units(experiment, 3999)), "ctr")
    after = effect_of(analyse(experiment, make_units(experiment, 4000)), "ctr")
    assert before["fixed"]["low"] is None and "planned users" in before["fixed"]["reason"]
    assert after["low"] < after["fixed"]["low"] < after["fixed"]["high"] < after["high"]


def test_users_with_equal_lists_are_an_aa_test_of_their_own():
    experiment = make_experiment()
    units = make_units(experiment, 8000)
    report = analyse(experiment, units)
    equal = effect_of(report, "ctr", LISTS_EQUAL)
    assert equal["user_count"] == (~units["lists_differ"]).sum()
    assert equal["low"] < 0 < equal["high"]


@pytest.mark.parametrize("count", [0, 1, 2, 150])
def test_little_or_no_traffic_is_reported_without_nan(count):
    experiment = make_experiment()
    report = analyse(experiment, make_units(experiment, count))
    text = json.dumps(report, allow_nan=False)
    assert "nothing is shown before" in text
    assert report["decisions"][0]["verdict"] == "continue"


def test_every_user_buying_the_same_has_a_reason_and_no_nan():
    experiment = make_experiment()
    units = make_units(experiment, 2000).assign(purchase_count=1, revenue=5.0, revenue_before=0.0)
    units["purchase_count_before"] = 0
    report = analyse(experiment, units)
    assert json.dumps(report, allow_nan=False)
    assert "no variance" in effect_of(report, "revenue")["reason"]


def test_three_arms_share_the_error_by_holm():
    arms = [
        {"name": "control", "weight": 0.34},
        {"name": "ease", "weight": 0.33, "candidate": "ease"},
        {"name": "knn", "weight": 0.33, "candidate": "knn"},
    ]
    experiment = make_experiment(arms=arms)
    report = analyse(experiment, make_units(experiment, 9000))
    for metric in METRICS:
        p_values = [effect_of(report, metric, arm=arm)["p_value"] for arm in ("ease", "knn")]
        adjusted = [effect_of(report, metric, arm=arm)["holm_p_value"] for arm in ("ease", "knn")]
        assert min(adjusted) == pytest.approx(min(1.0, 2 * min(p_values)))


def test_guardrails_share_the_error():
    rails = [{"metric": "revenue", "margin": 0.2}, {"metric": "ctr", "margin": 0.2}]
    alone, shared = (make_experiment(guardrails=some) for some in (rails[:1], rails))
    units = make_units(alone, 6000)
    for metric, is_wider in (("revenue", True), ("conversion", False)):
        one, two = (
            effect_of(analyse(experiment, units.assign(config_hash=experiment.config_hash)), metric)
            for experiment in (alone, shared)
        )
        assert (two["low"] < one["low"]) is is_wider
        assert (two["difference"]["high"] > one["difference"]["high"]) is is_wider


def test_order_of_users_does_not_matter():
    experiment = make_experiment()
    units = make_units(experiment, 3000)
    shuffled = units.sample(frac=1, random_state=1)
    assert effect_of(analyse(experiment, shuffled), "ctr")["estimate"] == pytest.approx(
        effect_of(analyse(experiment, units), "ctr")["estimate"], rel=1e-12
    )


def false_positives(n_salts, n_users):
    """Share of A/A tests that find something: by user, and by the naive test of impressions."""
    experiment = make_experiment("salt-0")
    units = make_units(experiment, n_users, seed=5)
    found = np.zeros(2)
    for salt in range(n_salts):
        salted = make_experiment(f"salt-{salt}")
        units["variant"] = [salted.assign(user)[0] for user in units["user_id"]]
        arms = arms_of(units)
        effect = compare_at_the_end(
            *summarise_arms(METRICS["ctr"], *arms), alpha=0.05, relative=False
        )
        found += [effect.p_value < 0.05, naive_p_value(*arms) < 0.05]
    return found / n_salts


def naive_p_value(control, treatment):
    """Two-proportion z-test that takes every impression for a unit of its own."""
    clicks = [arm["click_count"].sum() for arm in (control, treatment)]
    shown = [arm["impression_count"].sum() for arm in (control, treatment)]
    pooled = sum(clicks) / sum(shown)
    error = math.sqrt(pooled * (1 - pooled) * sum(1 / n for n in shown))
    return 2 * norm.sf(abs(clicks[1] / shown[1] - clicks[0] / shown[0]) / error)


def test_false_alarms_of_aa_tests_are_as_stated():
    delta, naive = false_positives(120, 1500)
    print(f"A/A over 120 salts: by user {delta:.1%}, naive {naive:.1%}")
    assert delta < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 120)
    assert naive > delta


@pytest.mark.prove
def test_false_alarms_of_aa_tests_over_500_salts():
    delta, naive = false_positives(500, 4000)
    print(f"A/A over 500 salts: by user {delta:.2%} (asked 3.5 to 6.5), naive {naive:.2%} (> 10)")
    assert 0.035 <= delta <= 0.065
    assert naive > 0.10


def power_and_coverage(n_runs, n_users, lift):
    """Share of runs that find a lift, and whose interval holds it, at the planned users."""
    experiment = make_experiment(goal="ctr", expected_users=n_users)
    found = np.zeros(2)
    for run in range(n_runs):
        units = make_units(experiment, n_users, lift=lift, seed=1000 + run)
        arms = summarise_arms(METRICS["ctr"], *arms_of(units))
        effect = lift_of(compare_at_the_end(*arms, alpha=0.05, relative=False), *arms)
        found += [effect.low > 0, effect.low <= lift <= effect.high]
    return found / n_runs


def test_a_lift_is_found_and_its_interval_holds_the_truth():
    power, coverage = power_and_coverage(25, 6000, 0.1)
    print(f"lift of 10 % in 25 runs: found in {power:.0%}, inside in {coverage:.0%}")
    assert power > 0.5 and coverage > 0.8


@pytest.mark.prove
def test_a_lift_is_found_and_its_interval_holds_the_truth_in_200_runs():
    power, coverage = power_and_coverage(200, 8000, 0.1)
    print(f"200 runs: found {power:.1%} (asked 75), inside {coverage:.1%} (asked 93)")
    assert power >= 0.75 and coverage >= 0.93


def errors_over_looks(n_runs, n_users, sigma, looks=8):
    """Share of A/A experiments on skewed revenue that any look finds better, and worse."""
    found = np.zeros(2)
    for run in range(n_runs):
        rng = np.random.default_rng(run)
        is_treated, spent = rng.random(n_users) < 0.5, rng.lognormal(2.0, sigma, n_users)
        wrong = np.zeros(2, dtype=bool)
        for n in range(n_users // looks, n_users + 1, n_users // looks):
            arms = [
                summarise_mean(Sums(len(y), y.sum(), y @ y))
                for y in (spent[:n][~is_treated[:n]], spent[:n][is_treated[:n]])
            ]
            seen = compare_at_any_time(*arms, alpha=0.05, relative=False, planned_users=n_users)
            lift = lift_of(seen, *arms)
            wrong |= [seen.low > 0, seen.high < 0]
            assert lift.low is None or (lift.low > 0, lift.high < 0) == (
                seen.low > 0,
                seen.high < 0,
            )
        found += wrong
    return found / n_runs


def test_skewed_revenue_errs_on_neither_side():
    # 300 experiments: three errors of a share of 3 % are 3 %
    better, worse = errors_over_looks(300, 1500, sigma=1.6)
    print(f"A/A of log-normal revenue in 300 runs: better {better:.1%}, worse {worse:.1%}")
    assert better <= 0.03 and worse <= 0.03


def alarms(n_runs, n_users, lost_share):
    """Runs whose sample ratio alarms when a share of one arm's users is lost."""
    count = 0
    for run in range(n_runs):
        experiment = make_experiment(f"run-{run}")
        variant = np.array([experiment.assign(f"u{n}")[0] for n in range(n_users)])
        treated = int((variant == "ease").sum())
        rng = np.random.default_rng(run)
        kept = treated - rng.binomial(treated, lost_share)
        users = {"control": int((variant == "control").sum()), "ease": kept}
        from pipelines.measure.units import check_sample_ratio

        count += check_sample_ratio(users, {"control": 0.5, "ease": 0.5}).is_alarm
    return count


def test_lost_exposures_alarm_and_sound_ones_do_not():
    assert alarms(5, 20_000, 0.10) == 5
    assert alarms(5, 20_000, 0.0) == 0


@pytest.mark.prove
def test_five_percent_of_an_arm_lost_alarms_in_95_of_100():
    with_loss, without = alarms(100, 50_000, 0.05), alarms(100, 50_000, 0.0)
    print(f"5 % lost: {with_loss} of 100 alarm (asked 95); nothing lost: {without} (at most 1)")
    assert with_loss >= 95 and without <= 1
