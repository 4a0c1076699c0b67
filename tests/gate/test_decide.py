from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipelines.evaluate.intervals import paired_interval
from pipelines.gate.contenders import Contender
from pipelines.gate.decide import REQUIRED_RULES, decide

CASES = json.loads((Path(__file__).parent / "cases" / "never_pass.json").read_text())["cases"]


def by_name(decision, rule, subject="all"):
    return next(one for one in decision.rules if (one.rule, one.subject) == (rule, subject))


def number(value):
    return float(value["number"]) if isinstance(value, dict) else value


def measured(name: str, value: object, user_count: int) -> Contender:
    """Every user at the reported value where it is a number, else at .3 behind a bad report."""
    is_number = isinstance(value, float) and not isinstance(value, bool)
    return Contender(
        name,
        f"spec-{name}",
        run_id=f"run-{name}",
        ndcg=value,
        coverage=0.5,
        user_ids=np.array([f"u{n:05d}" for n in range(user_count)], dtype=str),
        user_ndcg=np.full(user_count, value if is_number else 0.3, dtype=np.float64),
        segments=np.full(user_count, "light"),
    )


@pytest.fixture
def worlds(contender, thresholds):
    """A champion at .3, a baseline at .1, and a challenger clearly better than both."""
    return {
        "challenger": contender("ease", [0.5, 0.51, 0.52, 0.5]),
        "champion": contender("item_knn", [0.3] * 4),
        "baselines": [contender("popularity", [0.1] * 4)],
        "thresholds": thresholds,
    }


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_values_that_must_never_pass_do_not(case, thresholds):
    count = case.get("user_count", 1000)
    champion = number(case["champion"])
    baseline = measured("popularity", 0.1, count)
    asked = {
        "challenger": measured("ease", number(case["challenger"]), count),
        "champion": None if champion is None else measured("item_knn", champion, count),
        "baselines": [baseline],
        "thresholds": thresholds,
    }
    assert decide("discover", **asked).is_promoted is (case["must"] == "promote")
    if case["must"] == "refuse unless bootstrapped":
        assert decide("discover", **asked, bootstrap=baseline).is_promoted is True


def test_clear_winner_is_promoted_and_the_reason_says_by_how_much(worlds):
    decision = decide("discover", **worlds)
    assert decision.is_promoted is True
    assert (decision.champion_before, decision.champion_after) == ("item_knn", "ease")
    assert decision.reason.startswith("ease replaces item_knn: NDCG@10 +.2075 [")
    assert {rule.rule for rule in decision.rules if rule.is_passed} >= REQUIRED_RULES


def test_champion_challenging_itself_stays(worlds, contender):
    itself = contender("item_knn", [0.3, 0.4, 0.5, 0.6])
    twin = replace(itself, name="item_knn_again")
    decision = decide("discover", **{**worlds, "champion": itself, "challenger": twin})
    assert decision.champion_after == "item_knn"
    assert by_name(decision, "differs_from_champion").is_passed is False
    assert by_name(decision, "beats_champion").low == 0.0


def test_same_specification_stays_even_with_better_figures(worlds):
    champion = replace(worlds["champion"], spec_hash="spec-ease")
    decision = decide("discover", **{**worlds, "champion": champion})
    assert [rule.rule for rule in decision.failed_rules] == ["differs_from_champion"]


def test_worse_on_purpose_is_refused_and_the_reason_says_by_how_much(worlds, contender):
    worse = contender("ease", [0.2, 0.21, 0.22, 0.2])
    decision = decide("discover", **{**worlds, "challenger": worse})
    assert decision.champion_after == "item_knn"
    assert decision.reason.startswith("item_knn stays: beats_champion: ease must beat")
    assert "NDCG@10 −.0925" in decision.reason
    assert "no number of users" in decision.reason


def test_better_but_not_provably_is_refused_with_the_users_needed(worlds, contender):
    noisy = contender("ease", [0.9, 0.2, 0.3, 0.3])
    decision = decide("discover", **{**worlds, "challenger": noisy})
    assert decision.is_promoted is False
    needed = by_name(decision, "beats_champion").users_needed
    assert f"about {needed:,} users would be needed" in decision.reason


def test_a_gain_of_one_night_is_not_enough_for_a_year(worlds, contender):
    # 400 users, mean .03, standard error .2 / sqrt(399): three standard errors
    lucky = contender("ease", [0.53, 0.13] * 200)
    worlds |= {"champion": contender("item_knn", [0.3] * 400), "challenger": lucky}
    worlds["baselines"] = [contender("popularity", [0.1] * 400)]
    decision = decide("discover", **worlds, others=[lucky])
    assert [rule.rule for rule in decision.failed_rules] == ["beats_champion"]
    assert by_name(decision, "reported_difference", "ease").low > 0
    assert "(99.97% interval, 400 users)" in decision.reason


def test_a_night_says_what_it_spends(worlds):
    spent = by_name(decide("discover", **worlds), "error_spent")
    assert (spent.threshold, spent.value, spent.is_passed) == (0.05, 0.05 / 365, None)
    assert "tonight spends 0.0137% of the 5% chance" in spent.reason
    nobody = by_name(decide("discover", **{**worlds, "challenger": None}), "error_spent")
    assert nobody.value == 0.0 and "nobody was judged" in nobody.reason


def test_missing_challenger_keeps_the_champion(worlds):
    decision = decide("discover", **{**worlds, "challenger": None})
    assert (decision.challenger, decision.champion_after) == (None, "item_knn")
    assert [rule.rule for rule in decision.failed_rules] == ["challenger_exists"]


@pytest.mark.parametrize("run_id", [None, "", 7])
def test_unlogged_challenger_is_refused(worlds, run_id):
    challenger = replace(worlds["challenger"], run_id=run_id)
    decision = decide("discover", **{**worlds, "challenger": challenger})
    assert [rule.rule for rule in decision.failed_rules] == ["is_logged"]


def test_missing_champion_without_bootstrap_is_refused(worlds):
    decision = decide("discover", **{**worlds, "champion": None})
    assert decision.is_promoted is False
    assert decision.champion_after is None
    assert by_name(decision, "champion_exists").is_passed is False


def test_unevaluated_champion_is_kept(worlds):
    decision = decide("discover", **{**worlds, "champion": Contender("item_knn", "spec")})
    assert decision.champion_after == "item_knn"
    assert "NDCG@10 of item_knn is missing" in decision.reason


def test_bootstrap_stays_when_nobody_beats_it(worlds, contender):
    incumbent = contender("popularity", [0.6] * 4)
    asked = {**worlds, "champion": None, "baselines": [incumbent]}
    decision = decide("discover", **asked, bootstrap=incumbent)
    assert (decision.champion_before, decision.champion_after) == (None, "popularity")


def test_best_baseline_is_judged_and_the_others_are_reported(worlds, contender):
    baselines = [contender("popularity", [0.1] * 4), contender("recent", [0.55] * 4)]
    decision = decide("discover", **{**worlds, "baselines": baselines})
    assert by_name(decision, "beats_baseline", "recent").is_passed is False
    assert by_name(decision, "beats_baseline", "popularity").is_passed is None
    assert by_name(decision, "beats_baseline", "popularity").value == pytest.approx(0.4075)
    assert decision.is_promoted is False


def test_baseline_that_was_not_evaluated_is_a_refusal(worlds):
    baselines = [*worlds["baselines"], Contender("recent", "")]
    decision = decide("discover", **{**worlds, "baselines": baselines})
    failed = {(rule.rule, rule.subject) for rule in decision.failed_rules}
    assert failed == {("metrics_valid", "recent"), ("same_users", "recent")}


def test_no_baseline_at_all_is_a_refusal(worlds):
    decision = decide("discover", **{**worlds, "baselines": []})
    assert "a baseline must be evaluated: none of 0 was" in decision.reason


def test_other_users_are_a_refusal(worlds):
    users = np.array(["a", "b", "c", "d"])
    decision = decide(
        "discover", **{**worlds, "champion": replace(worlds["champion"], user_ids=users)}
    )
    assert by_name(decision, "same_users", "item_knn").is_passed is False
    assert decision.is_promoted is False


def test_fewer_users_than_minimum_are_a_refusal(worlds, thresholds):
    decision = decide("discover", **{**worlds, "thresholds": replace(thresholds, min_users=500)})
    assert [rule.rule for rule in decision.failed_rules] == ["min_users"]
    assert "496 more than there were" in decision.reason


def test_floor_and_ceiling_are_refusals(worlds, thresholds):
    for change, rule in (
        ({"ndcg_floor": 0.6}, "ndcg_floor"),
        ({"ndcg_ceiling": 0.4}, "ndcg_ceiling"),
    ):
        decision = decide("discover", **{**worlds, "thresholds": replace(thresholds, **change)})
        assert [one.rule for one in decision.failed_rules] == [rule]


def test_narrower_coverage_is_a_refusal(worlds):
    narrow = replace(worlds["challenger"], coverage=0.1)
    decision = decide("discover", **{**worlds, "challenger": narrow})
    assert [rule.rule for rule in decision.failed_rules] == ["coverage_not_inferior"]


def test_harmed_segment_is_a_refusal_though_the_mean_is_better(contender, thresholds):
    segments = np.array(["heavy"] * 30 + ["new"] * 3)
    decision = decide(
        "discover",
        challenger=contender("ease", [0.8] * 30 + [0.0] * 3, segments=segments),
        champion=contender("item_knn", [0.3] * 33, segments=segments),
        baselines=[contender("popularity", [0.1] * 33, segments=segments)],
        thresholds=thresholds,
    )
    assert [(one.rule, one.subject) for one in decision.failed_rules] == [
        ("segment_not_inferior", "new")
    ]


def test_differences_of_other_candidates_are_reported_once_each(worlds, contender):
    others = [worlds["challenger"], worlds["champion"], contender("svd", [0.25] * 4)]
    decision = decide("discover", **worlds, others=others)
    reported = [one for one in decision.rules if one.rule == "reported_difference"]
    assert [(one.subject, one.opponent, one.is_passed) for one in reported] == [
        ("ease", "item_knn", None),
        ("svd", "item_knn", None),
    ]


def test_rules_have_one_row_per_rule_and_subject(worlds, contender):
    others = [contender("svd", [0.25] * 4), worlds["baselines"][0]]
    decision = decide("discover", **{**worlds, "champion": worlds["baselines"][0]}, others=others)
    keys = [(one.rule, one.subject) for one in decision.rules]
    assert len(keys) == len(set(keys))


values = arrays.arrays(np.float64, 12, elements=st.floats(0, 1, allow_nan=False))


@given(mine=values, champions=values, baselines=values)
@settings(
    max_examples=200, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_gate_never_promotes_when_a_lower_bound_is_not_above_zero(
    contender, thresholds, mine, champions, baselines
):
    decision = decide(
        "discover",
        challenger=contender("ease", mine),
        champion=contender("item_knn", champions),
        baselines=[contender("popularity", baselines)],
        thresholds=thresholds,
    )
    lows = [
        paired_interval(mine, other, thresholds.night_confidence).low
        for other in (champions, baselines)
    ]
    assert not decision.is_promoted or min(lows) > 0
