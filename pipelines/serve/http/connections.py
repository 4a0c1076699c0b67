"""Limits on connections, before a request can be judged: bytes and seconds of a head, and how many.

A connection that waits (for a head, or between requests) gives way to a new one where there are too
many. So clients that send half a request, however many, keep nobody out.
"""

from __future__ import annotations

import asyncio
import resource
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from pipelines.base.serving_settings import ServeSettings
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.http.problems import problem

#: Files that a process has open beside connections: logs, publications, libraries.
OTHER_FILES = 200
#: Requests of a connection that wait for the answer to an earlier one.
MAX_PIPELINED = 16


@dataclass(frozen=True)
class ConnectionLimits:
    """What one process allows.

    Parameters
    ----------
    head_bytes : int
        `serve.max_head_bytes`.
    head_seconds, idle_seconds : float
        Longest time until a head is whole; until a request is answered, and the next one begins.
    connections, connections_per_address : int
    """

    head_bytes: int
    head_seconds: float
    idle_seconds: float
    connections: int
    connections_per_address: int


def limits_of(serve: ServeSettings) -> ConnectionLimits:
    """Limits of the settings, and no more connections than this process may have files open."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = serve.max_connections
    if files != resource.RLIM_INFINITY:
        most = max(min(most, files - OTHER_FILES), files // 2)
    return ConnectionLimits(
        serve.max_head_bytes,
        serve.head_seconds,
        serve.idle_seconds,
        min(most, serve.max_connections),
        min(most, serve.max_connections_per_address),
    )


@dataclass
class Connections:
    """The open connections of a process.

    Parameters
    ----------
    limits : ConnectionLimits
    metrics : ServeMetrics
    """

    limits: ConnectionLimits
    metrics: ServeMetrics
    _addresses: dict[Connection, str] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)
    # those that wait, the longest first
    _waiting: dict[Connection, None] = field(default_factory=dict)

    def protocol(self) -> Any:
        """What uvicorn makes each connection of."""
        return partial(Connection, self)

    def add(self, connection: Connection, address: str) -> bool:
        """Take a new connection, in place of one that waits where there are too many.

        Returns
        -------
        bool
            False if there are too many and none of them waits.
        """
        found = True
        if self._counts[address] >= self.limits.connections_per_address:
            found = self._make_room(address)
        elif len(self._addresses) >= self.limits.connections:
            found = self._make_room(None)
        self._addresses[connection] = address
        self._counts[address] += 1
        self._waiting[connection] = None
        return found

    def _make_room(self, address: str | None) -> bool:
        for other in self._waiting:
            if address in {None, self._addresses[other]}:
                self.metrics.refused_connections.labels("too_many").inc()
                self.remove(other)
                other.transport.abort()
                return True
        return False

    def remove(self, connection: Connection) -> None:
        """Forget a connection, once or more often."""
        address = self._addresses.pop(connection, None)
        self._waiting.pop(connection, None)
        if address is not None:
            self._counts[address] -= 1
            if not self._counts[address]:
                del self._counts[address]

    def work(self, connection: Connection) -> None:
        """Note that a connection's request is being answered."""
        self._waiting.pop(connection, None)

    def wait(self, connection: Connection) -> None:
        """Note that a connection waits for its next request."""
        if connection in self._addresses:
            self._waiting[connection] = None


class Connection(HttpToolsProtocol):
    """One connection, within the limits.

    Parameters
    ----------
    connections : Connections
    **given
        What uvicorn gives every connection.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._connections = connections
        self._limits = connections.limits
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._is_in_head = False
        self._is_whole = True
        self._refusal = (400, "form", "A request must be HTTP/1.1. This one cannot be read.")
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """Begin to wait for a head, or refuse where every connection is busy."""
        super().connection_made(transport)
        is_taken = self._connections.add(self, self.client[0] if self.client else "")
        self._expect(self._limits.head_seconds)
        if not is_taken:
            self._refuse(503, "too_many", "Too many connections are open. Come again later.")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget everything about it."""
        self._connections.remove(self)
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse bytes; many that make nothing whole are a head that is too long."""
        self._unparsed_bytes += len(data)
        super().data_received(data)
        if self._unparsed_bytes > self._limits.head_bytes and not self.transport.is_closing():
            self._refuse(*self._too_large())

    # what the parser finds

    def on_message_begin(self) -> None:
        """Begin to count and time a head."""
        super().on_message_begin()
        self._head_bytes = self._unparsed_bytes = 0
        self._is_in_head, self._is_whole = True, False
        self._expect(self._limits.head_seconds)

    def on_url(self, url: bytes) -> None:
        """Count the bytes of a path."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count the bytes of a header or trailer."""
        self._count(len(name) + len(value) + len(": \r\n"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to time the request."""
        self._unparsed_bytes, self._is_in_head = 0, False
        if len(self.pipeline) >= MAX_PIPELINED:
            detail = f"At most {MAX_PIPELINED} requests may wait in a connection. More came."
            self._refusal = (429, "too_many", detail)
            raise ValueError(detail)  # ends the parser
        self._connections.work(self)
        self._expect(self._limits.idle_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Note that bytes were part of a body."""
        self._unparsed_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        self._unparsed_bytes, self._is_whole = 0, True
        super().on_message_complete()
        self._settle()

    def on_response_complete(self) -> None:
        """Wait for the next request, if this one was whole."""
        super().on_response_complete()
        self._settle()

    def _settle(self) -> None:
        if self._is_whole and not self.pipeline and self.cycle.response_complete:
            self._connections.wait(self)
            self._expect(self._limits.idle_seconds)

    def _count(self, n_bytes: int) -> None:
        self._unparsed_bytes = 0
        self._head_bytes += n_bytes
        if self._head_bytes > self._limits.head_bytes:
            self._refusal = self._too_large()
            raise ValueError(self._refusal[2])  # ends the parser

    def _too_large(self) -> tuple[int, str, str]:
        most = f"{self._limits.head_bytes:,}"
        return 431, "bytes", f"Path and headers must have at most {most} bytes. These have more."

    # time

    def _expect(self, seconds: float) -> None:
        """Something must happen within so many seconds."""
        self._due = self.loop.time() + seconds
        if self._timer is None or self._timer.when() > self._due:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_at(self._due, self._look_at_clock)

    def _look_at_clock(self) -> None:
        if self.loop.time() < self._due:
            self._set_timer()
        elif self._is_in_head and not self.transport.is_closing():
            seconds = f"{self._limits.head_seconds:g}"
            self._due += self._limits.head_seconds  # until the refusal has been sent
            self._set_timer()
            self._refuse(408, "time", f"A head must come within {seconds} s. This one did not.")
        else:
            self._connections.metrics.refused_connections.labels("time").inc()
            self.transport.abort()

    # refusals

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not go on with."""
        self._refuse(*self._refusal)

    def _refuse(self, status: int, reason: str, detail: str) -> None:
        """Answer with a problem and close; only close where an answer is under way."""
        self._connections.metrics.refused_connections.labels(reason).inc()
        if self.cycle is None or self.cycle.response_complete:
            answer = problem(status, detail, headers={"Connection": "close"})
            lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
            lines += [b"%s: %s" % header for header in answer.raw_headers]
            self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        self.transport.close()
