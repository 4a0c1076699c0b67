from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from pipelines.base.tables import SERVING_GATE_DECISIONS
from pipelines.gate.gate_rules import (
    GateRule,
    judge_better,
    judge_coverage,
    judge_metrics,
    judge_min_users,
    judge_range,
    judge_same_users,
    judge_segments,
    report_difference,
)


def test_rule_has_a_column_for_each_of_its_fields():
    of_the_night = {"as_of", "placement", "challenger"}
    assert {field.name for field in fields(GateRule)} == set(
        SERVING_GATE_DECISIONS.columns
    ) - of_the_night


def test_metrics_valid_fails_when_a_figure_is_missing(contender, thresholds):
    rule = judge_metrics(contender("a", [0.1, 0.2], coverage=None), thresholds)
    assert rule.is_passed is False
    assert "coverage of a is missing" in rule.reason


def test_same_users_fails_when_counts_differ(contender):
    rule = judge_same_users(contender("a", [0.1, 0.2]), contender("b", [0.1, 0.2, 0.3]))
    assert rule.is_passed is False
    assert "2 and 3 users" in rule.reason


def test_min_users_says_how_many_are_missing(contender, thresholds):
    rule = judge_min_users(contender("a", [0.1, 0.2, 0.3]), thresholds)
    assert (rule.is_passed, rule.value, rule.users_needed) == (False, 3.0, 4)
    assert "1 more than there were" in rule.reason


def test_min_users_holds_at_the_threshold(contender, thresholds):
    assert judge_min_users(contender("a", [0.1] * 4), thresholds).is_passed is True


def test_floor_refuses_below_and_holds_at_it(contender, thresholds):
    at = replace(thresholds, ndcg_floor=0.25)
    assert judge_range(contender("a", [0.25, 0.25]), at)[0].is_passed is True
    floor, _ = judge_range(contender("a", [0.1, 0.2]), at)
    assert (floor.is_passed, floor.value) == (False, pytest.approx(0.15))
    assert ".1000 short" in floor.reason


def test_ceiling_refuses_what_is_too_good_to_be_true(contender, thresholds):
    _, ceiling = judge_range(contender("a", [0.95, 0.99]), thresholds)
    assert ceiling.is_passed is False
    assert "a leak is likelier" in ceiling.reason
    assert ".0700 over it" in ceiling.reason


def test_better_needs_a_lower_bound_above_zero(contender, thresholds):
    opponent = contender("b", [0.3, 0.3, 0.3, 0.3])
    clear = contender("a", [0.4, 0.41, 0.42, 0.4])
    noisy = contender("a", [0.9, 0.2, 0.3, 0.3])
    assert judge_better("beats_champion", clear, opponent, thresholds, "all").is_passed is True
    rule = judge_better("beats_champion", noisy, opponent, thresholds, "all")
    assert rule.is_passed is False
    assert rule.value > 0 > rule.low
    assert rule.users_needed > 4


def test_better_fails_when_equal(contender, thresholds):
    rule = judge_better(
        "beats_champion", contender("a", [0.3] * 4), contender("b", [0.3] * 4), thresholds, "all"
    )
    assert (rule.is_passed, rule.low) == (False, 0.0)


def test_reported_difference_is_not_judged(contender, thresholds):
    rule = report_difference(contender("a", [0.1, 0.1]), contender("b", [0.3, 0.3]), thresholds)
    assert (rule.is_passed, rule.value) == (None, pytest.approx(-0.2))


@pytest.mark.parametrize(("coverage", "is_passed"), [(0.45, True), (0.5, True), (0.44, False)])
def test_coverage_may_fall_by_its_margin(contender, thresholds, coverage, is_passed):
    challenger = contender("a", [0.3, 0.3], coverage=coverage)
    rule = judge_coverage(challenger, contender("b", [0.2, 0.2], coverage=0.5), thresholds)
    assert rule.is_passed is is_passed


def test_coverage_refusal_says_by_how_much(contender, thresholds):
    challenger = contender("a", [0.3, 0.3], coverage=0.3)
    rule = judge_coverage(challenger, contender("b", [0.2, 0.2], coverage=0.5), thresholds)
    assert ".1500 too much" in rule.reason


def test_coverage_fails_when_unknown(contender, thresholds):
    challenger = contender("a", [0.3, 0.3], coverage=None)
    rule = judge_coverage(challenger, contender("b", [0.2, 0.2]), thresholds)
    assert (rule.is_passed, rule.value) == (False, None)


def test_segments_get_one_row_each_and_small_ones_are_not_judged(contender, thresholds):
    segments = np.array(["heavy", "heavy", "heavy", "new"])
    challenger = contender("a", [0.5, 0.5, 0.5, 0.0], segments=segments)
    champion = contender("b", [0.3, 0.3, 0.3, 0.9], segments=segments)
    heavy, new = judge_segments(challenger, champion, thresholds)
    assert (heavy.subject, heavy.is_passed, heavy.user_count) == ("heavy", True, 3)
    assert (new.subject, new.is_passed, new.user_count) == ("new", None, 1)
    assert "fewer than 3 users" in new.reason


def test_segment_refuses_when_its_lower_bound_is_beyond_the_margin(contender, thresholds):
    segments = np.array(["heavy"] * 3 + ["new"] * 3)
    challenger = contender("a", [0.9] * 3 + [0.25] * 3, segments=segments)
    champion = contender("b", [0.3] * 6, segments=segments)
    heavy, new = judge_segments(challenger, champion, thresholds)
    assert (heavy.is_passed, new.is_passed) == (True, False)
    assert new.value == pytest.approx(-0.05)
    assert ".0300 short of −.02;" in new.reason
