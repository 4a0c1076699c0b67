from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta

import httpx
import pytest

from pipelines.base.config import PROJECT_ROOT, process_environment
from pipelines.base.current import point_to
from pipelines.base.errors import ServiceError, SettingsError
from pipelines.publications.choose import pin, rollback, unpin
from pipelines.run.services import LOOPBACK, free_port
from pipelines.serve.http.auth import make_key
from pipelines.serve.server import run_server
from tests.serve.publications import (
    AS_OF,
    Content,
    packed,
    publish_by_hand,
    running_api,
    write_settings,
)

LIST = "/v1/recommendations/"
FAST = {"requests_per_second": 100_000, "burst": 1_000_000}


def marked(number):
    """A publication whose items all say which one they are of."""
    ids = [f"p{number}-{place}" for place in range(20)]
    return Content(
        lists={("discover", f"u{n}"): packed(ids[n % 10 :]) for n in range(50)},
        fallbacks={("discover", ""): packed(ids[::-1], "popularity", "fallback: for anyone")},
        similar={"seed": ids},
        items={item: (f"Title of {item}", "tea", 1.0, True) for item in ids},
    )


class Load:
    """Clients that ask until they are told to stop; keeps every answer that came whole."""

    def __init__(self, api, n_threads=2, n_requests=None):
        self.answers, self.failures = [], []
        self._api = api
        self._stop = threading.Event()
        self._left = threading.Semaphore(n_requests) if n_requests else None
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(n_threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self.wait()

    def wait(self):
        for thread in self._threads:
            thread.join()

    def _ask(self, number):
        with self._api.client() as client:
            while not self._stop.is_set():
                if self._left is not None and not self._left.acquire(blocking=False):
                    return
                user = f"u{(number + len(self.answers)) % 60}"  # some are not known
                try:
                    answer = client.get(LIST + user, params={"n": 10})
                    (self.answers if answer.status_code == 200 else self.failures).append(
                        answer.json()
                    )
                except httpx.TransportError as error:
                    self.failures.append(repr(error))
                    if self._api.process.poll() is not None:
                        return

    def wait_for(self, n_answers):
        while len(self.answers) < n_answers:
            assert self._api.process.poll() is None, self._api.log.read_text()
            time.sleep(0.01)


def logged_ids(settings, lines_of):
    return {json.loads(line)["request_id"] for line in lines_of(settings, "served")}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_answer_that_reached_a_client_is_missing_in_the_log(make_settings, lines_of, number):
    settings = make_settings()
    publish_by_hand(settings, marked(1))
    with running_api(settings, **FAST) as api, Load(api) as load:
        load.wait_for(300)
        code = api.stop(number)
        load.wait()
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    answered = {answer["request_id"] for answer in load.answers}
    assert len(answered) >= 300
    assert answered <= logged_ids(settings, lines_of)


def swap_under_load(settings, n_publications, n_requests):
    publish_by_hand(settings, marked(0), as_of=AS_OF, tag="00000000")
    with running_api(settings, poll_seconds=0.1, **FAST) as api:
        with Load(api, n_requests=n_requests) as load:
            for number in range(1, n_publications):
                load.wait_for(number * n_requests // (n_publications + 1))
                as_of = AS_OF + timedelta(days=number)
                publish_by_hand(settings, marked(number), as_of=as_of, tag=f"{number:08}")
                wait_until_live(api, f"{as_of}-{number:08}")
            load.wait()
        text = api.get("/metrics").text
    return load, text


def wait_until_live(api, publication_id, seconds=20):
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        found = api.get(LIST + "u1", params={"n": 1, "dry_run": True}).json()
        if found["publication_id"] == publication_id:
            return time.monotonic() - started
        time.sleep(0.02)
    raise AssertionError(f"{publication_id} is not live: {api.log.read_text()}")


def check_swaps(load, text, n_publications, n_requests):
    assert load.failures == []
    assert len(load.answers) == n_requests
    mixed = [
        answer
        for answer in load.answers
        if {row["item_id"].split("-")[0] for row in answer["items"]}
        != {f"p{int(answer['publication_id'][-8:])}"}
    ]
    assert mixed == []
    seen = {answer["publication_id"] for answer in load.answers}
    assert len(seen) == n_publications
    assert f"recsys_swaps_total {n_publications}.0" in text
    assert "recsys_failed_swaps_total 0.0" in text


def test_publications_are_swapped_under_load_without_a_failure_or_a_mixture(make_settings):
    check_swaps(*swap_under_load(make_settings(), 4, 800), 4, 800)


@pytest.mark.prove
def test_ten_thousand_requests_across_twenty_publications(make_settings):
    check_swaps(*swap_under_load(make_settings(), 20, 10_000), 20, 10_000)


def test_pins_and_rollbacks_are_live_without_a_restart_and_a_bad_pointer_changes_nothing(
    make_settings,
):
    settings = make_settings()
    first = publish_by_hand(settings, marked(1), tag="00000001")
    later = AS_OF + timedelta(days=1)
    second = publish_by_hand(settings, marked(2), as_of=later, tag="00000002")
    with running_api(settings) as api:
        wait_until_live(api, second.publication_id)
        rollback(settings)
        wait_until_live(api, first.publication_id)
        unpin(settings)
        wait_until_live(api, second.publication_id)
        pin(settings, first.publication_id)
        third = publish_by_hand(settings, marked(3), as_of=later + timedelta(days=1), tag="3" * 8)
        wait_until_live(api, first.publication_id)
        unpin(settings)
        wait_until_live(api, third.publication_id)
        pin(settings, first.publication_id)
        wait_until_live(api, first.publication_id)
        unpin(settings)
        (second.folder / "lists.sqlite").write_bytes(b"damaged")
        point_to(settings, second)
        while "recsys_failed_swaps_total 0.0" in api.get("/metrics").text:
            time.sleep(0.05)
        assert api.get("/readyz").status_code == 200
        found = api.get(LIST + "u1").json()["publication_id"]
        assert found in {first.publication_id, third.publication_id}


def test_an_api_started_before_the_first_publication_becomes_ready(make_settings):
    settings = make_settings()
    with running_api(settings, wait_ready=False) as api:
        for path in ("/readyz", LIST + "u1"):
            answer = api.get(path)
            assert (answer.status_code, answer.json()["status"]) == (503, 503)
        publication = publish_by_hand(settings, marked(1))
        while api.get("/readyz").status_code != 200:
            assert api.process.poll() is None
            time.sleep(0.05)
        wait_until_live(api, publication.publication_id)


def test_a_full_disk_refuses_events_but_no_list(make_settings, lines_of):
    settings = make_settings()
    publish_by_hand(settings, marked(1))

    def small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    with running_api(settings, before=small_files, **FAST) as api:
        with api.client() as client:
            found = [client.get(LIST + "u1").json() for _ in range(30)]
            assert found[0]["warnings"] == []
            assert [one["code"] for one in found[-1]["warnings"]] == ["exposure_not_logged"]
            assert len(found[-1]["items"]) == 10
            event = {"event_type": "view", "user_id": "u1", "item_id": "x" * 200}
            taken = [client.post("/v1/events", json={"events": [event]}) for _ in range(30)]
            assert {answer.status_code for answer in taken} == {200, 503}
        # 120: Python could not flush what it prints, which goes to a file that may not grow either
        assert api.stop() in {0, 120}
    logged = {event_id_of(line) for line in lines_of(settings, "events")}
    acknowledged = {
        answer.json()["results"][0]["event_id"] for answer in taken if answer.status_code == 200
    }
    assert acknowledged and acknowledged <= logged


def event_id_of(line):
    """Id of a line's event; None for the line that the full disk cut short."""
    with contextlib.suppress(ValueError):
        return json.loads(line)["event_id"]
    return None


def children_of(pid):
    path = f"/proc/{pid}/task/{pid}/children"
    with open(path) as stream:
        return [int(word) for word in stream.read().split()]


def test_workers_share_what_happened_and_one_that_dies_is_replaced(make_settings):
    settings = make_settings()
    publish_by_hand(settings, marked(1))
    with running_api(settings, workers=2, **FAST) as api:
        first = children_of(api.process.pid)
        assert len(first) == 2
        event = {"event_type": "purchase", "user_id": "u0", "item_id": "p1-0"}
        assert api.post("/v1/events", json={"events": [event]}).json()["accepted"]
        in_a_row = 0
        while in_a_row < 20:  # whichever worker answers
            shown = api.get(LIST + "u0").json()["items"][0]["item_id"]
            in_a_row = in_a_row + 1 if shown == "p1-1" else 0
        os.kill(first[0], signal.SIGKILL)
        while len(set(children_of(api.process.pid)) - {first[0]}) < 2:
            time.sleep(0.05)
        assert api.get("/healthz").status_code == 200
        assert api.stop() == 0
        for child in first:
            with pytest.raises(ProcessLookupError):
                os.kill(child, 0)


def test_it_does_not_start_open_to_others(make_settings):
    settings = make_settings()
    config = write_settings(settings)
    command = [sys.executable, "-m", "pipelines", "serve", "--config", str(config)]
    done = subprocess.run(
        [*command, "--host", "0.0.0.0", "--port", str(free_port())],
        env=process_environment(settings),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("SettingsError: An API that other machines can reach")
    with pytest.raises(SettingsError, match="must have keys"):
        run_server(settings, "0.0.0.0", 0, 1, print)


def asked(api, key=None):
    headers = {"X-API-Key": key} if key else {}
    return api.get(LIST + "u0", headers=headers).status_code


def wait_for_status(api, key, status, seconds=10):
    deadline = time.monotonic() + seconds
    in_a_row = 0
    while in_a_row < 20:  # whichever worker answers
        assert time.monotonic() < deadline, api.log.read_text()
        in_a_row = in_a_row + 1 if asked(api, key) == status else 0


def test_a_revoked_key_is_refused_and_a_restarted_worker_is_not_open(make_settings, tmp_path):
    settings = make_settings()
    publish_by_hand(settings, marked(1))
    (one, one_hash), (two, two_hash) = make_key(), make_key()
    path = tmp_path / "keys"
    path.write_text(f"{one_hash} shop\n{two_hash} app\n")
    with running_api(settings, workers=2, keys_file=str(path), **FAST) as api:
        wait_for_status(api, one, 200)
        assert asked(api) == 401
        path.write_text(f"{two_hash} app\n")
        wait_for_status(api, one, 401)
        wait_for_status(api, two, 200)
        path.write_text("# nobody\n")
        wait_for_status(api, two, 401)
        first = children_of(api.process.pid)
        for child in first:
            os.kill(child, signal.SIGKILL)
        while len(set(children_of(api.process.pid)) - set(first)) < 2:
            time.sleep(0.05)
        for key in (None, one, two):
            wait_for_status(api, key, 401)


@pytest.mark.parametrize("content", [None, "", "# all remarks\n"])
def test_a_file_of_keys_without_keys_is_refused_at_the_start(make_settings, tmp_path, content):
    settings = make_settings()
    path = tmp_path / "keys"
    if content is not None:
        path.write_text(content)
    config = write_settings(settings, keys_file=str(path))
    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "serve", "--config", str(config), "--port", "0"],
        env=process_environment(settings),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2
    assert "serve.keys_file must" in done.stderr


def test_an_address_that_is_taken_is_named(make_settings):
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        with pytest.raises(ServiceError, match="must be able to listen on 127.0.0.1"):
            run_server(make_settings(), LOOPBACK, taken.getsockname()[1], 1, print)


@pytest.mark.prove
def test_pins_and_rollbacks_are_live_within_five_seconds_at_the_shipped_settings(make_settings):
    settings = make_settings()
    publish_by_hand(settings, marked(1), tag="00000001")
    publish_by_hand(settings, marked(2), as_of=AS_OF + timedelta(days=1), tag="00000002")
    with running_api(settings, poll_seconds=2.0, recent_seconds=1.0) as api:
        rollback(settings)
        took = [wait_until_live(api, "2024-03-10-00000001")]
        unpin(settings)
        took.append(wait_until_live(api, "2024-03-11-00000002"))
        pin(settings, "2024-03-10-00000001")
        took.append(wait_until_live(api, "2024-03-10-00000001"))
        print(f"rollback, unpin, pin visible after {took} s")
        assert max(took) <= 5
