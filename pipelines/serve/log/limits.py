"""Limits of requests: how often, and how big."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pipelines.base.errors import RequestRefusedError

#: Longest body of a request.
MAX_BODY_BYTES = 1_000_000

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


def limit_body(receive: Receive) -> Receive:
    """Count the bytes of a body as they come, announced or not.

    Returns
    -------
    callable
        Raises RequestRefusedError (413) once there are more than `MAX_BODY_BYTES`.
    """
    received = 0

    async def limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > MAX_BODY_BYTES:
            raise _too_large()
        return message

    return limited


def _too_large() -> RequestRefusedError:
    return RequestRefusedError(
        413,
        f"A body must have at most {MAX_BODY_BYTES:,} bytes. This one has more. Send the rows in "
        "several requests.",
        headers={"Connection": "close"},
    )
