from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipelines.base.errors import ServiceError
from pipelines.run.services import (
    LOOPBACK,
    Service,
    api_service,
    free_port,
    mlflow_service,
    running,
    supervise,
)


def shell(script, tmp_path, name="part"):
    """A service that a shell script plays; nothing answers at its address."""
    address = f"http://{LOOPBACK}:{free_port()}"
    command = ["sh", "-c", script]
    return Service(name, command, dict(os.environ), tmp_path / f"{name}.log", address, address)


def test_a_free_port_is_one_nobody_listens_on():
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{LOOPBACK}:{free_port()}", timeout=2)


def test_a_server_that_never_answers_is_reported_with_its_log(tmp_path):
    service = shell("echo cannot start; exit 3", tmp_path)
    with (
        pytest.raises(ServiceError, match=r"must be healthy within 5 s.*exit code 3.*cannot start"),
        running(service, wait_seconds=5),
    ):
        pass


def test_a_stopped_service_leaves_no_child_behind(tmp_path):
    service = shell("trap '' INT; sleep 60 & echo $!; wait", tmp_path)
    service.start()
    while not (child := service.log.read_text().strip()):
        assert service.exit_code is None
    os.kill(int(child), 0)
    service.process.kill()
    service.stop()
    assert ends_within(5, int(child))


def test_a_service_that_ends_is_started_again_and_said(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.run.services.LOOK_SECONDS", 0.01)
    steady = shell("sleep 60", tmp_path, "steady")
    served = f"exec {sys.executable} -m http.server --bind {LOOPBACK} "
    port = free_port()
    fragile = shell(served + str(port), tmp_path, "fragile")
    fragile.health = fragile.address = f"http://{LOOPBACK}:{port}/"
    told = []
    with running(fragile):
        steady.start()
        first = fragile.process.pid
        fragile.process.kill()
        supervise([steady, fragile], told.append, wait_seconds=20, is_over=lambda: len(told) == 2)
        assert fragile.process.pid != first and fragile.exit_code is None
    steady.interrupt()
    steady.stop()
    assert told[0] == (
        f"fragile ended with exit code -9; starting it again (its log: {tmp_path}/fragile.log.1)"
    )
    assert (tmp_path / "fragile.log.1").exists()
    assert told[1] == f"fragile is back: {fragile.address}"


def test_services_that_wait_for_each_other_start_again_together(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.run.services.LOOK_SECONDS", 0.01)
    port = free_port()
    server = shell(f"exec {sys.executable} -m http.server --bind {LOOPBACK} {port}", tmp_path, "b")
    worker = shell("sleep 60", tmp_path, "a")  # healthy when the server says so, as a scheduler is
    server.health = worker.health = f"http://{LOOPBACK}:{port}/"
    told = []
    with running(server, worker):
        for service in (worker, server):
            service.process.kill()
            service.process.wait()
        supervise([worker, server], told.append, wait_seconds=20, is_over=lambda: len(told) == 4)
    assert [line.split()[1] for line in told] == ["ended", "ended", "is", "is"]


def test_a_service_that_ends_again_and_again_ends_the_rest(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.run.services.MOST_ENDS", 1)
    service = shell("exit 7", tmp_path)
    service.start()
    service.process.wait()
    with pytest.raises(ServiceError, match="A service must stay up. part ended 1 times"):
        supervise([service], print, wait_seconds=1, is_over=lambda: False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_ends_a_supervisor_and_all_that_it_started(tmp_path, number):
    program = f"""
import os, sys
from contextlib import suppress
from pathlib import Path
from pipelines.run.services import Service, ended_by_signals, supervise
part = Service("part", ["sh", "-c", "sleep 60 & echo $!; wait"], dict(os.environ),
               Path({str(tmp_path / "part.log")!r}), "", "")
with suppress(KeyboardInterrupt), ended_by_signals() as is_over:
    try:
        part.start()
        print("up", flush=True)
        supervise([part], print, wait_seconds=1, is_over=is_over)
    finally:
        part.interrupt()
        part.stop()
"""
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "up\n"
        while not (child := (tmp_path / "part.log").read_text().strip()):
            assert process.poll() is None
        process.send_signal(number)
        assert process.wait(20) == 0
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
    with running(mlflow_service(settings, free_port())) as address:
        body = urllib.request.urlopen(f"{address}/version", timeout=10).read().decode()
    assert body.startswith("3.")


def test_the_api_answers_on_loopback_and_waits_for_a_publication(make_settings):
    settings = make_settings()
    with running(api_service(settings, free_port())) as address:
        with urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:
            assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(f"{address}/readyz", timeout=5)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(address, timeout=2)
