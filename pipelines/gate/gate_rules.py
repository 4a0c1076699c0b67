"""The gate's rules: each compares a figure with a threshold and says the outcome in a sentence."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipelines.evaluate.intervals import MIN_VALUES, Interval, mean_interval
from pipelines.gate.contenders import Contender, contender_problem, have_same_users
from pipelines.gate.differences import (
    NIGHTS_A_YEAR,
    Difference,
    Thresholds,
    describe_difference,
    paired_difference,
)
from pipelines.show.figures import format_figure, format_level


@dataclass(frozen=True)
class GateRule:
    """Outcome of one gate rule: a row of `serving.gate_decisions`.

    Parameters
    ----------
    rule : str
        Name of the rule.
    subject : str
        What it looked at: ``all`` users, a segment, or a contender.
    opponent : str or None
        Contender that the challenger was compared with.
    threshold, value, low, high : float or None
        Compared with the threshold is `value`, or its lower bound `low` if the rule compares a
        paired difference.
    user_count : int or None
    users_needed : int or None
        How many users would have been needed to show a difference of this size; None where no
        number would do, or where the rule is about no difference.
    is_passed : bool or None
        None where the row is reported and not judged.
    reason : str
    """

    rule: str
    subject: str = "all"
    opponent: str | None = None
    threshold: float | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    user_count: int | None = None
    users_needed: int | None = None
    is_passed: bool | None = None
    reason: str = ""


def judge_metrics(contender: Contender, thresholds: Thresholds) -> GateRule:
    """`metrics_valid`: the contender was evaluated and every figure is a number in [0, 1]."""
    problem = contender_problem(contender, thresholds.k)
    return GateRule(
        "metrics_valid",
        subject=contender.name,
        user_count=contender.user_count,
        is_passed=problem is None,
        reason=f"every figure of {contender.name} must be a number in [0, 1]: {problem}"
        if problem
        else f"every figure of {contender.name} is a number in [0, 1]",
    )


def judge_same_users(challenger: Contender, opponent: Contender) -> GateRule:
    """`same_users`: both were evaluated on the same users in the same order."""
    is_passed = have_same_users(challenger, opponent)
    counts = f"{challenger.user_count} and {opponent.user_count} users"
    return GateRule(
        "same_users",
        subject=opponent.name,
        opponent=opponent.name,
        user_count=challenger.user_count,
        is_passed=is_passed,
        reason=f"evaluated on the same {challenger.user_count} users as {opponent.name}"
        if is_passed
        else f"{challenger.name} and {opponent.name} must be evaluated on the same users: "
        f"{counts}, not the same ones",
    )


def judge_min_users(challenger: Contender, thresholds: Thresholds) -> GateRule:
    """`min_users`: enough users with truth in the gate window."""
    count, needed = challenger.user_count, thresholds.min_users
    is_passed = count >= needed
    return GateRule(
        "min_users",
        threshold=float(needed),
        value=float(count),
        user_count=count,
        users_needed=needed,
        is_passed=is_passed,
        reason=f"{count} users were evaluated; at least {needed} are asked for"
        + ("" if is_passed else f", {needed - count} more than there were{_users_remedy(count)}"),
    )


def _users_remedy(count: int) -> str:
    """How to judge as many users as there are, if an interval can be made of them."""
    if count < MIN_VALUES:
        return ": too few for any interval"
    return f": gate.min_users = {count} would judge these"


def _margin_remedy(setting: str, found: float) -> str:
    """The least margin that would let a fall pass, rounded up so that it does."""
    wanted = math.ceil(max(-found, 0.0) * 10_000) / 10_000
    return f"; gate.{setting} = {wanted:.4g} would allow it" if wanted <= 1 else ""


def judge_range(challenger: Contender, thresholds: Thresholds) -> tuple[GateRule, GateRule]:
    """`ndcg_floor` and `ndcg_ceiling`: good enough to show, not too good to be true."""
    found = None
    if contender_problem(challenger, thresholds.k) is None and challenger.user_count >= MIN_VALUES:
        values = np.asarray(challenger.user_ndcg, dtype=np.float64)
        found = mean_interval(values, thresholds.confidence)
    value = None if found is None else found.value
    floor, ceiling = thresholds.ndcg_floor, thresholds.ndcg_ceiling
    above = value is not None and value >= floor
    below = value is not None and value <= ceiling
    shown = f"NDCG@{thresholds.k} is " + ("unknown" if value is None else format_figure(value))
    short = f", {format_figure(floor - value)} short" if value is not None and not above else ""
    over = f", {format_figure(value - ceiling)} over it" if value is not None and not below else ""
    lower = GateRule(
        "ndcg_floor",
        threshold=floor,
        is_passed=above,
        reason=f"{shown}; the floor is {format_figure(floor)}{short}",
        **_measured(found),
    )
    upper = GateRule(
        "ndcg_ceiling",
        threshold=ceiling,
        is_passed=below,
        reason=f"{shown}; above {format_figure(ceiling)} a leak is likelier than a good "
        f"recommender{over}",
        **_measured(found),
    )
    return lower, upper


def judge_better(
    rule: str, challenger: Contender, opponent: Contender, thresholds: Thresholds, subject: str
) -> GateRule:
    """`beats_baseline`, `beats_champion`: the lower bound of the difference is above zero.

    The interval is at the night's share of the yearly error, see `Thresholds`.
    """
    level = thresholds.night_confidence
    found = paired_difference(challenger, opponent, thresholds, confidence=level)
    low = None if found is None else found.low
    is_passed = low is not None and low > 0
    return GateRule(
        rule,
        subject=subject,
        opponent=opponent.name,
        threshold=0.0,
        is_passed=is_passed,
        reason=f"{challenger.name} must beat {opponent.name}: "
        + describe_difference(found, thresholds, None if is_passed else 0.0),
        **_measured(found),
    )


def report_error(thresholds: Thresholds, *, is_judged: bool) -> GateRule:
    """`error_spent`: what tonight adds to the chance of ever promoting what is not better."""
    spent = thresholds.night_error if is_judged else 0.0
    shown = format_level(spent) if is_judged else "nothing"
    return GateRule(
        "error_spent",
        threshold=thresholds.yearly_error,
        value=spent,
        reason=f"tonight spends {shown} of the {format_level(thresholds.yearly_error)} chance that "
        f"{NIGHTS_A_YEAR} nights promote what is not better"
        + ("" if is_judged else ", since nobody was judged"),
    )


def report_difference(
    candidate: Contender, champion: Contender, thresholds: Thresholds
) -> GateRule:
    """`reported_difference`: how another candidate compares with the champion; not judged."""
    found = paired_difference(candidate, champion, thresholds)
    return GateRule(
        "reported_difference",
        subject=candidate.name,
        opponent=champion.name,
        reason=f"{candidate.name} against {champion.name}: "
        + describe_difference(found, thresholds, None),
        **_measured(found),
    )


def judge_coverage(challenger: Contender, champion: Contender, thresholds: Thresholds) -> GateRule:
    """`coverage_not_inferior`: the lists do not shrink to fewer items by more than the margin."""
    sound = all(contender_problem(one, thresholds.k) is None for one in (challenger, champion))
    mine, theirs = challenger.coverage, champion.coverage
    change = float(mine) - float(theirs) if sound else None  # type: ignore[arg-type]  # sound: both are numbers
    margin = thresholds.coverage_margin
    is_passed = change is not None and change >= -margin
    shown = "unknown" if change is None else format_figure(change, signed=True)
    over = "" if change is None or is_passed else f", {format_figure(-margin - change)} too much"
    if change is not None and not is_passed:
        over += _margin_remedy("coverage_margin", change)
    return GateRule(
        "coverage_not_inferior",
        opponent=champion.name,
        threshold=-margin,
        value=change,
        is_passed=is_passed,
        reason=f"change of catalogue coverage against {champion.name} is {shown}; "
        f"it may fall by {format_figure(margin)}{over}",
    )


def judge_segments(
    challenger: Contender, champion: Contender, thresholds: Thresholds
) -> Iterable[GateRule]:
    """`segment_not_inferior`: one row per segment of users; too small ones are not judged."""
    labels = np.array([]) if challenger.segments is None else challenger.segments
    for segment in sorted({str(label) for label in labels}):
        yield _judge_segment(segment, labels == segment, challenger, champion, thresholds)


def _judge_segment(
    segment: str,
    chosen: np.ndarray,
    challenger: Contender,
    champion: Contender,
    thresholds: Thresholds,
) -> GateRule:
    margin, count = thresholds.segment_margin, int(chosen.sum())
    found = paired_difference(challenger, champion, thresholds, chosen=chosen, margin=margin)
    low = None if found is None else found.low
    is_judged = count >= thresholds.min_segment_users
    is_passed = low is not None and low >= -margin
    bound = -margin if is_judged and not is_passed else None
    remedy = "" if bound is None or low is None else _margin_remedy("segment_margin", low)
    small = "" if is_judged else f" (reported: fewer than {thresholds.min_segment_users} users)"
    return GateRule(
        "segment_not_inferior",
        subject=segment,
        opponent=champion.name,
        threshold=-margin,
        is_passed=is_passed if is_judged else None,
        reason=f"{count} {segment} users against {champion.name}: "
        + describe_difference(found, thresholds, bound)
        + remedy
        + small,
        **{"user_count": count, **_measured(found)},
    )


def _measured(found: Interval | Difference | None) -> dict[str, Any]:
    """Value, bounds and users of a rule, as they were measured."""
    figures = {} if found is None else vars(found)
    unnamed = ("standard_error", "confidence")
    return {name: figure for name, figure in figures.items() if name not in unnamed}
