"""Ship, roll back, go on, or no decision: one rule, applied to what was measured."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.experiments.definition import Guardrail
from pipelines.measure.effects import Effect
from pipelines.show.figures import format_change, format_share

SHIP, ROLL_BACK, GO_ON, NO_DECISION, VOID = "ship", "roll back", "continue", "no decision", "void"


@dataclass(frozen=True)
class ArmEffect:
    """One metric's effect in an arm.

    Parameters
    ----------
    difference : Effect
        Absolute: decides whether there is a gain or a loss.
    lift : Effect
        The same interval relative to control (`effects.lift_of`): decides on margins, and is shown.
    """

    difference: Effect
    lift: Effect


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
    goal: ArmEffect,
    guardrails: list[tuple[Guardrail, ArmEffect]],
    *,
    faults: list[str],
    days: int,
    min_days: int,
    is_full: bool,
) -> ArmDecision:
    """Apply the decision rule to one arm.

    Parameters
    ----------
    goal : ArmEffect
        Effect on the goal, by confidence sequence; more is better.
    guardrails : list of (Guardrail, ArmEffect)
        Effects by confidence sequences that share their error.
    faults : list of str
        What makes the experiment void.
    days, min_days : int
        Whole days so far, and those that must pass.
    is_full : bool
        Whether the planned users are there.

    Notes
    -----
    Ship: the lower bound of the goal's difference is above zero, that of every guardrail's lift
    above minus its margin, nothing is at fault, and `min_days` have passed. Roll back: the upper
    bound of the difference in goal or guardrail is below zero. A bound that is missing never counts
    as good.

    Shipping needs every guardrail, so it errs no more often than one of them; rolling back needs
    only one, which is why they share their error.
    """
    if faults:
        return ArmDecision(VOID, "; ".join(faults))
    losses = [
        f"{name} is worse ({_range(effect)})"
        for name, effect in [("the goal", goal), *((rail.metric, e) for rail, e in guardrails)]
        if effect.difference.high is not None and effect.difference.high < 0
    ]
    if losses:
        return ArmDecision(ROLL_BACK, "; ".join(losses))
    open_rails = [
        f"{rail.metric} may be worse by more than {format_share(rail.margin)} ({_range(effect)})"
        for rail, effect in guardrails
        if effect.lift.low is None or not effect.lift.low > -rail.margin
    ]
    is_better = goal.difference.low is not None and goal.difference.low > 0
    if is_better and not open_rails and days >= min_days:
        return ArmDecision(SHIP, f"the goal is better ({_range(goal)}) and every guardrail holds")
    waits = [] if is_better else [f"the goal is not told apart from control ({_range(goal)})"]
    waits += open_rails
    if days < min_days:
        waits.append(f"{days} of {min_days} days have passed")
    return ArmDecision(NO_DECISION if is_full and days >= min_days else GO_ON, "; ".join(waits))


def _range(effect: ArmEffect) -> str:
    """The lift's interval, or why there is none."""
    lift = effect.lift
    if lift.low is None or lift.high is None:
        return lift.reason or "no interval"
    return f"{format_change(lift.low)} to {format_change(lift.high)}"
