"""The night as a list of verbs: called one by one by the DAG's tasks, or all in a row."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from pipelines.config import Settings, load_settings, silence_telemetry
from pipelines.errors import SettingsError
from pipelines.night_lock import shared_home
from pipelines.step_seconds import timed_step
from pipelines.windows import parse_day

#: Every verb of a night in order; with the verb whose answer names its subjects, if it has any.
NIGHT: tuple[tuple[str, str | None], ...] = (
    ("events.load_days", None),
    ("events.check_events", None),
    ("features.build_features", None),
    ("features.take_snapshot", None),
    ("features.check_features", None),
    ("promote.plan_candidates", None),
    ("offline.evaluate_candidate", "promote.plan_candidates"),
    ("promote.select_challengers", None),
    ("promote.decide_gates", None),
    ("offline.draw_plots", None),
    ("promote.refit_placement", "promote.decide_gates"),
    ("recommend.generate_lists", "promote.decide_gates"),
    ("recommend.generate_similar", None),
    ("recommend.audit_lists", None),
    ("recommend.publish", None),
    ("promote.promote_aliases", None),
    ("recommend.report_night", None),
    ("recommend.replay_later_nights", None),
    ("recommend.push_postgres", None),
)
#: Verbs that may fail for some of their subjects: one failed candidate loses no night.
MAY_FAIL = ("offline.evaluate_candidate",)

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
    """Choose the night that is looked at: the parameter, else the newest one that was published.

    Raises
    ------
    SettingsError
        If neither is there, or `as_of` is not a date.
    """
    from pipelines.recommend.current import date_of, stored_ids

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
    """Call a stage's verb for one night, with the settings of this process's environment.

    Parameters
    ----------
    verb : str
        ``stage.verb``, for example ``events.load_days``.
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
        Called with ``stage.verb`` when that verb is done with all its subjects.
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
    stage, name = verb.split(".")
    function: Callable[..., Any] = getattr(importlib.import_module(f"pipelines.{stage}"), name)
    return function


def _small(value: Any) -> str | list[str] | None:
    """What may travel between tasks: a name, or a list of names."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping | list):
        return [str(key) for key in value]
    return None
