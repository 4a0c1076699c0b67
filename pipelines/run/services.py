"""Airflow, MLflow and the API on loopback, started for a person or a test, stopped by process.

Each is a context that gives the service's address once it is healthy, and raises `ServiceError` if
it is not within `wait_seconds`. Nothing here is meant for other machines to reach: there is no
authentication.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from pipelines.base.config import PROJECT_ROOT, Settings, process_environment
from pipelines.base.errors import ServiceError
from pipelines.run.scheduler import airflow_environment, prepare_airflow

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def airflow_standalone(settings: Settings, port: int, wait_seconds: int = 120) -> Iterator[str]:
    """Run `airflow standalone` (API server, scheduler, DAG processor, triggerer) on this home."""
    prepare_airflow(settings)
    address = f"http://{LOOPBACK}:{port}"
    environment = {
        **airflow_environment(settings),
        "AIRFLOW__API__HOST": LOOPBACK,
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
    }
    log = settings.logs / "airflow-standalone.log"
    with _running([sys.executable, "-m", "airflow", "standalone"], environment, log) as process:
        _wait_until_healthy(f"{address}/api/v2/monitor/health", process, log, wait_seconds)
        yield address


@contextlib.contextmanager
def mlflow_server(settings: Settings, port: int, wait_seconds: int = 60) -> Iterator[str]:
    """Run the MLflow server over this home's runs."""
    address = f"http://{LOOPBACK}:{port}"
    command = [
        *(sys.executable, "-m", "mlflow"),
        *("--env-file", str(PROJECT_ROOT / "mlflow" / "server.env"), "server"),
        *("--host", LOOPBACK, "--port", str(port)),
        *("--backend-store-uri", settings.tracking_uri),
        *("--workers", "1"),
        *("--allowed-hosts", f"{LOOPBACK}:*,localhost:*"),
        *("--default-artifact-root", str(settings.mlflow_artifacts)),
    ]
    log = settings.logs / "mlflow-server.log"
    with _running(command, process_environment(settings), log) as process:
        _wait_until_healthy(f"{address}/health", process, log, wait_seconds)
        yield address


@contextlib.contextmanager
def api_server(settings: Settings, port: int, wait_seconds: int = 60) -> Iterator[str]:
    """Run the API over this home's live publication; without one it waits for the first."""
    address = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "pipelines", "serve", "--host", LOOPBACK, "--port", str(port)]
    log = settings.logs / "api.log"
    with _running(command, process_environment(settings), log) as process:
        _wait_until_healthy(f"{address}/healthz", process, log, wait_seconds)
        yield address


@contextlib.contextmanager
def _running(
    command: list[str], environment: dict[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a process group of its own; interrupt it, then make sure it is gone."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as log_file:
        process = subprocess.Popen(
            command,
            env=environment,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # `airflow standalone` stops its children on SIGINT only; SIGTERM would leave them behind
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_until_healthy(
    url: str, process: subprocess.Popen[bytes], log: Path, wait_seconds: int
) -> None:
    deadline = time.monotonic() + wait_seconds
    while time.monotonic() < deadline and process.poll() is None:
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(url, timeout=2),
        ):
            return
        time.sleep(0.3)
    tail = log.read_text(errors="replace")[-800:]
    raise ServiceError(
        f"{url} must answer within {wait_seconds} s. It did not (exit code {process.poll()}). "
        f"Read {log}, which ends: {tail}"
    )
