"""Airflow on this home: its environment, its database, and a night run through the real DAG.

Airflow is only ever started as a process of its own; nothing here imports it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from pipelines.base.config import PROJECT_ROOT, Settings, process_environment
from pipelines.base.errors import NightFailedError
from pipelines.base.night_lock import shared_home
from pipelines.base.step_seconds import read_step_seconds
from pipelines.run.airflow_process import PREPARED_FILE
from pipelines.run.failures import report_stopped_run

logger = logging.getLogger(__name__)

NIGHTLY_DAG = "nightly_recommendations"
AIRFLOW_PROCESS = (sys.executable, "-m", "pipelines.run.airflow_process")
#: A task waits a minute or two for an API server that is being started again, and a scheduler
#: finds within a minute what a dead one left behind. `docker-compose.yml` says the same.
OUTLIVES_RESTARTS = {
    "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "12",
    "AIRFLOW__WORKERS__EXECUTION_API_RETRY_WAIT_MAX": "15",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "30",
}
_CONNECT_ARGUMENTS = (
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS_ASYNC",
)
_STARTED = re.compile(r"\[DAG TEST\] starting task_id=(\S+) map_index=(\S+)")
_FINISHED = re.compile(r"\[DAG TEST\] end task task_id=(\S+) map_index=(\S+)")
_OWN_LINE = re.compile(
    r"^\S+ \[(info|warning|error)\s*\] (.*?)\s+\[(pipelines\.\S+)\](?: loc=\S+)?$"
)
_FAILURE = re.compile(r"^(?:[\w.]+\.)?(\w+(?:Error|Exception|Refused)): (.+)$")


def airflow_environment(settings: Settings) -> dict[str, str]:
    """Environment of every Airflow process that works on this home.

    The home holds Airflow's database and logs under `airflow/`; this checkout's `dags/` is the
    only DAG folder; tasks read this home and its settings.
    """
    home = settings.airflow
    secret = hashlib.sha512(str(settings.home).encode()).digest()
    return {
        **process_environment(settings),
        "PATH": f"{Path(sys.executable).parent}:{process_environment(settings).get('PATH', '')}",
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}",
        **dict.fromkeys(_CONNECT_ARGUMENTS, "pipelines.run.airflow_sqlite.CONNECT_ARGUMENTS"),
        # signs tokens between this machine's own processes; a server that others reach sets its own
        "AIRFLOW__API_AUTH__JWT_SECRET": base64.b64encode(secret).decode(),
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "True",
        **OUTLIVES_RESTARTS,
        "PYTHONWARNINGS": "ignore",
    }


def prepare_airflow(settings: Settings) -> None:
    """Create or migrate Airflow's database and the one-slot pool of the warehouse.

    Raises
    ------
    NightFailedError
        If Airflow fails; its last lines are in the message.
    """
    folder = settings.airflow
    if (folder / PREPARED_FILE).exists():
        return
    done = subprocess.run(
        AIRFLOW_PROCESS,
        env=airflow_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NightFailedError(
            f"Airflow must be able to prepare its database. It ended with {done.returncode}: "
            f"{(done.stdout + done.stderr)[-600:]}. Remove {folder} and try again."
        )


def unpause_nights(settings: Settings, wait_seconds: float = 60.0) -> None:
    """Let the running scheduler start the nightly DAG by its schedule.

    Raises
    ------
    NightFailedError
        If Airflow does not know the DAG in time; with its last lines.
    """
    command = [sys.executable, "-m", "airflow", "dags", "unpause", NIGHTLY_DAG, "--yes"]
    deadline = time.monotonic() + wait_seconds
    while True:
        done = subprocess.run(
            command, env=airflow_environment(settings), capture_output=True, text=True, check=False
        )
        told = done.stdout + done.stderr
        if done.returncode == 0 and NIGHTLY_DAG in done.stdout:
            return
        if time.monotonic() > deadline:
            raise NightFailedError(
                f"Airflow must know {NIGHTLY_DAG} before it is unpaused. It ended with "
                f"{done.returncode} after {wait_seconds:g} s: {told[-400:]}. Try again: recsys "
                f"airflow dags unpause {NIGHTLY_DAG}."
            )
        time.sleep(1.0)


def run_night(settings: Settings, as_of: date, show: Callable[[str], None]) -> None:
    """Run the nightly DAG once, in one process, and show a line for each step.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night.
    show : callable
        Receives each progress line. Airflow's full log goes to `<home>/logs/`.

    Raises
    ------
    NightFailedError
        If the run does not end in success; names the failed task, its error and the log.
    """
    log = settings.night_log(as_of)
    log.parent.mkdir(parents=True, exist_ok=True)
    began, conf = time.monotonic(), json.dumps({"as_of": as_of.isoformat()})
    with (
        shared_home(settings),
        log.open("w", encoding="utf-8") as log_file,
        subprocess.Popen(
            [*AIRFLOW_PROCESS, NIGHTLY_DAG, conf],
            env=airflow_environment(settings),
            text=True,
            errors="replace",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            failures = _follow(_teed(process, log_file.write), show)
        except BaseException:
            process.terminate()
            raise
    if process.returncode:
        if not failures:
            report_stopped_run(settings, NIGHTLY_DAG, as_of, process.returncode)
        reasons = "; ".join(f"{label}: {error}" for label, error in failures.items())
        raise NightFailedError(
            f"Every task of the night must succeed. Failed: {reasons or 'the run'} "
            f"(exit code {process.returncode}). Airflow's log is {log}; what to do for each task "
            "stands at the top of dags/nightly_recommendations.py."
        )
    steps = sum(step["seconds"] for step in read_step_seconds(settings, as_of))
    around = time.monotonic() - began - steps
    show(f"The steps took {steps:.1f} s, Airflow around them {around:.1f} s")


def _teed(process: subprocess.Popen[str], write: Callable[[str], object]) -> Iterator[str]:
    """Lines of a process's output, each also passed to `write`."""
    if process.stdout is None:
        return
    for line in process.stdout:
        write(line)
        yield line.rstrip("\n")


def _follow(lines: Iterator[str], show: Callable[[str], None]) -> dict[str, str]:
    """Show progress from Airflow's log lines; return each task whose last try failed."""
    began, error = time.monotonic(), ""
    failures: dict[str, str] = {}
    for line in lines:
        if _STARTED.search(line):
            began, error = time.monotonic(), ""
        elif match := _FINISHED.search(line):
            label = _task_label(match)
            show(f"{'FAILED' if error else 'done  '} {label} ({time.monotonic() - began:.1f} s)")
            failures.pop(label, None)
            if error:
                failures[label] = error
        elif match := _OWN_LINE.match(line):
            show(f"         {match.group(2)}")
        elif match := _FAILURE.match(line):
            error = f"{match.group(1)}: {match.group(2)}"
            show(f"         {error}")
    return failures


def _task_label(match: re.Match[str]) -> str:
    """`task_id`, with its index if it is mapped."""
    task_id, map_index = match.groups()
    return task_id if map_index == "-1" else f"{task_id}[{map_index}]"
