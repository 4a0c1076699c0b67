"""What one API process holds: the service, and the threads that keep it up to date."""

from __future__ import annotations

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from pipelines.base.config import Settings
from pipelines.serve.answer.list_store import ListStore
from pipelines.serve.answer.live_publication import LivePublication
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.answer.service import RecommendationService
from pipelines.serve.http.auth import KeyRing
from pipelines.serve.log.clock import Clock
from pipelines.serve.log.erased_users import ErasedUsers
from pipelines.serve.log.event_log import EventLog
from pipelines.serve.log.recent import RecentEvents

logger = logging.getLogger(__name__)


class Runtime:
    """The parts of a running API, made when it starts and closed when it stops."""

    def __init__(
        self, settings: Settings, metrics: ServeMetrics, clock: Clock, keys: KeyRing | None = None
    ) -> None:
        self._settings = settings
        self._keys = keys or KeyRing()
        self._metrics = metrics
        self._clock = clock
        self.instance = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._erased = ErasedUsers(settings)
        self._recent = RecentEvents(
            settings.exposures,
            self.instance,
            settings.events.exposures,
            settings.events.min_value,
            max_bytes=settings.serve.recent_megabytes * 1_000_000,
            is_erased=self._erased.has,
        )
        self._live = LivePublication(
            settings,
            before_swap=self._cover,
            on_swap=self._swapped,
            on_failure=metrics.failed_swaps.inc,
        )
        self._log = EventLog(settings.exposures, self.instance, clock)
        self.service = RecommendationService(
            settings,
            live=self._live,
            recent=self._recent,
            erased=self._erased,
            log=self._log,
            metrics=metrics,
            clock=clock,
        )
        self._first_day = clock().date()
        self._known_until = 0.0
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._add_gauges()

    @property
    def is_ready(self) -> bool:
        """Whether lists can be answered."""
        return self._live.is_ready

    def start(self) -> None:
        """Begin to follow the pointers, the logs and the keys."""
        serve = self._settings.serve
        for name, work, seconds in (
            ("publications", self._follow_publications, serve.poll_seconds),
            ("logs", self._follow_logs, serve.recent_seconds),
            ("keys", self._keys.refresh, serve.poll_seconds),
        ):
            thread = threading.Thread(
                target=self._repeat, args=(name, work, seconds), name=name, daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def poll(self) -> None:
        """Look at the pointers and the logs once, as the threads do again and again."""
        self._erased.poll()
        self._follow_publications()
        self._follow_logs()

    def stop(self) -> None:
        """Flush the logs and close every file."""
        self._stopped.set()
        for thread in self._threads:
            thread.join()
        self._log.close()
        self._live.close()

    def _repeat(self, name: str, work: Callable[[], None], seconds: float) -> None:
        """Repeat `work` every `seconds` until the process stops; errors are logged and counted."""
        while not self._stopped.is_set():
            started = time.monotonic()
            try:
                work()
            except Exception:
                logger.exception("following the %s went wrong", name)
                self._metrics.failed_polls.inc()
            self._stopped.wait(max(0.0, seconds - (time.monotonic() - started)))

    def _follow_logs(self) -> None:
        if self._erased.poll():
            self._recent.forget_erased()
        self._recent.poll()

    # publications

    def _follow_publications(self) -> None:
        if self._recent.first_day != self._first_day:
            # drops the days that the publication of the last poll knows: no answer needs them now
            self._recent.cover(self._first_day)
        self._live.poll()

    def _cover(self, store: ListStore) -> None:
        """Read the logged days that a publication does not know, before it becomes live.

        What arrived on the day before its `as_of` is held too: a line may be written just after
        midnight, and a night may be run before its day has ended.
        """
        today = self._clock().date()
        wanted = min(store.as_of - timedelta(days=1), today)
        oldest = today - timedelta(days=self._settings.serve.recent_days)
        if wanted < oldest:
            logger.warning(
                "%s is old: what happened before %s is not held", store.publication_id, oldest
            )
        self._first_day = max(wanted, oldest)
        held = self._recent.first_day
        if held is None or self._first_day < held:
            self._recent.cover(self._first_day)

    def _swapped(self, store: ListStore) -> None:
        """Count a swap; the next poll drops the logged days that the new publication knows."""
        self._known_until = store.known_until.timestamp()
        self._metrics.swaps.inc()

    def _add_gauges(self) -> None:
        def age() -> float:
            return self._clock().timestamp() - self._known_until if self.is_ready else 0.0

        serve = self._settings.serve
        gauge = self._metrics.gauge
        gauge("ready", "1 once a verified publication is live", lambda: float(self.is_ready))
        gauge("publication_age_seconds", "Since the end of the days that the live lists know", age)
        gauge(
            "publication_stale",
            "1 from serve.stale_hours on, 2 from serve.alarm_hours on",
            lambda: float(age() >= serve.stale_hours * 3600) + (age() >= serve.alarm_hours * 3600),
        )
        gauge("recent_events", "Events held since the batch", self._recent.count_events)
        gauge("recent_bytes", "Bytes that they take, at most", self._recent.count_bytes)
        gauge(
            "recent_unheld_rows",
            "Rows that are logged but not held: serve.recent_megabytes is reached",
            lambda: self._recent.unheld_count,
        )
