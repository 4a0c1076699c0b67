from __future__ import annotations

import json

import httpx
import pytest
from fastapi import FastAPI

from pipelines.base.errors import RequestRefusedError
from pipelines.serve.http.problems import handle_problems, problem


@pytest.fixture
def ask():
    app = FastAPI()

    @app.get("/fails")
    async def fails():
        raise ZeroDivisionError("secret of the inside")

    @app.get("/refuses")
    async def refuses():
        raise RequestRefusedError(
            429, "Too many.", headers={"Retry-After": "3"}, errors=[{"where": "a", "detail": "b"}]
        )

    @app.get("/number")
    async def number(n: int):
        return n

    handle_problems(app)

    async def get(path, method="GET"):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
            return await client.request(method, path)

    import asyncio

    return lambda *given: asyncio.run(get(*given))


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (("/fails",), 500),
        (("/refuses",), 429),
        (("/number?n=x",), 422),
        (("/nothing",), 404),
        (("/fails", "DELETE"), 405),
    ],
)
def test_every_error_is_a_problem(ask, given, status):
    answer = ask(*given)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert {"type", "title", "detail"} <= set(answer.json())


def test_an_error_inside_says_nothing_of_itself(ask):
    assert "secret" not in ask("/fails").text


def test_headers_and_parts_of_a_refusal_are_kept(ask):
    answer = ask("/refuses")
    assert answer.headers["retry-after"] == "3"
    assert answer.json()["errors"] == [{"where": "a", "detail": "b"}]
    assert ask("/fails", "DELETE").headers["allow"] == "GET"


def test_a_wrong_parameter_is_named_and_not_repeated(ask):
    (part,) = ask("/number?n=evil-value").json()["errors"]
    assert part["where"] == "query.n"
    assert "evil-value" not in ask("/number?n=evil-value").text


def test_a_problem_has_the_words_of_its_status():
    assert json.loads(problem(503, "Later.").body) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Later.",
    }
