"""Airflow, MLflow and the API on loopback, started for a person or a test, stopped by process.

Nothing here is meant for other machines to reach: there is no authentication.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipelines.base.config import PROJECT_ROOT, Settings, process_environment
from pipelines.base.errors import ServiceError
from pipelines.run.scheduler import airflow_environment, prepare_airflow

LOOPBACK = "127.0.0.1"
#: How long a service may take to start.
START_SECONDS = 120.0
#: How often `supervise` looks; how many ends within how many seconds are too many.
LOOK_SECONDS, MOST_ENDS, ENDS_SECONDS = 1.0, 5, 300.0


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Service:
    """A server on loopback, as a process group of its own.

    Parameters
    ----------
    name : str
    command : list of str
    environment : dict of str to str
    log : Path
        Gets its output; what the process before it wrote goes to `last_log`.
    address : str
        Where people find it.
    health : str
        Address that answers once it is healthy.
    component : str
        Which component of the health report must be healthy; empty if any answer will do.
    process : Popen or None
    """

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    address: str
    health: str
    component: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def last_log(self) -> Path:
        """Output of the process that ran before this one."""
        return self.log.with_name(f"{self.log.name}.1")

    def start(self) -> None:
        """Start the process; `wait_until_healthy` says when it answers."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self.log.exists():
            self.log.replace(self.last_log)
        with self.log.open("wb") as log_file:
            self.process = subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=log_file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    @property
    def exit_code(self) -> int | None:
        """Exit code of a process that has ended; None while it runs."""
        return None if self.process is None else self.process.poll()

    def wait_until_healthy(self, wait_seconds: float) -> None:
        """Wait for the first answer that says it is healthy.

        Raises
        ------
        ServiceError
            If there is none in time, or the process ends; with the end of its log.
        """
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and self.exit_code is None:
            if self.is_healthy():
                return
            time.sleep(0.3)
        raise self.unhealthy(wait_seconds)

    def is_healthy(self) -> bool:
        """Whether it answers, and says that it is healthy."""
        with (
            contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError),
            urllib.request.urlopen(self.health, timeout=2) as answer,
        ):
            return not self.component or json.load(answer)[self.component]["status"] == "healthy"
        return False

    def unhealthy(self, wait_seconds: float) -> ServiceError:
        """The error of one that is not healthy in time, with the end of its log."""
        tail = self.log.read_text(errors="replace")[-800:]
        return ServiceError(
            f"{self.name} must be healthy within {wait_seconds:g} s, as {self.health} says. It was "
            f"not (exit code {self.exit_code}). Read {self.log}, which ends: {tail}"
        )

    def interrupt(self) -> None:
        """Ask the process to end, as Ctrl-C does."""
        if self.process is not None and self.exit_code is None:
            self.process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """Wait for an interrupted process, then make sure that it and its children are gone."""
        if self.process is None:
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


#: Commands of Airflow that run for ever, and their names in its health report.
AIRFLOW_PARTS = {
    "api-server": "metadatabase",
    "scheduler": "scheduler",
    "dag-processor": "dag_processor",
    "triggerer": "triggerer",
}


def airflow_services(settings: Settings, port: int) -> list[Service]:
    """Airflow's API server, scheduler, DAG processor and triggerer on this home.

    Each is a process of its own, so that one that dies is seen: `airflow standalone` runs on
    without it.
    """
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
    return [
        Service(
            f"Airflow {command}",
            [sys.executable, "-m", "airflow", command],
            environment,
            settings.logs / f"airflow-{command}.log",
            address,
            f"{address}/api/v2/monitor/health",
            component,
        )
        for command, component in AIRFLOW_PARTS.items()
    ]


def mlflow_service(settings: Settings, port: int) -> Service:
    """The MLflow server over this home's runs."""
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
    environment = process_environment(settings)
    return Service("MLflow", command, environment, log, address, f"{address}/health")


def api_service(settings: Settings, port: int) -> Service:
    """The API over this home's live publication; without one it waits for the first."""
    address = f"http://{LOOPBACK}:{port}"
    command = [sys.executable, "-m", "pipelines", "serve", "--host", LOOPBACK, "--port", str(port)]
    log = settings.logs / "api.log"
    environment = process_environment(settings)
    return Service("API", command, environment, log, address, f"{address}/healthz")


@contextlib.contextmanager
def running(*services: Service, wait_seconds: float = START_SECONDS) -> Iterator[str]:
    """Give the first service's address while some run, once all are healthy.

    Raises
    ------
    ServiceError
        If one is not within `wait_seconds`.
    """
    try:
        for service in services:
            service.start()
        for service in services:
            service.wait_until_healthy(wait_seconds)
        yield services[0].address
    finally:
        for service in services:
            service.interrupt()
        for service in services:
            service.stop()


def supervise(
    services: Sequence[Service],
    tell: Callable[[str], None],
    *,
    wait_seconds: float,
    is_over: Callable[[], bool],
) -> None:
    """Start again whatever of some running services ends, until it is over.

    Parameters
    ----------
    services : sequence of Service
        Started and healthy.
    tell : callable
        Gets a line for people where one has ended, and when it is back.
    wait_seconds : float
        How long one may take to start.
    is_over : callable
        Asked every `LOOK_SECONDS`.

    Raises
    ------
    ServiceError
        If one does not start again, or has ended `MOST_ENDS` times within `ENDS_SECONDS`.
    """
    ends: dict[str, list[float]] = {service.name: [] for service in services}
    deadlines: dict[str, float] = {}  # of those that are being started; some wait for each other
    while not is_over():
        for service in services:
            now = time.monotonic()
            if service.exit_code is not None:
                service.stop()
                ends[service.name] = [at for at in ends[service.name] if now - at < ENDS_SECONDS]
                ends[service.name].append(now)
                if len(ends[service.name]) >= MOST_ENDS:
                    raise ServiceError(
                        f"A service must stay up. {service.name} ended {MOST_ENDS} times within "
                        f"{ENDS_SECONDS:g} s. Read {service.log}."
                    )
                tell(
                    f"{service.name} ended with exit code {service.exit_code}; starting it again "
                    f"(its log: {service.last_log})"
                )
                service.start()
                deadlines[service.name] = now + wait_seconds
            elif service.name in deadlines and service.is_healthy():
                del deadlines[service.name]
                tell(f"{service.name} is back: {service.address}")
            elif deadlines.get(service.name, now) < now:
                raise service.unhealthy(wait_seconds)
        time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def ended_by_signals() -> Iterator[Callable[[], bool]]:
    """Let SIGTERM and SIGHUP end a program as Ctrl-C does, all it started included.

    Yields
    ------
    callable
        Whether one has come; the first raises KeyboardInterrupt too, so that no wait goes on.
    """
    came: list[int] = []

    def note(number: int, _: object) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: bool(came)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
