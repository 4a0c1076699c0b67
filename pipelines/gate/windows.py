"""Check, before candidates are fitted, that each placement has users to score in both windows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.base.config import Settings
from pipelines.base.errors import NoScoredUsersError
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import read_held_out, scored_users
from pipelines.features.read import count_events, event_span
from pipelines.gate.champions import read_champions

logger = logging.getLogger(__name__)


def check_windows(settings: Settings, as_of: date) -> dict[str, dict[str, int]]:
    """Count the users of each placement that can be scored in the night's windows.

    A placement that has a champion goes on with it on a night without such users, with a warning.
    One that has none could choose none.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night; its snapshot is read.

    Returns
    -------
    dict of str to dict of str to int
        Users by window, by placement.

    Raises
    ------
    NoScoredUsersError
        If a placement without a champion has nobody to score in a window, or no event before a
        window has a weight; names the settings that decide it, with the figures found.
    MissingSnapshotError
        If the night's snapshot is not there.
    """
    champions = read_champions(settings, as_of)
    counts: dict[str, dict[str, int]] = {name: {} for name in settings.placements}
    problems: dict[str, str] = {}
    for window in settings.night(as_of).windows:
        held_out = read_held_out(settings, as_of, window)
        weightless = _weight_problem(settings, as_of, window)
        for placement in settings.placements:
            _, truth, rule = scored_users(settings, placement, held_out)
            counts[placement][window.name] = len(truth.positions)
            problem = weightless
            if not len(truth.positions):
                nobody = _Nobody(placement, window, truth.left_out, rule.items is not None)
                problem = nobody.explain(settings, as_of)
            if problem:
                problems.setdefault(placement, problem)
    logger.info("users to score: %s", counts)
    for placement, problem in problems.items():
        if placement in champions:
            logger.warning("%s keeps its champion: %s", placement, problem)
        else:
            raise NoScoredUsersError(
                "Every placement must have users to score in both windows before it has a "
                f"champion. {problem}"
            )
    return counts


def _weight_problem(settings: Settings, as_of: date, window: Window) -> str | None:
    """Say that no event before a window weighs anything for any candidate."""
    known = count_events(settings, as_of, date.min, window.cutoff)
    weights = [settings.events.weights, *(one.event_weights for one in settings.candidates)]
    if not known or any(one.get(name, 0) > 0 for one in weights if one for name in known):
        return None
    return (
        f"No event before the {window.name} window has a weight: events.weights is "
        f"{dict(settings.events.weights)}, and the log has {_counts(known)}. "
        "Give those that speak for an item a weight in [events.weights]."
    )


@dataclass(frozen=True)
class _Nobody:
    """A placement and a window that have nobody to score, and the users left out by reason."""

    placement: str
    window: Window
    left_out: Mapping[str, int]
    hides_items: bool

    def explain(self, settings: Settings, as_of: date) -> str:
        """Say why nobody can be scored, and what to set."""
        window, wanted = self.window, settings.evaluation.truth_events
        found = (
            f"{self.placement} has 0 in the {window.name} window, {window.start} to "
            f"{window.end - timedelta(days=1)}: "
        )
        events = count_events(settings, as_of, window.start, window.end)
        if not events:
            return found + _empty_window(settings, as_of, window)
        if not set(events) & set(wanted):
            return (
                f"{found}it holds no event of evaluation.truth_events ({', '.join(wanted)}), but "
                f"{_counts(events)}. Set evaluation.truth_events to what shows that a list was "
                "right, and [events.weights] to what histories are made of."
            )
        strangers = self.left_out["users_without_history"]
        excluded = self.left_out["users_with_excluded_truth_only"]
        if not excluded:
            return (
                f"{found}none of the {strangers:,} users with {' or '.join(wanted)} in it is known "
                f"from before {window.start}. {_horizon_remedy(settings, as_of)}"
            )
        met = "no item that may be shown to them" if self.hides_items else "only items they knew"
        rule = f"placements.{self.placement}.exclude"
        unknown = f", and {strangers:,} are not known from before" if strangers else ""
        return (
            f"{found}of its {strangers + excluded:,} users with {' or '.join(wanted)}, "
            f"{excluded:,} met {met} ({rule} is {settings.placements[self.placement].exclude!r})"
            f"{unknown}. {self._exclusion_remedy()}"
        )

    def _exclusion_remedy(self) -> str:
        own = f"placements.{self.placement}"
        remedy = (
            f'Where people come back to what they know, set {own}.exclude = "none" or '
            "exclude_within_days; where new things are rare, a longer evaluation.horizon_days"
        )
        if self.hides_items:
            remedy += (
                "; items that are not available or in no items feed are hidden: land them, or set "
                f"{own}.show_items_without_feed = true"
            )
        return remedy + "; or remove the placement."


def _empty_window(settings: Settings, as_of: date, window: Window) -> str:
    """Say that nothing happened in a window, and which night or horizon would have events."""
    span = event_span(settings, as_of)
    if span is None:
        return "no event is known at all. Land day files before this day, or choose another as_of."
    first, last = span
    if last < window.start:
        return (
            f"the log ends on {last}. Run the night after its last day, "
            f"--as-of {last + timedelta(days=1)}, or land the days that are missing."
        )
    return f"the log has nothing there; it goes from {first} to {last}. " + _horizon_remedy(
        settings, as_of
    )


def _horizon_remedy(settings: Settings, as_of: date) -> str:
    span, horizon = event_span(settings, as_of), settings.evaluation.horizon_days
    days = (as_of - span[0]).days if span else 0
    return (
        f"evaluation.horizon_days is {horizon}, and {days} days are known before {as_of}: two "
        f"horizons and history before them must fit. Set it to {max(days // 4, 1)} or less, or "
        "choose a later as_of."
    )


def _counts(events: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in events.items())
