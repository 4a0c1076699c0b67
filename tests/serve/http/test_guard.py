from __future__ import annotations

import asyncio

import pytest

from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.http.auth import KeyRing, make_key
from pipelines.serve.http.guard import Guard
from pipelines.serve.log.limits import RateLimiter

KEY, KEY_HASH = make_key()


@pytest.fixture
def ask():
    """Status of a request through a guard; `asked` are the paths that came through."""

    def make(key_hashes=(), burst=100):
        metrics, asked = ServeMetrics(), []

        async def app(scope, receive, send):
            asked.append(scope["path"])
            if scope["path"] == "/breaks":
                raise RuntimeError("inside")
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        limiter = RateLimiter(0.001, burst, 100)
        guard = Guard(app, keys=KeyRing(key_hashes), limiter=limiter, metrics=metrics)

        def get(path="/v1/x", headers=(), client="10.0.0.1", method="GET"):
            sent = []

            async def send(message):
                sent.append(message)

            async def receive():
                return {"type": "http.request", "body": b""}

            scope = {
                "type": "http",
                "path": path,
                "method": method,
                "headers": list(headers),
                "client": (client, 1),
            }
            asyncio.run(guard(scope, receive, send))
            return sent[0]["status"]

        return get, asked, metrics

    return make


def test_without_keys_each_address_has_its_own_rate(ask):
    get, asked, _ = ask(burst=2)
    assert [get(), get(), get(), get(client="10.0.0.2")] == [200, 200, 429, 200]
    assert len(asked) == 3


def test_with_keys_nothing_comes_through_without_one(ask):
    get, asked, _ = ask([KEY_HASH])
    assert get() == get(headers=[(b"x-api-key", b"wrong")]) == 401
    assert asked == []
    assert get(headers=[(b"x-api-key", KEY.encode())]) == 200


def test_who_guesses_is_slowed_down_and_the_key_is_not(ask):
    get, _, _ = ask([KEY_HASH], burst=3)
    guesses = [get(headers=[(b"x-api-key", b"guess")]) for _ in range(5)]
    assert guesses == [401, 401, 401, 429, 429]
    assert get(headers=[(b"x-api-key", KEY.encode())]) == 200


def test_health_is_open_to_anybody_and_costs_nothing(ask):
    get, _, _ = ask([KEY_HASH], burst=1)
    assert {get("/healthz") for _ in range(5)} == {200}
    assert get("/metrics") == 401
    assert get("/healthz/x") == 429


def test_an_announced_giant_is_refused_after_the_key(ask):
    get, asked, _ = ask([KEY_HASH])
    length = (b"content-length", b"1000001")
    assert get(headers=[length]) == 401
    assert get(headers=[length, (b"x-api-key", KEY.encode())]) == 413
    assert asked == []


def test_every_request_is_measured_by_route_and_status(ask):
    get, _, metrics = ask(burst=3)
    get(), get(method="BREW")
    with pytest.raises(RuntimeError, match="inside"):
        get("/breaks")
    get()
    counts = {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == "recsys_request_seconds_count"
    }
    assert counts == {
        ("unmatched", "GET", "200"): 1,
        ("unmatched", "other", "200"): 1,
        ("unmatched", "GET", "500"): 1,
        ("unmatched", "GET", "429"): 1,
    }
