from __future__ import annotations

import json
import socket
from urllib.parse import quote, urlsplit

import pytest

from pipelines.base.config import parse_settings
from pipelines.serve.http.app import create_app
from pipelines.serve.http.auth import make_key
from tests.serve.conftest import make_content
from tests.serve.publications import publish_by_hand, running_api

pytestmark = pytest.mark.xdist_group("app")

LIST = "/v1/recommendations/"
PURCHASE = {"event_type": "purchase", "user_id": "someone", "item_id": "a"}
HOSTILE = [
    "' or 1=1 --",
    '"; drop table lists; --',
    "../../../../etc/passwd",
    "..\\..\\windows",
    "/etc/passwd",
    "%2e%2e%2f",
    "${jndi:ldap://x}",
    "<script>alert(1)</script>",
    "{{7*7}}",
    "file:?mode=rwc",
    "2024-03-10-00000000/../../x",
    "*",
    "a" * 256,
    "ürün/日本 语",
]


def problem_of(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["type"], body["status"]) == ("about:blank", status)
    assert body["title"] and body["detail"]
    return body


# the table of errors


def test_an_unknown_user_is_answered_by_recent_items_else_by_the_popular_list(client):
    answer = client.get(LIST + "nobody", params={"recent": "e,a", "n": 2}).json()
    assert (answer["source"], [row["item_id"] for row in answer["items"]]) == ("recent", ["c", "b"])
    answer = client.get(LIST + "nobody", params={"n": 2}).json()
    assert (answer["source"], [row["item_id"] for row in answer["items"]]) == (
        "popular",
        ["k", "l"],
    )
    answer = client.get(LIST + "nobody", params={"category": "tea", "n": 1}).json()
    assert answer["source"] == "segment"


def test_an_answer_has_the_fields_it_is_said_to_have(client):
    answer = client.get(LIST + "u1", params={"n": 1}).json()
    assert list(answer) == [
        *("request_id", "user_id", "placement", "items", "source", "experiment", "model_version"),
        *("publication_id", "generated_at", "age_seconds", "stale", "warnings"),
    ]
    assert answer["experiment"] is None
    assert list(answer["items"][0]) == ["item_id", "rank", "score", "reason", "title"]


@pytest.mark.parametrize("n", ["0", "101", "-1", "ten", "1.5", "1e2", "9" * 5000])
def test_n_outside_1_to_100_is_refused(client, n):
    body = problem_of(client.get(LIST + "u1", params={"n": n}), 422)
    assert body["errors"][0]["where"] == "query.n"


@pytest.mark.parametrize(
    "bad", ["", "%20", "%00", "a%0Ab", "x" * 257, "x" * 2000, "%FF%FE", "%C2%85"]
)
def test_bad_ids_are_refused_wherever_they_stand(client, bad):
    problem_of(client.get(LIST + bad), 422)
    problem_of(client.get(f"/v1/items/{bad}/similar"), 422)
    for name in ("placement", "category", "experiment"):
        problem_of(client.get(f"{LIST}u1?{name}={bad}"), 422)
    if bad:  # `exclude=` asks nothing away
        problem_of(client.get(f"{LIST}u1?exclude={bad}"), 422)
        problem_of(client.get(f"{LIST}u1?recent=a,{bad}"), 422)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"events": 3}',
        b'{"events": []}',
        b'{"events": [{}], "more": 1}',
        b'{"events": [NaN]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"events": [' + b"9" * 5000 + b"]}",
        json.dumps({"events": [PURCHASE] * 501}).encode(),
    ],
)
def test_a_bad_body_is_refused(client, body):
    answer = client.post("/v1/events", content=body, headers={"content-type": "application/json"})
    assert problem_of(answer, 422)["errors"][0]["where"].startswith("body")


def test_a_body_that_is_not_sent_as_json_is_refused(client):
    problem_of(client.post("/v1/events", content=json.dumps({"events": [PURCHASE]})), 415)


def test_giant_bodies_are_refused_announced_or_not(client):
    head = {"content-type": "application/json"}
    problem_of(client.post("/v1/events", content=b" " * 1_000_001, headers=head), 413)
    chunks = (b" " * 100_000 for _ in range(20))
    problem_of(client.post("/v1/events", content=chunks, headers=head), 413)
    problem_of(client.request("GET", LIST + "u1", content=b" " * 1_000_001), 413)


def test_a_giant_body_is_refused_before_it_is_sent(api):
    where = urlsplit(api.address)
    with socket.create_connection((where.hostname, where.port), timeout=60) as connection:
        head = "POST /v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


def test_an_unknown_experiment_or_placement_does_not_take_the_shop_down(client):
    answer = client.get(LIST + "u1", params={"experiment": "typo", "placement": "typo"}).json()
    assert [one["code"] for one in answer["warnings"]] == [
        "unknown_placement",
        "unknown_experiment",
    ]
    assert answer["items"][0]["item_id"] == "a"
    assert 'recsys_warnings_total{code="unknown_experiment"}' in client.get("/metrics").text


def test_other_paths_and_methods_are_problems_too(client):
    problem_of(client.get("/v1/nothing"), 404)
    problem_of(client.delete(LIST + "u1"), 405)
    problem_of(client.get("/v1/events"), 405)
    problem_of(client.get("/docs"), 404)


def test_keys_are_asked_for_and_a_flood_is_slowed_down(tmp_path):
    settings = parse_settings({"home": tmp_path / "home"})
    publish_by_hand(settings, make_content())
    key, key_hash = make_key()
    with running_api(settings, keys=[key_hash], requests_per_second=1, burst=5) as api:
        with api.client() as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/openapi.json").json()["security"]
            refusals = [
                problem_of(client.get(LIST + "u1", headers=headers), 401)
                for headers in ({}, {"X-API-Key": "rk_wrong"}, {"Authorization": f"Bearer {key}x"})
            ]
            assert refusals[0] == refusals[1] == refusals[2]
            problem_of(client.get("/metrics"), 401)
            problem_of(client.post("/v1/events", json={"events": [PURCHASE]}), 401)
            # five refusals: the address is held to its rate now, the key is not
            problem_of(client.get(LIST + "u1", headers={"X-API-Key": "guess"}), 429)
            headers = {"Authorization": f"Bearer {key}"}
            statuses = [client.get(LIST + "u1", headers=headers).status_code for _ in range(12)]
            assert statuses[:5] == [200] * 5
            slowed = client.get(LIST + "u1", headers=headers)
            assert 429 in statuses and slowed.status_code in {200, 429}
            refused = problem_of(client.get(LIST + "u1", headers={"X-API-Key": "guess"}), 429)
            assert "requests a second" in refused["detail"]
        assert api.stop() == 0
        written = api.log.read_text() + "".join(
            path.read_text() for path in settings.exposures.rglob("*.jsonl")
        )
    assert key not in written and "rk_wrong" not in written
    assert len(written.split('"request_id"')) - 1 == statuses.count(200) + (
        slowed.status_code == 200
    )
    assert not list(settings.exposures.rglob("events-*.jsonl"))


def test_retry_after_says_when(tmp_path):
    settings = parse_settings({"home": tmp_path / "home"})
    publish_by_hand(settings, make_content())
    with running_api(settings, requests_per_second=0.1, burst=1) as api:
        assert api.get(LIST + "u1").status_code == 200
        answer = api.get(LIST + "u1")
        problem_of(answer, 429)
        assert int(answer.headers["retry-after"]) in range(1, 11)
        spoofed = api.get(LIST + "u1", headers={"X-Forwarded-For": "9.9.9.9"})
        assert spoofed.status_code == 429


# hostile texts


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_an_id_like_any_other(client, module_settings, text):
    before = {path for path in module_settings.home.rglob("*") if "exposures" not in path.parts}
    answer = client.get(LIST + quote(text, safe=""), params={"n": 1})
    assert answer.status_code == 200
    assert (answer.json()["user_id"], answer.json()["source"]) == (text, "popular")
    parameters = {
        name: text for name in ("placement", "experiment", "category", "exclude", "recent")
    }
    assert client.get(LIST + "u1", params=parameters).status_code == 200
    assert client.get(f"/v1/items/{quote(text, safe='')}/similar").status_code == 200
    event = {**PURCHASE, "user_id": text, "item_id": text, "event_id": text, "publication_id": text}
    stock = {"item_id": text, "is_available": False}
    assert client.post("/v1/events", json={"events": [event]}).json()["accepted"] == 1
    assert client.post("/v1/items/availability", json={"items": [stock]}).json()["accepted"] == 1
    assert client.get(LIST + "u1", params={"n": 1}).json()["source"] == "personal"
    after = {path for path in module_settings.home.rglob("*") if "exposures" not in path.parts}
    assert after == before
    names = {path.name.split("-")[0] for path in module_settings.exposures.rglob("*.jsonl")}
    assert names == {"served", "events", "items"}


def test_nothing_a_client_sends_is_a_label_of_a_metric(client):
    client.get(LIST + "secret-user", params={"recent": "secret-item", "experiment": "secret-exp"})
    client.post("/v1/events", json={"events": [{**PURCHASE, "user_id": "secret-user"}]})
    client.request("SECRETMETHOD", "/secret/path")
    text = client.get("/metrics").text
    assert 'route="/v1/recommendations/{user_id}"' in text
    assert "secret" not in text.lower()


# rows and state


def test_rows_get_their_results(client):
    rows = [{**PURCHASE, "event_id": "row-1"}, {**PURCHASE, "event_id": "row-1"}, {"event_id": "x"}]
    assert client.post("/v1/events", json={"events": rows}).json() == {
        "accepted": 1,
        "duplicates": 1,
        "rejected": 1,
        "results": [
            {"index": 0, "status": "accepted", "event_id": "row-1"},
            {"index": 1, "status": "duplicate", "event_id": "row-1"},
            {"index": 2, "status": "rejected", "reason": "event_type is missing"},
        ],
    }


def test_ids_with_slashes_work_when_they_are_encoded(client):
    assert client.get(LIST + "a%2Fb%3Fc%23d%25").json()["user_id"] == "a/b?c#d%"
    assert client.get("/v1/items/x%2Fsimilar/similar").json()["item_id"] == "x/similar"


def test_an_app_is_made_without_opening_anything(tmp_path):
    settings = parse_settings({"home": tmp_path / "home"})
    assert create_app(settings).openapi()["openapi"].startswith("3.1")
    assert not settings.home.exists()
