"""What is wrong though no task failed: old lists, a night not published, a rollback."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pipelines.base.config import Settings
from pipelines.base.current import (
    PIN,
    POINTER,
    date_of,
    is_there,
    read_current,
    stored_ids,
)
from pipelines.base.errors import PublicationNotFoundError
from pipelines.experiments.state import ROLLED_BACK, started_experiments
from pipelines.notify.alert import Alert, command_here, describe_error

#: A rollback is news for so long: an older one is not told when `[notify]` is first set.
ROLLBACK_IS_NEWS_FOR = timedelta(days=7)


def find_alerts(settings: Settings, now: datetime) -> list[Alert]:
    """Look at publications and experiments, without the warehouse, and say what is wrong.

    Parameters
    ----------
    settings : Settings
    now : datetime
        The present, with its time zone.

    Returns
    -------
    list of Alert
        What is wrong now, whether people were told of it or not.
    """
    return [
        *_lists(settings, now),
        *_late_night(settings, now),
        *_rollbacks(settings, now),
    ]


def _lists(settings: Settings, now: datetime) -> list[Alert]:
    """Lists that are not there although some were, or older than `serve.stale_hours`."""
    if not any(is_there(settings, name) for name in (POINTER, PIN)):
        return []  # nothing was ever published
    try:
        live = read_current(settings, verify=False)
    except PublicationNotFoundError as error:
        return [
            Alert(
                key=f"no lists {now.date()}",
                subject="recsys: no lists are live",
                message=describe_error(error),
                remedy="The API answers from the last lists it has read, until it is restarted.",
                command=command_here(settings, "publications", "--verify"),
            )
        ]
    hours = (now - live.known_until).total_seconds() / 3600
    if hours < settings.serve.stale_hours:
        return []
    is_pinned = is_there(settings, PIN)
    state = "is pinned" if is_pinned else "is live"
    today = now.date().isoformat()
    return [
        Alert(
            key=f"stale {live.publication_id} {is_pinned}",
            subject=f"recsys: the live lists are {hours:,.0f} hours old",
            message=f"{live.publication_id} {state} and knows what happened before {live.as_of}; "
            f"lists count as old from {settings.serve.stale_hours:g} hours on (serve.stale_hours)",
            remedy="Unpin it when its reason is gone."
            if is_pinned
            else "See why no later night is published (Airflow, or `recsys doctor`), and run one.",
            command=command_here(settings, "unpin")
            if is_pinned
            else command_here(settings, "run", "--as-of", today),
            facts={"Night": live.as_of.isoformat()},
        )
    ]


def _late_night(settings: Settings, now: datetime) -> list[Alert]:
    """Today's night, if it is not published although `notify.publish_by` has passed."""
    limit, today = settings.notify.publish_by, now.date()
    newest = max(map(date_of, stored_ids(settings)), default=None)
    if limit is None or now.time() < limit or (newest is not None and newest >= today):
        return []
    return [
        Alert(
            key=f"unpublished {today}",
            subject=f"recsys: the night of {today} is not published",
            message=f"It must be by {limit:%H:%M} UTC (notify.publish_by). "
            f"The newest that is stored: {newest or 'none'}",
            remedy="See whether it still runs, waits or failed in Airflow; "
            "the lists of the night before are live.",
            command=command_here(settings, "run", "--as-of", today.isoformat()),
            facts={"Night": today.isoformat()},
        )
    ]


def _rollbacks(settings: Settings, now: datetime) -> list[Alert]:
    """Experiments that a guardrail or a loss ended by itself."""
    alerts = []
    for experiment in started_experiments(settings):
        name, reason = experiment.experiment_id, experiment.reason or ""
        state = settings.experiment_state(name)
        age = now - datetime.fromtimestamp(state.stat().st_mtime, UTC)
        if not reason.startswith(ROLLED_BACK) or age > ROLLBACK_IS_NEWS_FOR:
            continue
        night = str(experiment.stopped_on)
        alerts.append(
            Alert(
                key=f"rollback {name} {night}",
                subject=f"recsys: experiment {name} is rolled back",
                message=reason,
                remedy="Everybody gets control from the next publication on; nothing must be done.",
                command=command_here(settings, "experiment", "report", name, "--as-of", night),
                facts={"Night": night},
            )
        )
    return alerts
