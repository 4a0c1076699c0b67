"""The night as a list of verbs: called one by one by the DAG's tasks, or all in a row."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from pipelines.base.config import Settings, load_settings, silence_telemetry
from pipelines.base.errors import SettingsError
from pipelines.base.night_lock import shared_home
from pipelines.base.step_seconds import timed_step
from pipelines.base.windows import parse_day

#: Verb to the module and function that hold it.
VERBS = {
    "land_sources": "pipelines.events.configured_sources:land_night",
    "load_days": "pipelines.events.load:load_night",
    "check_events": "pipelines.events.check:check_events",
    "build_features": "pipelines.features.build:build_features",
    "take_snapshot": "pipelines.features.snapshot:take_snapshot",
    "check_features": "pipelines.features.profile:check_features",
    "check_windows": "pipelines.gate.windows:check_windows",
    "plan_candidates": "pipelines.gate.plan:plan_candidates",
    "evaluate_candidate": "pipelines.evaluate.evaluation:evaluate_candidate",
    "select_challengers": "pipelines.gate.select:select_challengers",
    "decide_gates": "pipelines.gate.verdicts:decide_gates",
    "draw_plots": "pipelines.evaluate.plots:draw_plots",
    "refit_placement": "pipelines.registry.refit:refit_placement",
    "generate_lists": "pipelines.lists.for_users:generate_lists",
    "generate_similar": "pipelines.lists.similar_items:generate_similar",
    "audit_lists": "pipelines.audit.audit:audit_lists",
    "publish": "pipelines.publications.publish:publish",
    "promote_aliases": "pipelines.registry.registry:promote_aliases",
    "report_night": "pipelines.report.report:report_night",
    "replay_later_nights": "pipelines.run.later_nights:replay_later_nights",
    "push_postgres": "pipelines.publications.postgres:push_postgres",
    "observe_night": "pipelines.run.watch:observe_night",
    "tune_candidate": "pipelines.tune.search:tune_candidate",
    "measure_experiments": "pipelines.measure.measure:measure_experiments",
}
#: Every verb of a night in order, each with the verb that returns its subjects, if it has any.
NIGHT: tuple[tuple[str, str | None], ...] = (
    ("land_sources", None),
    ("load_days", None),
    ("check_events", None),
    ("build_features", None),
    ("take_snapshot", None),
    ("check_windows", None),
    ("check_features", None),
    ("plan_candidates", None),
    ("evaluate_candidate", "plan_candidates"),
    ("select_challengers", None),
    ("decide_gates", None),
    ("draw_plots", None),
    ("refit_placement", "decide_gates"),
    ("generate_lists", "decide_gates"),
    ("generate_similar", None),
    ("audit_lists", None),
    ("publish", None),
    ("promote_aliases", None),
    ("report_night", None),
    ("replay_later_nights", None),
    ("push_postgres", None),
)
#: Steps that only the DAG takes: a night that is replayed or simulated tells nobody.
ONLY_SCHEDULED = ("observe_night",)
#: Verbs that may fail for some of their subjects: one failed candidate loses no night.
MAY_FAIL = ("evaluate_candidate",)

logger = logging.getLogger(__name__)


def resolve_as_of(as_of: str | None, logical_date: datetime | None) -> str:
    """Choose the night: the DAG run's `as_of` parameter, else its logical date.

    Parameters
    ----------
    as_of : str or None
        ISO date, the run's parameter.
    logical_date : datetime or None
        The run's logical date; runs started over REST or by an asset have none.

    Returns
    -------
    str
        ISO date; an exclusive end, so the night of the 9th knows events up to the 8th.

    Raises
    ------
    SettingsError
        If neither is there, or `as_of` is not a date.

    Examples
    --------
    >>> from datetime import date, datetime
    >>> resolve_as_of(None, datetime(2011, 12, 9, 2))
    '2011-12-09'
    """
    if as_of:
        return parse_day(as_of).isoformat()
    if logical_date is None:
        raise SettingsError(
            "A night must know its day. Found neither the parameter `as_of` nor a logical date. "
            'Trigger the DAG with {"as_of": "YYYY-MM-DD"}.'
        )
    return logical_date.date().isoformat()


def newest_night(as_of: str | None) -> str:
    """Choose the night to look at: `as_of` if given, else the newest published night.

    Raises
    ------
    SettingsError
        If neither is there, or `as_of` is not a date.
    """
    from pipelines.base.current import date_of, stored_ids

    if as_of:
        return parse_day(as_of).isoformat()
    stored = stored_ids(load_settings())
    if not stored:
        raise SettingsError(
            "A night must have been published. Found none in this home. "
            "Run one: `recsys run --as-of YYYY-MM-DD`."
        )
    return max(date_of(publication_id) for publication_id in stored).isoformat()


def call_verb(verb: str, as_of: str, subject: str | None = None, **options: Any) -> Any:
    """Call a verb for one night, with the settings of this process's environment.

    Parameters
    ----------
    verb : str
        One of `VERBS`.
    as_of : str
        ISO date of the night.
    subject : str, optional
        Third argument of verbs that work on one candidate or placement.
    **options
        Keywords of the verb.

    Returns
    -------
    str, list of str, or None
        Small values only, for the next task; anything else the verb returns is on disk anyway.
    """
    silence_telemetry()
    logging.getLogger("pipelines").setLevel(logging.INFO)
    settings, day = load_settings(), parse_day(as_of)
    subjects = [] if subject is None else [subject]
    with shared_home(settings), timed_step(settings, day, verb, subject):
        return _small(_function(verb)(settings, day, *subjects, **options))


def run_in_a_row(
    settings: Settings, as_of: date, *, after_each: Callable[[str], None] | None = None
) -> None:
    """Run the whole night in this process, without Airflow: every verb, one after the other.

    Parameters
    ----------
    settings : Settings
    as_of : date
    after_each : callable, optional
        Called with a verb when it is done with all its subjects.
    """
    answers: dict[str, Any] = {}
    for verb, asked in NIGHT:
        subjects = [()] if asked is None else [(name,) for name in answers[asked]]
        failures: list[Exception] = []
        for subject in subjects:
            try:
                with shared_home(settings), timed_step(settings, as_of, verb, *subject):
                    answers[verb] = _small(_function(verb)(settings, as_of, *subject))
            except Exception as error:
                failures.append(error)
                if verb not in MAY_FAIL or len(failures) == len(subjects):
                    raise
                logger.exception("%s %s failed; the others go on", verb, *subject)
        if after_each is not None:
            after_each(verb)


def _function(verb: str) -> Callable[..., Any]:
    module_name, name = VERBS[verb].split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module_name), name)
    return function


def _small(value: Any) -> str | list[str] | None:
    """The value if it may be passed between tasks (a name or a list of names), else None."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list):
        return [str(key) for key in value]
    return None
