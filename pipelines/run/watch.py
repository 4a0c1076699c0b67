"""Look at a home: tell people what is wrong, and Prometheus how the newest night went."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pipelines.base.config import Settings, load_settings, silence_telemetry
from pipelines.notify.alert import Alert
from pipelines.notify.conditions import find_alerts
from pipelines.notify.drops import find_drops
from pipelines.notify.outbox import retry, send, was_sent
from pipelines.report.batch_metrics import export_metrics


def watch_home() -> None:
    """Look at the home of this process's environment, in the present: the task of `watch`."""
    silence_telemetry()
    check_home(load_settings(), datetime.now(UTC))


def check_home(settings: Settings, now: datetime) -> list[Alert]:
    """Tell people of what is wrong now, once; try again what did not arrive; write the metrics.

    Does not open the warehouse, so it may run at any time, also beside a night.

    Parameters
    ----------
    settings : Settings
    now : datetime
        The present, with its time zone.

    Returns
    -------
    list of Alert
        What is wrong now, whether people were told of it before or not.
    """
    retry(settings, now)
    found = find_alerts(settings, now)
    for alert in found:
        if not was_sent(settings, alert):
            send(settings, alert)
    export_metrics(settings, now)
    return found


def observe_night(settings: Settings, as_of: date) -> list[str]:
    """Compare the night's metrics with those before, tell people of drops, and write the metrics.

    Returns
    -------
    list of str
        Subjects of the drops.
    """
    drops = find_drops(settings, as_of) if settings.notify.channels else []
    for alert in drops:
        send(settings, alert)
    export_metrics(settings, datetime.now(UTC))
    return [alert.subject for alert in drops]
