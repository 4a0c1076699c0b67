"""How simulated people reach the shop: over HTTP, or by the service in this process."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from pipelines.base.config import Settings
from pipelines.base.durable import write_text
from pipelines.base.errors import ServiceError

#: Events of one request, as many as the API takes.
BATCH = 500


class Shop(Protocol):
    """The requests that simulated people make of a shop."""

    def recommend(self, user_id: str, placement: str, n: int, at: datetime) -> dict[str, Any]:
        """The answer of the API to a user at a moment."""

    def take_events(self, rows: Sequence[dict[str, Any]], at: datetime) -> None:
        """Tell the shop what people did."""

    def follow(self, publication_id: str, at: datetime) -> None:
        """Answer from a publication that has become live."""

    def close(self) -> None:
        """Close what was opened."""


class SimulatedClock:
    """A clock that shows whatever moment it was set to, also to another process.

    Parameters
    ----------
    path : Path, optional
        File that the moment is written to.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._now = datetime(1970, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The moment it shows."""
        return self._now

    def set(self, at: datetime) -> None:
        """Show another moment."""
        self._now = at.replace(tzinfo=UTC)
        if self._path is not None:
            write_text(self._path, self._now.isoformat())


class HttpShop:
    """A shop reached over HTTP: the API of a running process.

    Parameters
    ----------
    address : str
        ``http://host:port``.
    clock : SimulatedClock
        The clock that the process reads.
    """

    def __init__(self, address: str, clock: SimulatedClock) -> None:
        parts = urlsplit(address)
        self._connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
        self._clock = clock

    def recommend(self, user_id: str, placement: str, n: int, at: datetime) -> dict[str, Any]:
        """See `Shop`."""
        self._clock.set(at)
        asked = urlencode({"placement": placement, "n": n})
        return self._ask("GET", f"/v1/recommendations/{quote(user_id, safe='')}?{asked}")

    def take_events(self, rows: Sequence[dict[str, Any]], at: datetime) -> None:
        """See `Shop`."""
        self._clock.set(at)
        for start in range(0, len(rows), BATCH):
            body = {"events": list(rows[start : start + BATCH])}
            results = self._ask("POST", "/v1/events", body)["results"]
            _check_taken(results)

    def follow(self, publication_id: str, at: datetime, seconds: float = 30.0) -> None:
        """Wait until answers come from a publication.

        Raises
        ------
        ServiceError
            If they do not in time.
        """
        self._clock.set(at)
        self._connection.close()  # a night may last longer than the API keeps an idle connection
        deadline = time.monotonic() + seconds
        found = "nothing"
        while time.monotonic() < deadline:
            with contextlib.suppress(ServiceError):  # 503 until the first publication is verified
                answer = self._ask("GET", "/v1/recommendations/nobody?dry_run=true")
                found = answer["publication_id"]
            if found == publication_id:
                return
            time.sleep(0.1)
        raise ServiceError(
            f"The API must answer from {publication_id} within {seconds:g} s. Found {found}. "
            "Read its log."
        )

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        text = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        self._connection.request(method, path, text, headers)
        response = self._connection.getresponse()
        content = response.read()
        if response.status not in {200, 207}:
            raise ServiceError(
                f"The API must answer 200. Got {response.status} for {method} {path}: "
                f"{content[:300]!r}. Read its log."
            )
        found: dict[str, Any] = json.loads(content)
        return found


class ServiceShop:
    """A shop in this process: the service behind the API, faster than over HTTP."""

    def __init__(self, settings: Settings) -> None:
        from pipelines.serve.answer.metrics import ServeMetrics
        from pipelines.serve.runtime import Runtime

        self._clock = SimulatedClock()
        self._runtime = Runtime(settings, ServeMetrics(), self._clock)

    def follow(self, publication_id: str, at: datetime) -> None:
        """Poll the pointers and the logs, as the API does every two seconds."""
        del publication_id  # it is the one that the pointers name
        self._clock.set(at)
        self._runtime.poll()

    def recommend(self, user_id: str, placement: str, n: int, at: datetime) -> dict[str, Any]:
        """See `Shop`."""
        from pipelines.serve.answer.answers import Query

        self._clock.set(at)
        answer = self._runtime.service.recommend(Query(user_id, n=n, placement=placement))
        return answer.as_dict({"user_id": user_id})

    def take_events(self, rows: Sequence[dict[str, Any]], at: datetime) -> None:
        """See `Shop`."""
        self._clock.set(at)
        for start in range(0, len(rows), BATCH):
            _check_taken(self._runtime.service.take_events(rows[start : start + BATCH]))

    def close(self) -> None:
        """Flush the logs."""
        self._runtime.stop()


def _check_taken(results: Sequence[dict[str, Any]]) -> None:
    refused = [row for row in results if row["status"] == "rejected"]
    if refused:
        raise ServiceError(
            f"Every simulated event must be accepted. Got {len(refused)} rejected, the first: "
            f"{refused[0]}. The world and the API disagree; nothing was retried."
        )
