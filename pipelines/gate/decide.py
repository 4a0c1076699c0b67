"""The gate: one pure function from evaluations to a verdict with its reasons.

A challenger is promoted only if every required rule was judged and holds. No promotion is not a
failure: the champion stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipelines.gate.contenders import Contender, contender_problem
from pipelines.gate.differences import Thresholds
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
    report_error,
)

#: Rules that a promotion requires: at least one row of each was judged, and passed.
REQUIRED_RULES = frozenset(
    {
        "challenger_exists",
        "champion_exists",
        "is_logged",
        "differs_from_champion",
        "metrics_valid",
        "same_users",
        "min_users",
        "ndcg_floor",
        "ndcg_ceiling",
        "beats_baseline",
        "beats_champion",
        "coverage_not_inferior",
    }
)


@dataclass(frozen=True)
class GateDecision:
    """The verdict of one placement.

    Parameters
    ----------
    placement : str
    challenger : str or None
        The candidate to be promoted; None if there was none.
    champion_before : str or None
        None if there never was a champion.
    champion_after : str or None
        The challenger if promoted, else the champion as before.
    is_promoted : bool
    rules : tuple of GateRule
        Every rule in the order it was judged, then the differences that are only reported.
    reason : str
        The verdict in a sentence; a refusal names each rule that failed and by how much.
    """

    placement: str
    challenger: str | None
    champion_before: str | None
    champion_after: str | None
    is_promoted: bool
    rules: tuple[GateRule, ...]
    reason: str

    @property
    def failed_rules(self) -> tuple[GateRule, ...]:
        """Rules that were judged and do not hold."""
        return tuple(rule for rule in self.rules if rule.is_passed is False)


def decide(
    placement: str,
    *,
    challenger: Contender | None,
    champion: Contender | None,
    baselines: Sequence[Contender],
    thresholds: Thresholds,
    others: Sequence[Contender] = (),
    bootstrap: Contender | None = None,
) -> GateDecision:
    """Decide whether the challenger replaces the champion.

    Parameters
    ----------
    placement : str
    challenger : Contender or None
        The one candidate, chosen on another window than the one judged here.
    champion : Contender or None
        The specification that holds the placement, evaluated tonight on the same users.
    baselines : sequence of Contender
        All must be evaluated, and the best of them beaten.
    thresholds : Thresholds
    others : sequence of Contender, optional
        Candidates whose difference to the champion is reported and not judged; the challenger's
        too, at the level of whatever is reported instead of the night's.
    bootstrap : Contender, optional
        Stand-in where there never was a champion, such as the best baseline. Without it a
        missing champion is a refusal.

    Notes
    -----
    Superiority promotes and equality keeps: the lower bound of the paired difference in
    NDCG@k must be above zero, against the champion and against the best baseline. Its level is a
    night's share of the yearly error (`Thresholds`), the same for every night: a verdict depends on
    no other night's.
    """
    best = _best_baseline(baselines, thresholds)
    incumbent = champion or bootstrap
    if challenger is None:
        why = "no candidate besides the champion and the baselines was evaluated on both windows"
        rules = [GateRule("challenger_exists", is_passed=False, reason=why)]
    else:
        rules = [
            *_judge_entry(challenger, incumbent, baselines, thresholds),
            *_judge_baselines(challenger, baselines, best, thresholds),
        ]
        if incumbent is not None:
            rules += _judge_against_champion(challenger, incumbent, thresholds)
    is_promoted = challenger is not None and _all_hold(rules)
    after = challenger if is_promoted else incumbent
    return GateDecision(
        placement=placement,
        challenger=challenger.name if challenger else None,
        champion_before=champion.name if champion else None,
        champion_after=after.name if after else None,
        is_promoted=is_promoted,
        rules=(
            *rules,
            report_error(thresholds, is_judged=challenger is not None),
            *_report_others(incumbent, others, thresholds),
        ),
        reason=_explain(challenger, incumbent, rules, is_promoted),
    )


def _best_baseline(baselines: Sequence[Contender], thresholds: Thresholds) -> Contender | None:
    """The sound baseline with the highest NDCG; the first by name if equal."""
    sound = [one for one in baselines if contender_problem(one, thresholds.k) is None]
    ranked = sorted(sound, key=lambda one: (-float(one.ndcg), one.name))  # type: ignore[arg-type]  # only sound ones are in it
    return ranked[0] if ranked else None


def _judge_entry(
    challenger: Contender,
    incumbent: Contender | None,
    baselines: Sequence[Contender],
    thresholds: Thresholds,
) -> list[GateRule]:
    """Judge the rules on whether the contenders may be compared at all."""
    opponents = {one.name: one for one in baselines}
    if incumbent is not None:
        opponents[incumbent.name] = incumbent
    return [
        GateRule("challenger_exists", is_passed=True, reason=f"{challenger.name} was chosen"),
        _judge_champion_exists(incumbent),
        _judge_logged(challenger),
        _judge_differs(challenger, incumbent),
        *(judge_metrics(one, thresholds) for one in (challenger, *opponents.values())),
        *(judge_same_users(challenger, one) for one in opponents.values()),
        judge_min_users(challenger, thresholds),
        *judge_range(challenger, thresholds),
    ]


def _judge_champion_exists(incumbent: Contender | None) -> GateRule:
    return GateRule(
        "champion_exists",
        opponent=incumbent.name if incumbent else None,
        is_passed=incumbent is not None,
        reason=f"{incumbent.name} holds the placement"
        if incumbent
        else "a champion must be known, or its absence be declared: none was found",
    )


def _judge_logged(challenger: Contender) -> GateRule:
    is_passed = isinstance(challenger.run_id, str) and bool(challenger.run_id)
    return GateRule(
        "is_logged",
        is_passed=is_passed,
        reason="its runs are in MLflow"
        if is_passed
        else f"{challenger.name} has no run in MLflow; what is not logged is not promoted",
    )


def _judge_differs(challenger: Contender, incumbent: Contender | None) -> GateRule:
    is_passed = incumbent is not None and challenger.spec_hash != incumbent.spec_hash
    return GateRule(
        "differs_from_champion",
        opponent=incumbent.name if incumbent else None,
        is_passed=is_passed,
        reason="its specification is not the champion's"
        if is_passed
        else f"specification {challenger.spec_hash} must differ from the champion's: "
        + ("it is the same one" if incumbent else "there is no champion"),
    )


def _judge_baselines(
    challenger: Contender,
    baselines: Sequence[Contender],
    best: Contender | None,
    thresholds: Thresholds,
) -> list[GateRule]:
    """Judge the best baseline, report the others."""
    if best is None:
        reason = f"a baseline must be evaluated: none of {len(baselines)} was"
        return [GateRule("beats_baseline", is_passed=False, reason=reason)]
    judged = judge_better("beats_baseline", challenger, best, thresholds, best.name)
    rest = [one for one in baselines if one.name != best.name]
    reported = [report_difference(challenger, one, thresholds) for one in rest]
    named = [
        replace(row, rule="beats_baseline", subject=one.name)
        for row, one in zip(reported, rest, strict=True)
    ]
    return [judged, *named]


def _judge_against_champion(
    challenger: Contender, incumbent: Contender, thresholds: Thresholds
) -> list[GateRule]:
    return [
        judge_better("beats_champion", challenger, incumbent, thresholds, "all"),
        judge_coverage(challenger, incumbent, thresholds),
        *judge_segments(challenger, incumbent, thresholds),
    ]


def _all_hold(rules: Sequence[GateRule]) -> bool:
    """Whether every judged row holds and every required rule was judged."""
    judged = [rule for rule in rules if rule.is_passed is not None]
    return all(rule.is_passed is True for rule in judged) and (
        {rule.rule for rule in judged} >= REQUIRED_RULES
    )


def _report_others(
    incumbent: Contender | None, others: Sequence[Contender], thresholds: Thresholds
) -> list[GateRule]:
    if incumbent is None:
        return []
    rest = [one for one in others if one.name != incumbent.name]
    return [report_difference(one, incumbent, thresholds) for one in rest]


def _explain(
    challenger: Contender | None,
    incumbent: Contender | None,
    rules: Sequence[GateRule],
    is_promoted: bool,
) -> str:
    holder = f"{incumbent.name}" if incumbent else "nobody"
    if is_promoted and challenger is not None:
        proof = next(rule.reason for rule in rules if rule.rule == "beats_champion")
        return f"{challenger.name} replaces {holder}: {proof.split(': ', 1)[1]}"
    failed = "; ".join(
        f"{rule.rule}{'' if rule.subject == 'all' else f' ({rule.subject})'}: {rule.reason}"
        for rule in rules
        if rule.is_passed is False
    )
    return f"{holder} stays: {failed}"
