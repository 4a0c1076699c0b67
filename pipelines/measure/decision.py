"""Ship, roll back, go on, or no decision: one rule, applied to what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.experiments.definition import Guardrail
from pipelines.measure.effects import Effect
from pipelines.show.figures import format_change, format_share

SHIP, ROLL_BACK, GO_ON, NO_DECISION, VOID = "ship", "roll back", "continue", "no decision", "void"


@dataclass(frozen=True)
class ArmDecision:
    """What to do with an arm.

    Parameters
    ----------
    verdict : str
        ``ship``, ``roll back``, ``continue``, ``no decision`` or ``void``.
    reason : str
        In words.
    """

    verdict: str
    reason: str


def decide_arm(
    goal: Effect,
    guardrails: list[tuple[Guardrail, Effect]],
    *,
    faults: list[str],
    days: int,
    min_days: int,
    is_full: bool,
) -> ArmDecision:
    """Apply the decision rule to one arm.

    Parameters
    ----------
    goal : Effect
        Relative effect on the goal, by confidence sequence; more is better.
    guardrails : list of (Guardrail, Effect)
        Relative effects by confidence sequence.
    faults : list of str
        What makes the experiment void.
    days, min_days : int
        Whole days so far, and those that must pass.
    is_full : bool
        Whether the planned users are there.

    Notes
    -----
    Ship: the goal's lower bound is above zero, every guardrail's is above minus its margin, nothing
    is at fault, and `min_days` have passed. Roll back: an upper bound of goal or guardrail is below
    zero. A bound that is missing never counts as good.
    """
    if faults:
        return ArmDecision(VOID, "; ".join(faults))
    losses = [
        f"{name} is worse ({_range(effect)})"
        for name, effect in [("the goal", goal), *((rail.metric, e) for rail, e in guardrails)]
        if effect.high is not None and effect.high < 0
    ]
    if losses:
        return ArmDecision(ROLL_BACK, "; ".join(losses))
    open_rails = [
        f"{rail.metric} may be worse by more than {format_share(rail.margin)} ({_range(effect)})"
        for rail, effect in guardrails
        if effect.low is None or not effect.low > -rail.margin
    ]
    is_better = goal.low is not None and goal.low > 0
    if is_better and not open_rails and days >= min_days:
        return ArmDecision(SHIP, f"the goal is better ({_range(goal)}) and every guardrail holds")
    waits = [] if is_better else [f"the goal is not told apart from control ({_range(goal)})"]
    waits += open_rails
    if days < min_days:
        waits.append(f"{days} of {min_days} days have passed")
    return ArmDecision(NO_DECISION if is_full and days >= min_days else GO_ON, "; ".join(waits))


def _range(effect: Effect) -> str:
    if effect.low is None or effect.high is None:
        return effect.reason or "no interval"
    return f"{format_change(effect.low)} to {format_change(effect.high)}"
