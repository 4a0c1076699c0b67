"""Limits of requests: how often, and how big."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from pipelines.base.errors import RequestRefusedError

#: Longest body of a request.
MAX_BODY_BYTES = 1_000_000
#: Most bytes of all bodies that a process is receiving.
MAX_HELD_BYTES = 64_000_000

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class RateLimiter:
    """A token bucket per client.

    Parameters
    ----------
    rate : float
        Tokens a second; a request takes one.
    burst : int
        Tokens of a full bucket.
    max_clients : int
        Buckets that are kept; the one unused for longest goes first.
    """

    def __init__(self, rate: float, burst: int, max_clients: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._max_clients = max_clients
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, client: str, now: float) -> None:
        """Take a token.

        Parameters
        ----------
        client : str
        now : float
            Seconds of a clock that never goes back.

        Raises
        ------
        RequestRefusedError
            429, with the seconds until there is one in `Retry-After`.
        """
        tokens, last = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - last) * self._rate)
        is_empty = tokens < 1
        self._buckets[client] = (tokens if is_empty else tokens - 1, now)
        if len(self._buckets) > self._max_clients:
            self._buckets.popitem(last=False)
        if is_empty:
            seconds = max(1, math.ceil((1 - tokens) / self._rate))
            raise RequestRefusedError(
                429,
                f"At most {self._rate:g} requests a second may come from one client. More came. "
                f"Try again in {seconds} s.",
                headers={"Retry-After": str(seconds)},
            )


def check_length(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a body by its announced length, before a byte of it is read.

    Raises
    ------
    RequestRefusedError
        413 if it is too long.
    """
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise _too_large()


@dataclass
class Bodies:
    """Bytes of the bodies that a process is receiving, all together."""

    held_bytes: int = 0


class LimitedBody:
    """`receive` of a request that counts its body as it comes, announced or not.

    Parameters
    ----------
    receive : callable
    bodies : Bodies
        Of the process; `release` takes this body out of it.
    """

    def __init__(self, receive: Receive, bodies: Bodies) -> None:
        self._receive = receive
        self._bodies = bodies
        self._bytes = 0

    async def __call__(self) -> Message:
        """The next message.

        Raises
        ------
        RequestRefusedError
            413 once the body has more than `MAX_BODY_BYTES`, 503 once all bodies have more than
            `MAX_HELD_BYTES`.
        """
        message = await self._receive()
        count = len(message.get("body", b""))
        self._bytes += count
        self._bodies.held_bytes += count
        if self._bytes > MAX_BODY_BYTES:
            raise _too_large()
        if self._bodies.held_bytes > MAX_HELD_BYTES:
            raise RequestRefusedError(
                503,
                f"Bodies that are being received must have at most {MAX_HELD_BYTES:,} bytes "
                "together. They have more. Send the rows again later.",
                headers={"Retry-After": "2", "Connection": "close"},
            )
        return message

    def release(self) -> None:
        """The body is held no longer."""
        self._bodies.held_bytes -= self._bytes
        self._bytes = 0


def _too_large() -> RequestRefusedError:
    return RequestRefusedError(
        413,
        f"A body must have at most {MAX_BODY_BYTES:,} bytes. This one has more. Send the rows in "
        "several requests.",
        headers={"Connection": "close"},
    )
