"""Tracking servers that do not work, each on a port of its own."""

from __future__ import annotations

import http.server
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class DeadServer:
    """Where it listens, and how often it was asked (a refused port cannot count)."""

    port: int
    asked: list[None] = field(default_factory=list)


@contextmanager
def refusing() -> Iterator[DeadServer]:
    """Nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    yield DeadServer(port)


@contextmanager
def hanging() -> Iterator[DeadServer]:
    """Takes connections and never answers."""
    held: list[socket.socket] = []
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        found = DeadServer(server.getsockname()[1])

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return
                found.asked.append(None)

        thread = threading.Thread(target=accept)
        thread.start()
        yield found
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in held:
        connection.close()


@contextmanager
def broken() -> Iterator[DeadServer]:
    """Answers 500 to everything, and asks to be asked again in an hour."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def _refuse(self) -> None:
            found.asked.append(None)
            self.send_response(500)
            self.send_header("Retry-After", "3600")
            self.end_headers()

        do_GET = do_POST = _refuse  # noqa: N815 - names the base class looks for

        def log_message(self, *_: object) -> None:
            """Say nothing on stderr."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        found = DeadServer(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield found
        server.shutdown()
        thread.join()


SERVERS = {"refusing": refusing, "hanging": hanging, "broken": broken}
