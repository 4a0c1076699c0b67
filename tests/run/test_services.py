from __future__ import annotations

import os
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipelines.base.errors import ServiceError
from pipelines.run.services import (
    LOOPBACK,
    _running,
    _wait_until_healthy,
    api_server,
    free_port,
    mlflow_server,
)


def test_a_free_port_is_one_nobody_listens_on():
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{LOOPBACK}:{free_port()}", timeout=2)


def test_a_server_that_never_answers_is_reported_with_its_log(tmp_path):
    log = tmp_path / "server.log"
    command = ["sh", "-c", "echo cannot start; exit 3"]
    with (
        _running(command, dict(os.environ), log) as process,
        pytest.raises(ServiceError, match=r"must answer within 5 s.*exit code 3.*cannot start"),
    ):
        process.wait()
        _wait_until_healthy(f"http://{LOOPBACK}:{free_port()}/", process, log, 5)


def test_a_stopped_command_leaves_no_child_behind(tmp_path):
    script = "trap '' INT; sleep 60 & echo $!; wait"
    with _running(["sh", "-c", script], dict(os.environ), tmp_path / "log") as process:
        while not (child := (tmp_path / "log").read_text().strip()):
            assert process.poll() is None
        os.kill(int(child), 0)
        process.kill()
    assert ends_within(5, int(child))


def ends_within(seconds: float, pid: int) -> bool:
    """Whether a process ends in time; a zombie has ended, only its parent has not looked yet."""
    status = Path(f"/proc/{pid}/stat")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not status.exists() or status.read_text().split()[2] == "Z":
            return True
    return False


@pytest.mark.slow
def test_the_mlflow_server_shows_the_runs_of_the_home(make_settings):
    settings = make_settings()
    settings.home.mkdir(parents=True)
    with mlflow_server(settings, free_port()) as address:
        body = urllib.request.urlopen(f"{address}/version", timeout=10).read().decode()
    assert body.startswith("3.")


def test_the_api_answers_on_loopback_and_waits_for_a_publication(make_settings):
    settings = make_settings()
    with api_server(settings, free_port()) as address:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{address}/readyz", timeout=5)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=2)
