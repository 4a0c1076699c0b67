"""Prometheus metrics of one API process, in a registry of their own.

No user, item, request, session, event or key is ever a label: every label has few known values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from pipelines.serve.answer.answers import WARNINGS

SOURCES = ("personal", "recent", "similar", "segment", "popular", "static")
#: Why a connection is closed before a request can be judged.
REFUSALS = ("bytes", "time", "too_many", "form")
_BUCKETS = (0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)


class ServeMetrics:
    """Counters and gauges, all with the prefix ``recsys_``."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"recsys_{name}", text, labels, registry=self.registry)

        self._seconds = Histogram(
            "recsys_request_seconds",
            "Seconds from a request's head to the end of its answer",
            ("route", "method", "status"),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._answers = counter("answers", "Lists answered, by where they are from", ("source",))
        self._warnings = counter("warnings", "Warnings in answers", ("code",))
        self._rows = counter("rows", "Rows of events and items taken", ("feed", "status"))
        self.dropped_exposures = counter(
            "dropped_exposures", "Answers that could not be written to the log"
        )
        self.swaps = counter("swaps", "Publications that became live in this process")
        self.failed_swaps = counter("failed_swaps", "Publications that were refused")
        self.failed_polls = counter(
            "failed_polls", "Looks at logs, keys or pointers that went wrong"
        )
        self.refused_connections = counter(
            "refused_connections",
            "Connections closed before a request could be judged",
            ("reason",),
        )
        for reason in REFUSALS:
            self.refused_connections.labels(reason)
        for source in SOURCES:
            self._answers.labels(source)
        for code in WARNINGS:
            self._warnings.labels(code)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is read when the metrics are requested."""
        Gauge(f"recsys_{name}", text, registry=self.registry).set_function(read)

    def observe(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request; `route` is the template, never the path."""
        self._seconds.labels(route, method, str(status)).observe(seconds)

    def count_answer(self, source: str, warnings: Iterable[str]) -> None:
        """Count a list by its source and its warnings."""
        self._answers.labels(source).inc()
        for code in warnings:
            self._warnings.labels(code).inc()

    def count_rows(self, feed: str, results: Iterable[Mapping[str, Any]]) -> None:
        """Count the rows of requests by status."""
        for result in results:
            self._rows.labels(feed, result["status"]).inc()

    def render(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
