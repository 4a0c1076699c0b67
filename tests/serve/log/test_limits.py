from __future__ import annotations

import asyncio

import pytest

from pipelines.base.errors import RequestRefusedError
from pipelines.serve.log.limits import (
    MAX_BODY_BYTES,
    MAX_HELD_BYTES,
    Bodies,
    LimitedBody,
    RateLimiter,
    check_length,
)


def test_a_bucket_empties_and_fills_at_its_rate():
    limiter = RateLimiter(rate=2.0, burst=3, max_clients=10)
    for _ in range(3):
        limiter.take("one", now=100.0)
    with pytest.raises(RequestRefusedError, match="At most 2 requests a second") as refusal:
        limiter.take("one", now=100.1)
    assert (refusal.value.status, refusal.value.headers) == (429, {"Retry-After": "1"})
    limiter.take("another", now=100.1)
    limiter.take("one", now=100.5)  # half a second brought one token


def test_waiting_longer_than_the_bucket_holds_brings_no_more_than_a_full_one():
    limiter = RateLimiter(rate=100.0, burst=2, max_clients=10)
    limiter.take("one", now=0.0)
    for _ in range(2):
        limiter.take("one", now=1000.0)
    with pytest.raises(RequestRefusedError, match="requests a second"):
        limiter.take("one", now=1000.0)


def test_a_slow_rate_says_how_long_to_wait():
    limiter = RateLimiter(rate=0.1, burst=1, max_clients=10)
    limiter.take("one", now=0.0)
    with pytest.raises(RequestRefusedError, match="Try again in 10 s"):
        limiter.take("one", now=0.0)


def test_only_so_many_buckets_are_kept():
    limiter = RateLimiter(rate=1.0, burst=1, max_clients=5)
    for number in range(1000):
        limiter.take(f"client-{number}", now=0.0)
    assert len(limiter) == 5


def test_an_announced_giant_body_is_refused_before_it_is_read():
    check_length([(b"content-length", str(MAX_BODY_BYTES).encode())])
    with pytest.raises(RequestRefusedError, match="at most 1,000,000 bytes") as refusal:
        check_length([(b"content-length", str(MAX_BODY_BYTES + 1).encode())])
    assert refusal.value.status == 413


def test_a_body_that_announces_nothing_is_counted_as_it_comes():
    chunks = [{"type": "http.request", "body": b"x" * 400_000, "more_body": True}] * 3

    async def receive():
        return chunks.pop()

    async def read_three():
        limited = LimitedBody(receive, Bodies())
        return [len((await limited())["body"]) for _ in range(3)]

    with pytest.raises(RequestRefusedError, match="at most 1,000,000 bytes"):
        asyncio.run(read_three())
    assert chunks == []


def test_all_bodies_together_are_bounded_until_they_are_released():
    bodies = Bodies()

    async def receive():
        return {"type": "http.request", "body": b"x" * 900_000, "more_body": False}

    async def read_many():
        held = []
        while True:
            held.append(LimitedBody(receive, bodies))
            try:
                await held[-1]()
            except RequestRefusedError as error:
                return held, error

    held, refusal = asyncio.run(read_many())
    assert refusal.status == 503 and "together" in refusal.detail
    assert len(held) == MAX_HELD_BYTES // 900_000 + 1
    for one in held:
        one.release()
    assert bodies.held_bytes == 0
