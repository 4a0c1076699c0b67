from __future__ import annotations

import json
import resource
import socket
import time
from contextlib import ExitStack, contextmanager

import httpx
import pytest

from pipelines.base.config import parse_settings
from pipelines.base.serving_settings import ServeSettings
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.http.connections import Connections, limits_of
from tests.serve.conftest import make_content
from tests.serve.publications import publish_by_hand, running_api

CHUNKED = b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
HALF = b"GET /healthz HTTP/1.1\r\nHost: shop\r\nX-Wait: "


@pytest.fixture(scope="module")
def strict_api(tmp_path_factory):
    """An API with short limits and 1,024 files."""
    settings = parse_settings({"home": tmp_path_factory.mktemp("strict") / "home"})
    publish_by_hand(settings, make_content())

    def few_files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))

    with running_api(settings, before=few_files, head_seconds=1.0, idle_seconds=2.0) as api:
        yield api


@contextmanager
def connected(api, timeout=60):
    where = httpx.URL(api.address)
    with socket.create_connection((where.host, where.port), timeout=timeout) as connection:
        yield connection


def send(connection, content):
    """Send bytes to somebody who may hang up meanwhile."""
    try:
        connection.sendall(content)
    except (BrokenPipeError, ConnectionResetError):
        return


def read_all(connection):
    """What came until the other side hung up."""
    found = b""
    try:
        while part := connection.recv(65_536):
            found += part
    except ConnectionResetError:
        pass
    return found


def problem_in(found):
    head, _, body = found.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert b"connection: close" in head.lower()
    return json.loads(body)


def refused(api, reason):
    text = api.get("/metrics").text
    (line,) = [
        one
        for one in text.splitlines()
        if one.startswith(f'recsys_refused_connections_total{{reason="{reason}"}}')
    ]
    return float(line.split()[-1])


def seconds_of_healthz(api, tries=9):
    """Median seconds of some answers, each over a connection of its own."""
    took = []
    for _ in range(tries):
        started = time.perf_counter()
        with connected(api) as connection:
            send(connection, b"GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
            assert read_all(connection).startswith(b"HTTP/1.1 200")
        took.append(time.perf_counter() - started)
    return sorted(took)[tries // 2]


def test_half_sent_requests_keep_nobody_out(strict_api):
    where = httpx.URL(strict_api.address)
    with ExitStack() as stack:
        for _ in range(1100):
            connection = stack.enter_context(
                socket.create_connection((where.host, where.port), timeout=60)
            )
            send(connection, HALF)
        assert seconds_of_healthz(strict_api) < 0.1
    assert refused(strict_api, "too_many") >= 1100 - 1000


def test_a_head_without_end_is_cut_off(strict_api):
    with connected(strict_api) as connection:
        send(connection, HALF)
        for _ in range(200):  # 200 MB
            send(connection, b"x" * 1_000_000)
        assert seconds_of_healthz(strict_api) < 0.1
    assert resident_bytes(strict_api.process.pid) < 400e6


def resident_bytes(pid):
    with open(f"/proc/{pid}/status") as stream:
        (line,) = [one for one in stream if one.startswith("VmRSS:")]
    return int(line.split()[1]) * 1024


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"GET /" + b"a" * 70_000, id="path"),
        pytest.param(b"GET / HTTP/1.1\r\nX-Pad: " + b"a" * 700_000, id="header"),
        pytest.param(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 12_000, id="headers"),
        pytest.param(CHUNKED + b"0\r\nX: " + b"a" * 700_000, id="trailer"),
    ],
)
def test_path_headers_and_trailers_are_bounded(strict_api, head):
    with connected(strict_api) as connection:
        send(connection, head)
        found = read_all(connection)
    if found and b"HTTP/1.1 415" not in found:  # it may hang up before the answer is read
        assert problem_in(found)["status"] == 431


def test_a_head_that_does_not_come_in_time_is_refused(strict_api):
    with connected(strict_api) as connection:
        started = time.monotonic()
        send(connection, HALF)
        for _ in range(5):  # a byte now and then does not help
            time.sleep(0.3)
            send(connection, b"x")
        assert problem_in(read_all(connection))["status"] == 408
        assert time.monotonic() - started < 4


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"\r\n",
        b"POST /v1/events HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n",
    ],
)
def test_a_connection_that_waits_too_long_is_closed(strict_api, sent):
    with connected(strict_api) as connection:
        started = time.monotonic()
        send(connection, sent)
        read_all(connection)
        assert time.monotonic() - started < 6


def test_many_requests_at_once_in_one_connection_are_refused(strict_api):
    with connected(strict_api) as connection:
        send(connection, b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n" * 1000)
        assert read_all(connection).count(b"HTTP/1.1 200") < 100


def test_what_is_no_http_is_a_problem(strict_api):
    with connected(strict_api) as connection:
        send(connection, b"\x16\x03\x01 hello\r\n\r\n")
        assert problem_in(read_all(connection))["status"] == 400


def test_a_connection_serves_one_request_after_another(strict_api):
    with strict_api.client() as client:
        for _ in range(20):
            assert client.get("/healthz").status_code == 200
    with connected(strict_api) as connection:
        send(connection, b"GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n" * 3)
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 3


def test_limits_leave_files_for_everything_else():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
        assert limits_of(ServeSettings()).connections == 312
        assert limits_of(ServeSettings(max_connections=100)).connections == 100
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


class Peer:
    """A connection that only notes that it was closed."""

    def __init__(self):
        self.transport, self.is_closed = self, False

    def abort(self):
        self.is_closed = True


def test_the_one_that_waits_longest_gives_way_and_the_busy_do_not():
    limits = limits_of(ServeSettings(max_connections=16, max_connections_per_address=8))
    connections = Connections(limits, ServeMetrics())
    peers = [Peer() for _ in range(8)]
    assert all(connections.add(peer, "a") for peer in peers)
    connections.work(peers[0])
    assert connections.add(Peer(), "a")
    assert [peer.is_closed for peer in peers] == [False, True, *[False] * 6]
    assert connections.add(Peer(), "b")
    assert sum(peer.is_closed for peer in peers) == 1
    busy = [Peer() for _ in range(7)]
    for peer in busy:
        assert connections.add(peer, "b")
        connections.work(peer)
    assert connections.add(Peer(), "b")  # in place of the one of b that waits
    for peer in list(connections._waiting):
        connections.work(peer)
    assert not connections.add(Peer(), "b")
