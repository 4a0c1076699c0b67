"""Middleware before every route: checks key, rate and body size, and times the request."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any

from pipelines.base.errors import RequestRefusedError
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.http.auth import KeyRing
from pipelines.serve.http.problems import refused
from pipelines.serve.log.limits import (
    Bodies,
    LimitedBody,
    Message,
    RateLimiter,
    Receive,
    check_length,
)

#: Paths that anybody may ask: they say nothing about people or items.
OPEN_PATHS = frozenset({"/healthz", "/readyz", "/openapi.json"})
#: Beginning of the paths of pages for people.
CONSOLE = "/console"
_METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"})

Scope = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware that checks key, rate and body size, and times each request.

    Parameters
    ----------
    app : callable
        The ASGI app behind it.
    keys : KeyRing
    limiter : RateLimiter
    metrics : ServeMetrics
    """

    def __init__(
        self, app: App, *, keys: KeyRing, limiter: RateLimiter, metrics: ServeMetrics
    ) -> None:
        self._app = app
        self._keys = keys
        self._limiter = limiter
        self._metrics = metrics
        self._bodies = Bodies()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request; pass anything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 500
        body = LimitedBody(receive, self._bodies)

        async def noting_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                self._check(scope, start)
            except RequestRefusedError as error:
                await refused(error)(scope, receive, noting_send)
                return
            await self._app(scope, body, noting_send)
        finally:
            body.release()
            route = getattr(scope.get("route"), "path_format", None) or "unmatched"
            method = scope["method"] if scope["method"] in _METHODS else "other"
            self._metrics.observe(route, method, status, time.monotonic() - start)

    def _check(self, scope: Scope, now: float) -> None:
        """Refuse who may not ask, or asks too often or too much."""
        headers = scope["headers"]
        if scope["path"] not in OPEN_PATHS:
            address = (scope.get("client") or ("", 0))[0]
            if self._keys.is_open:
                self._limiter.take(address, now)
            else:
                by_password = scope["path"].startswith(CONSOLE)
                name = self._identify(headers, address, now, by_password=by_password)
                self._limiter.take(name, now)
        check_length(headers)

    def _identify(
        self, headers: list[tuple[bytes, bytes]], address: str, now: float, *, by_password: bool
    ) -> str:
        """Name of the key; without one, the address is rate-limited, so that guessing is slow."""
        try:
            return self._keys.identify(headers, by_password=by_password)
        except RequestRefusedError:
            self._limiter.take(address, now)
            raise
