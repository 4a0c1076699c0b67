from __future__ import annotations

import http.server
import logging
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from pipelines.base.config import PROJECT_ROOT, Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.tracking import (
    attempt,
    comparison_page,
    count_runs,
    end_night,
    experiment_id,
    git_commit,
    log_plots,
    parent_run_id,
    start_night,
    tracking_client,
)
from pipelines.run.services import mlflow_service, running

AS_OF = date(2024, 3, 1)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], with_store: Callable) -> Settings:
    return with_store(make_settings())


# a store that works


def test_night_is_a_run_with_its_day_code_and_build(settings: Settings) -> None:
    write_ordered_json(settings.run_folder(AS_OF).build, {"invocation_id": "abc-1"})

    run_id = start_night(settings, AS_OF, {"candidates": "3"})

    run = tracking_client(settings).get_run(run_id)
    assert run.info.run_name == "night 2024-03-01"
    assert run.info.status == "RUNNING"
    assert run.data.tags["night"] == run.data.tags["as_of"] == "2024-03-01"
    assert run.data.tags["candidates"] == "3"
    assert run.data.tags["dbt_invocation_id"] == "abc-1"
    assert run.data.tags["git_commit"]
    assert parent_run_id(settings, AS_OF) == run_id


def test_rerun_of_a_night_opens_the_same_run_again(settings: Settings) -> None:
    first = start_night(settings, AS_OF)
    end_night(settings, AS_OF)

    again = start_night(settings, AS_OF, {"attempt": "second"})

    run = tracking_client(settings).get_run(again)
    assert again == first
    assert (run.info.status, run.data.tags["attempt"]) == ("RUNNING", "second")


def test_mlflow_opens_on_the_candidates_of_a_night(settings: Settings) -> None:
    server = "http://127.0.0.1:5000"
    kind = "workflowType=machine_learning"
    assert comparison_page(settings, None, server) == f"{server}/#/experiments?{kind}"
    assert comparison_page(settings, AS_OF, server) == f"{server}/#/experiments?{kind}"
    start_night(settings, AS_OF)
    page, query = comparison_page(settings, AS_OF, server).split("?")
    assert page == f"{server}/#/experiments/1/runs"
    assert parse_qs(query) == {
        "workflowType": ["machine_learning"],
        "compareRunsMode": ["CHART"],
        "searchFilter": ["tags.window = 'gate' and tags.as_of = '2024-03-01'"],
    }


def test_end_of_night_closes_the_run(settings: Settings) -> None:
    run_id = start_night(settings, AS_OF)

    end_night(settings, AS_OF)

    assert tracking_client(settings).get_run(run_id).info.status == "FINISHED"


def test_nights_are_counted_and_a_home_without_a_store_keeps_none(make_settings) -> None:
    settings = make_settings()
    assert count_runs(settings) == 0
    assert not (settings.home / "mlflow.db").exists()


def test_reruns_of_a_night_count_once(settings: Settings) -> None:
    assert count_runs(settings) == 0
    start_night(settings, AS_OF)
    start_night(settings, AS_OF)
    start_night(settings, date(2024, 3, 2))
    assert count_runs(settings) == 2


def test_a_store_that_cannot_be_asked_counts_nothing(make_settings) -> None:
    assert count_runs(make_settings(mlflow={"tracking_uri": "http://127.0.0.1:1"})) is None


def test_artefacts_lie_under_the_home(settings: Settings, tmp_path: Path) -> None:
    start_night(settings, AS_OF)
    picture = tmp_path / "one.png"
    picture.write_bytes(b"png")

    log_plots(settings, AS_OF, [picture])

    stored = list((settings.home / "mlartifacts").rglob("plots/one.png"))
    assert [path.read_bytes() for path in stored] == [b"png"]


def test_experiment_is_made_once(settings: Settings) -> None:
    client = tracking_client(settings)

    assert experiment_id(client, settings) == experiment_id(client, settings)


def test_night_without_a_run_closes_and_logs_nothing(settings: Settings) -> None:
    end_night(settings, AS_OF)
    log_plots(settings, AS_OF, [])

    assert parent_run_id(settings, AS_OF) is None
    assert not settings.run_folder(AS_OF).folder.exists()


def test_failed_action_on_a_file_store_is_a_warning_and_is_tried_again(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    found = attempt(settings, lambda client: client.get_run("no such run"), "reading a run")

    assert found is None
    assert "MLflow: reading a run failed" in caplog.text
    assert attempt(settings, lambda client: "answered", "asking again") == "answered"


def test_git_commit_is_that_of_the_checkout() -> None:
    head = PROJECT_ROOT / ".git"
    commit = git_commit()

    assert (commit is None) if not head.exists() else (commit is not None and len(commit) == 40)


# servers that do not work


class BrokenHandler(http.server.BaseHTTPRequestHandler):
    """Answers 503 to everything, and asks to be asked again in an hour."""

    requests = 0

    def _refuse(self) -> None:
        type(self).requests += 1
        self.send_response(503)
        self.send_header("Retry-After", "3600")
        self.end_headers()
        self.wfile.write(b"<html>overloaded</html>")

    do_GET = do_POST = _refuse  # noqa: N815 - names the base class looks for

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def refused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def hanging_port() -> Iterator[int]:
    """A server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


@pytest.fixture
def broken_port() -> Iterator[int]:
    BrokenHandler.requests = 0
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), BrokenHandler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def with_server(make_settings: Callable[..., Settings], port: int) -> Settings:
    uri = f"http://127.0.0.1:{port}"
    return make_settings(mlflow={"tracking_uri": uri, "timeout_seconds": 1, "restart_seconds": 0})


@pytest.mark.parametrize("port", ["refused_port", "hanging_port", "broken_port"])
def test_dead_server_costs_one_timeout_and_is_not_asked_again(
    port: str,
    request: pytest.FixtureRequest,
    make_settings: Callable[..., Settings],
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = with_server(make_settings, request.getfixturevalue(port))
    caplog.set_level(logging.INFO)

    started = time.monotonic()
    assert start_night(settings, AS_OF) is None
    first = time.monotonic() - started
    asked = BrokenHandler.requests
    started = time.monotonic()
    for _ in range(20):
        assert attempt(settings, lambda client: client.search_experiments(), "anything") is None
    later = time.monotonic() - started

    assert first < 3  # one timeout of a second and the import of the library
    assert later < 0.1
    assert asked == BrokenHandler.requests
    assert parent_run_id(settings, AS_OF) is None
    assert caplog.text.count("MLflow: opening the run of night 2024-03-01 failed") == 1
    assert caplog.text.count("MLflow: skipped anything") == 20


@pytest.mark.slow
def test_a_server_that_is_there_again_gets_what_was_begun(
    refused_port: int,
    make_settings: Callable[..., Settings],
    store_template: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    own = make_settings()
    own.home.mkdir(parents=True)
    shutil.copy(store_template, own.mlflow_database)
    uri = f"http://127.0.0.1:{refused_port}"
    settings = make_settings(mlflow={"tracking_uri": uri, "restart_seconds": 300})
    with ThreadPoolExecutor() as pool:
        begun = pool.submit(start_night, settings, AS_OF)
        with running(mlflow_service(own, refused_port)):  # seconds later
            assert begun.result() is not None
    assert f"{uri} is there again; opening the run of night 2024-03-01 begins anew" in caplog.text


def test_next_night_asks_a_failed_server_once_more(
    broken_port: int, make_settings: Callable[..., Settings]
) -> None:
    settings = with_server(make_settings, broken_port)
    start_night(settings, AS_OF)
    asked = BrokenHandler.requests

    start_night(settings, date(2024, 3, 2))

    assert BrokenHandler.requests == asked + 1


def test_refused_request_does_not_count_as_a_dead_server(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

    server = make_settings(mlflow={"tracking_uri": "http://127.0.0.1:9"})

    def refuse(_: object) -> None:
        raise MlflowException("no such parameter", INVALID_PARAMETER_VALUE)

    assert attempt(server, refuse, "asking for nonsense") is None
    assert attempt(server, lambda client: "answered", "asking again") == "answered"
