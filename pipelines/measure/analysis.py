"""An experiment's analysis: health first, then effects, then a decision."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.experiments.definition import CONTROL, Experiment, ExperimentDefinition
from pipelines.measure.decision import ArmEffect, decide_arm
from pipelines.measure.effects import (
    Effect,
    adjust_by_holm,
    compare_at_any_time,
    compare_at_the_end,
    lift_of,
)
from pipelines.measure.interleaving import analyse_interleaving, read_teams
from pipelines.measure.online_metrics import (
    METRICS,
    OnlineMetric,
    summarise_arms,
    why_not_yet,
)
from pipelines.measure.units import MIN_DAYS, Units, read_units

#: The three populations every effect is told for.
ALL_USERS, LISTS_DIFFER, LISTS_EQUAL = "all users", "lists differ", "lists equal"


def analyse_experiment(settings: Settings, experiment: Experiment, as_of: date) -> dict[str, Any]:
    """Analyse a started experiment: everything its report says.

    `as_of` is the exclusive end of the days that are analysed.

    Returns
    -------
    dict
        ``experiment_id``, ``as_of``, ``health``, ``users`` by arm, ``effects`` (one entry per
        arm, metric and population), ``decisions`` (one per arm); of an interleaved experiment no
        effects but ``preferences``.

    Raises
    ------
    WarehouseLockedError
        If a night holds the warehouse.
    """
    units = read_units(settings, experiment, as_of)
    if experiment.is_interleaved:
        teams = read_teams(settings, experiment, as_of)
        return analyse_interleaving(experiment, units, teams, as_of)
    return analyse_units(experiment, units, as_of)


def analyse_units(experiment: Experiment, units: Units, as_of: date) -> dict[str, Any]:
    """Analyse an experiment from its units; see `analyse_experiment`.

    Notes
    -----
    No effect is shown while the experiment is at fault. Intervals are confidence sequences, valid
    at every look; the fixed interval appears once the planned users are there. Decided is on the
    difference; the lift is the same interval relative to control. For users whose
    lists are equal in all arms the effect must be about zero: a built-in A/A.
    """
    given = experiment.definition
    frames = {arm.name: units.frame[units.frame["variant"] == arm.name] for arm in given.arms}
    faults = units.all_faults
    look = _Look(experiment, frames, len(units.frame))
    effects = [] if faults else _effects(look)
    return {
        **units.describe(experiment, as_of, units.ratio.reason),
        "users": {name: len(frame) for name, frame in frames.items()},
        "arms": {name: _figures(frame) for name, frame in frames.items()},
        "effects": effects,
        "decisions": _decisions(look, effects, faults, units.days),
    }


def _figures(frame: pd.DataFrame) -> dict[str, Any]:
    """Each metric in one arm, unadjusted; None where it has no value."""
    sums = {name: metric.sums(frame) for name, metric in METRICS.items()}
    return {
        "user_count": len(frame),
        "impression_count": int(frame["impression_count"].sum()),
        "click_count": int(frame["click_count"].sum()),
        **{
            name: (
                None
                if not (bottom := one.x if METRICS[name].kind == "ratio" else one.user_count)
                else one.y / bottom
            )
            for name, one in sums.items()
        },
    }


@dataclass(frozen=True)
class _Look:
    """One morning of an experiment: the data that effects are computed from."""

    experiment: Experiment
    frames: dict[str, pd.DataFrame]
    user_count: int

    @property
    def is_full(self) -> bool:
        """Whether the planned number of users is reached."""
        return self.user_count >= self.experiment.definition.expected_users

    def effect(self, metric: OnlineMetric, arm: str, population: str) -> dict[str, Any]:
        """One metric's effect in one arm and population, as a row of the analysis: its lift.

        ``difference`` is what decisions are made on, ``fixed`` the lift for one planned look.
        """
        given = self.experiment.definition
        frames = {name: _of(self.frames[name], population) for name in (CONTROL, arm)}
        difference = lift = once = Effect(reason=why_not_yet(metric, frames))
        if difference.reason is None:
            arms = summarise_arms(metric, *frames.values())
            alpha = given.error_of(metric.name)
            difference = compare_at_any_time(
                *arms, alpha=alpha, relative=False, planned_users=given.expected_users
            )
            lift = lift_of(difference, *arms)
            once = Effect(reason="the planned users are not there yet")
            if self.is_full:
                at_the_end = compare_at_the_end(*arms, alpha=alpha, relative=False)
                once = lift_of(at_the_end, *arms)
        return {
            "arm": arm,
            "metric": metric.name,
            "population": population,
            "user_count": sum(len(frame) for frame in frames.values()),
            **asdict(lift),
            "holm_p_value": lift.p_value,
            "difference": asdict(difference),
            "fixed": asdict(once),
        }


def _effects(look: _Look) -> list[dict[str, Any]]:
    """Effects by metric (goal, guardrails, then the rest), arm and population."""
    given = look.experiment.definition
    names = dict.fromkeys([given.goal, *(rail.metric for rail in given.guardrails), *METRICS])
    found = []
    for name in names:
        rows = [
            look.effect(METRICS[name], arm.name, population)
            for arm in given.arms[1:]
            for population in (ALL_USERS, LISTS_DIFFER, LISTS_EQUAL)
        ]
        found += rows
        _adjust_for_arms([row for row in rows if row["population"] == ALL_USERS])
    return found


def _of(frame: pd.DataFrame, population: str) -> pd.DataFrame:
    if population == ALL_USERS:
        return frame
    differs = frame["lists_differ"].fillna(False).astype(bool)
    return frame[differs if population == LISTS_DIFFER else ~differs]


def _adjust_for_arms(rows: list[dict[str, Any]]) -> None:
    """Add Holm's adjusted p-value over the arms to each row, in place."""
    known = [row for row in rows if row["p_value"] is not None]
    for row, adjusted in zip(known, adjust_by_holm([r["p_value"] for r in known]), strict=True):
        row["holm_p_value"] = adjusted


def _decisions(
    look: _Look, effects: list[dict[str, Any]], faults: list[str], days: int
) -> list[dict[str, Any]]:
    given = look.experiment.definition
    found = []
    for arm in given.arms[1:]:
        decision = decide_arm(
            _effect_of(effects, arm.name, given.goal, given),
            [
                (rail, _effect_of(effects, arm.name, rail.metric, given))
                for rail in given.guardrails
            ],
            faults=faults,
            days=days,
            min_days=MIN_DAYS,
            is_full=look.is_full,
        )
        found.append({"arm": arm.name, **asdict(decision)})
    return found


def _effect_of(
    effects: list[dict[str, Any]], arm: str, metric: str, given: ExperimentDefinition
) -> ArmEffect:
    """The effect on all users; without figures if Holm's p-value is not below the error."""
    error = given.error_of(metric)
    for row in effects:
        if (row["arm"], row["metric"], row["population"]) == (arm, metric, ALL_USERS):
            if row["p_value"] is not None and row["p_value"] < error <= row["holm_p_value"]:
                return _unknown("not beyond chance over all arms")
            lift = Effect(**{field.name: row[field.name] for field in fields(Effect)})
            return ArmEffect(Effect(**row["difference"]), lift)
    return _unknown("nothing is shown while the experiment is at fault")


def _unknown(reason: str) -> ArmEffect:
    return ArmEffect(Effect(reason=reason), Effect(reason=reason))
