"""Send each alert once: what was sent is a file in the home, and what failed is tried again."""

from __future__ import annotations

import fcntl
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import read_if_there, write_json
from pipelines.notify.alert import Alert
from pipelines.notify.channels import Delivery, deliver

#: How long a delivery that failed is tried again.
RETRIED_FOR = timedelta(days=1)

logger = logging.getLogger(__name__)


def send(settings: Settings, alert: Alert) -> list[Delivery]:
    """Send an alert on every channel of the settings, unless it was sent before.

    Returns
    -------
    list of Delivery
        What became of it now: empty if there is no channel, or nothing is left to do.

    Notes
    -----
    An alert's file says which channels have it. A channel that surely has not got it is tried again
    when the alert is sent again (`retry`); one that may have got it is not, so that nobody is told
    twice. Where the file cannot be written, as on a full disk, the alert is sent all the same.
    """
    if not settings.notify.channels:
        return []
    with _one_at_a_time(settings):
        path = settings.alerts / f"{alert.name}.json"
        stored = _read(path)
        done: dict[str, Any] = stored.get("deliveries", {})
        left = [one for one in settings.notify.channels if _is_open(done.get(one))]
        made = deliver(settings, alert, left) if left else []
        for one in made:
            level = logging.INFO if one.state == "sent" else logging.WARNING
            logger.log(level, "alert %r, %s: %s", alert.subject, one.channel, one.detail)
            done[one.channel] = {"state": one.state, "detail": one.detail}
        if made:
            first = stored.get("first_tried_at") or datetime.now(UTC).isoformat(timespec="seconds")
            _record(path, {**alert.as_dict(), "first_tried_at": first, "deliveries": done})
    return made


def retry(settings: Settings, now: datetime) -> list[Delivery]:
    """Send again what surely did not arrive, for `RETRIED_FOR` after the first attempt.

    Parameters
    ----------
    settings : Settings
    now : datetime
        The present, with its time zone.
    """
    made = []
    for path in sorted(settings.alerts.glob("*.json")):
        stored = _read(path)
        states = {one["state"] for one in stored.get("deliveries", {}).values()}
        if "failed" not in states:
            continue
        if now - datetime.fromisoformat(stored["first_tried_at"]) < RETRIED_FOR:
            fields = {name: stored[name] for name in Alert.__dataclass_fields__}
            made += send(settings, Alert(**fields))
    return made


def was_sent(settings: Settings, alert: Alert) -> bool:
    """Whether an alert was sent before, or at least tried."""
    return (settings.alerts / f"{alert.name}.json").exists()


def _is_open(done: dict[str, str] | None) -> bool:
    return done is None or done["state"] == "failed"


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_if_there(path) or {}
    except (OSError, json.JSONDecodeError):
        return {}


def _record(path: Path, content: dict[str, Any]) -> None:
    try:
        write_json(path, content)
    except OSError as error:
        logger.warning("that an alert was sent could not be written down: %s", error)


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Let other processes wait, so that two of them do not send the same alert."""
    try:
        settings.alerts.mkdir(parents=True, exist_ok=True)
        stream = (settings.alerts / ".lock").open("a", encoding="utf-8")
    except OSError as error:
        logger.warning("alerts are sent without a lock: %s", error)
        yield
        return
    with stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
