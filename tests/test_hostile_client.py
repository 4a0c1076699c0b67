"""A client that sends whatever it likes: nothing breaks, nothing is said that only the server may."""

from __future__ import annotations

import json
import random
import socket
from datetime import date
from urllib.parse import quote

import httpx
import pyarrow.parquet as pq
import pytest

from pipelines.events.exposures import take_in_exposures
from tests.serve.conftest import make_content
from tests.serve.publications import publish_by_hand, running_api

PATHS = ("/v1/recommendations/", "/v1/items/", "/v1/events", "/v1/items/availability")
OTHER_PATHS = (
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/",
    "//",
    "/v1",
    "/v1/items//similar",
)
TEXTS = (
    *("", " ", "u1", "a", "a,b", "null", "NULL", "nan", "served", "control", "0", "-1", "1e999"),
    *("../../etc/passwd", "'; drop table lists; --", "%00", "\x00", "\x1b[31m", "\u202e", "\ufdd0"),
    *("zoe\u0308", "\U0001f642", "\ud800", "x" * 256, "x" * 257, "[" * 2000, "served:r:1", "{}"),
)
NUMBERS = (0, 1, -1, 100, 101, 10**9, 10**9 + 1, 10**30, 1e300, -1e300, 0.5, True)
FIELDS = (
    *("event_id", "event_type", "user_id", "item_id", "event_at", "session_id", "request_id"),
    *("position", "value", "price", "publication_id", "experiment_id", "variant", "propensity"),
    *("team", "bucket", "config_hash", "lists_differ", "placement", "source", "is_available", "at"),
)
TYPES = ("click", "purchase", "impression", "served", "view", "return", "rating", "add_to_cart")


class HostileClient:
    """Sends requests of every kind, the same for the same seed."""

    def __init__(self, api, seed):
        self._random = random.Random(seed)
        where = httpx.URL(api.address)
        self._place = (where.host, where.port)
        self._client = httpx.Client(base_url=api.address, timeout=60)
        self.statuses = []

    def run(self, n_requests):
        for _ in range(n_requests):
            send = self._random.choices(
                (self._ask, self._tell, self._say_what_is_not_json, self._send_bytes), (4, 6, 2, 1)
            )[0]
            send()
        self._client.close()

    def _ask(self):
        path = self._random.choice((PATHS[0], PATHS[1], *OTHER_PATHS))
        if path in PATHS:
            path += quote(
                self._text().encode("utf-8", "surrogatepass"), safe=self._random.choice(("", "/"))
            )
            path += self._random.choice(("", "/similar", "?n=5"))
        names = (
            "n",
            "placement",
            "recent",
            "exclude",
            "category",
            "strict",
            "dry_run",
            "attributes",
        )
        chosen = self._random.sample(names, self._random.randrange(4))
        query = "&".join(
            f"{name}={quote(self._text().encode('utf-8', 'surrogatepass'))}" for name in chosen
        )
        method = self._random.choice(("GET",) * 8 + ("POST", "PUT", "DELETE", "HEAD", "OPTIONS"))
        self._send(method, path + ("&" if "?" in path else "?") + query)

    def _tell(self):
        name, path = self._random.choice((("events", PATHS[2]), ("items", PATHS[3])))
        rows = [self._row() for _ in range(self._random.choice((1, 2, 5, 30)))]
        self._send("POST", path, json.dumps({name: rows}).encode())

    def _row(self):
        row = {"event_type": self._random.choice(TYPES), "user_id": "u1", "item_id": "a"}
        for name in self._random.sample(FIELDS, self._random.randrange(6)):
            row[name] = self._value()
        return row

    def _value(self):
        return self._random.choice(
            (self._text(), self._random.choice(NUMBERS), None, [], {"a": []}, [[[]]])
        )

    def _text(self):
        return self._random.choice(TEXTS)

    def _say_what_is_not_json(self):
        content = self._random.choice(
            (b"", b"{", b"[" * 50_000, b'{"events": ' * 5000, b"\xff\xfe", b"NaN", b"9" * 100_000)
        )
        self._send("POST", self._random.choice(PATHS[2:]), content)

    def _send(self, method, path, content=None):
        kind = self._random.choice(("application/json",) * 9 + ("text/plain",))
        headers = {"content-type": kind, "x-request-id": "r1"}
        if self._random.random() < 0.1:
            headers["authorization"] = "Bearer " + "x" * self._random.choice((1, 10, 5000))
        request = self._client.build_request(method, "/", content=content, headers=headers)
        request.url = request.url.copy_with(raw_path=path.encode("ascii"))
        self.statuses.append(self._client.send(request).status_code)

    def _send_bytes(self):
        """Half a request, or what is none; nobody waits for an answer."""
        content = self._random.choice(
            (
                *(b"", b"\r\n" * 1000, b"\x00" * 1000, b"GET", b"GET / HTTP/9.9\r\n\r\n"),
                *(b"GET /\xff HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"y" * 100_000),
                b"POST /v1/events HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
                b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
                b"GET /healthz HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
                b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            )
        )
        with socket.create_connection(self._place, timeout=60) as connection:
            try:
                connection.sendall(content)
            except (BrokenPipeError, ConnectionResetError):
                return


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as stream:
        (line,) = [one for one in stream if one.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


def attack(settings, n_requests, seed=20240310):
    publish_by_hand(settings, make_content())
    limits = {"requests_per_second": 1e6, "burst": 10_000_000, "recent_megabytes": 20}
    with running_api(settings, **limits) as api:
        before = resident_bytes(api.process.pid)
        client = HostileClient(api, seed)
        client.run(n_requests)
        grown = resident_bytes(api.process.pid) - before
        assert api.get("/readyz").status_code == 200
        text = api.get("/metrics").text
        assert api.process.poll() is None
        assert api.stop() == 0
        log = api.log.read_text()
    assert "Traceback" not in log, log[-3000:]
    assert not any(status >= 500 for status in client.statuses)
    assert 'status="500"' not in text
    assert {200, 422} <= set(client.statuses)
    check_what_landed(settings)
    return grown


def check_what_landed(settings):
    """Whatever a client said: exposures and arms are of the server's own answers alone."""
    answers = {}
    for path in settings.exposures.glob("date=*/served-*.jsonl"):
        for line in path.read_text().splitlines():
            row = json.loads(line)
            answers[row["request_id"]] = row["items"]
    take_in_exposures(settings, date.max)
    rows = [
        row
        for path in settings.landing.glob("events/date=*/recsys-api.parquet")
        for row in pq.read_table(path).to_pylist()
    ]
    served = [row for row in rows if row["event_type"] == "served"]
    said = [row for row in rows if row["event_type"] != "served"]
    assert {row["event_id"] for row in served} == {
        f"served:{request_id}:{position}"
        for request_id, items in answers.items()
        for position in range(1, len(items) + 1)
    }
    assert said
    for row in said:
        assert not row["event_id"].startswith("served:")
        for name in ("experiment_id", "variant", "propensity", "team", "bucket", "config_hash"):
            assert row[name] is None, row
        assert abs(row["value"] or 0) <= 1e9 and 0 <= (row["price"] or 0) <= 1e9


def test_a_hostile_client_breaks_nothing(make_settings):
    assert attack(make_settings(), 400) < 100e6


@pytest.mark.prove
def test_a_hundred_thousand_hostile_requests_break_nothing(make_settings):
    assert attack(make_settings(), 100_000) < 150e6
