"""Tell people that a task failed: in which night, why, and what the DAG's own table says to do."""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import date
from typing import Any

from pipelines.base.config import PROJECT_ROOT, Settings, load_settings
from pipelines.base.errors import PipelineError
from pipelines.notify.alert import Alert, command_here, describe_error
from pipelines.notify.outbox import send
from pipelines.run.night import newest_night, resolve_as_of

logger = logging.getLogger(__name__)

#: The DAG that looks at the home all day: where it fails, people are told once a day.
WATCH_DAG = "watch"
_BY_HAND = re.compile(r"\*\*By hand\*\*:\s+`recsys ([^`]+)`")


def report_failure(context: Mapping[str, Any]) -> None:
    """Tell people that a task failed for good: the `on_failure_callback` of every task.

    Airflow calls it once per failure: after the last retry, and also where a task's process was
    killed. The receivers' faults are logged and change nothing.

    Parameters
    ----------
    context : mapping
        Airflow's context of the task instance.
    """
    settings = load_settings()
    if not settings.notify.channels:
        return
    ti, params = context["ti"], dict(context.get("params") or {})
    night = _night(params, context)
    subject = _subject(context)
    task = ti.task_id + (f" ({subject})" if subject else "")
    meaning, remedy = read_remedies(ti.dag_id).get(ti.task_id, ("", "Read the log of the task."))
    run = ti.run_id.partition("T")[0] if ti.dag_id == WATCH_DAG else f"{ti.run_id} {ti.try_number}"
    words = {**{name.upper(): str(value) for name, value in params.items()}, "DAY": night}
    send(
        settings,
        Alert(
            key=f"task {ti.dag_id} {ti.task_id} {ti.map_index} {run}",
            subject=f"recsys: {task} failed" + (f" in the night of {night}" if night else ""),
            message=describe_error(context.get("exception")),
            remedy=_fill(remedy, words),
            command=command_here(settings, *_fill(read_command(ti.dag_id), words).split()),
            facts={
                "Night": night,
                "Task": f"{ti.dag_id}.{task}",
                "Means": meaning,
            },
        ),
    )


def report_stopped_run(settings: Settings, dag_id: str, as_of: date, exit_code: int) -> None:
    """Tell people that the process of a night ended before a task could say why."""
    log = settings.night_log(as_of)
    send(
        settings,
        Alert(
            key=f"run {dag_id} {as_of} {log.stat().st_mtime_ns if log.exists() else 0}",
            subject=f"recsys: the night of {as_of} stopped",
            message=f"Airflow's process ended with exit code {exit_code} and no failed task",
            remedy=f"Read the end of {log}: a killed process often means too little memory.",
            command=command_here(settings, "run", "--as-of", as_of.isoformat()),
            facts={"Night": as_of.isoformat(), "Task": dag_id},
        ),
    )


def read_remedies(dag_id: str) -> dict[str, tuple[str, str]]:
    """What a task's failure means and what to do, from the table at the top of the DAG's file.

    Returns
    -------
    dict of str to (str, str)
        By task; empty if the file is not there.
    """
    remedies = {}
    for line in _page(dag_id).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) == 3:  # noqa: PLR2004 - task, meaning, remedy
            for task in re.findall(r"`(\w+)`", cells[0]):
                remedies[task] = (cells[1], cells[2])
    return remedies


def read_command(dag_id: str) -> str:
    """The command that does a DAG's work by hand, without `recsys`, as the DAG's page says it."""
    found = _BY_HAND.search(_page(dag_id))
    return found.group(1) if found else "doctor"


def _page(dag_id: str) -> str:
    """The docstring of a DAG's file."""
    with suppress(OSError):
        text = (PROJECT_ROOT / "dags" / f"{dag_id}.py").read_text(encoding="utf-8")
        return ast.get_docstring(ast.parse(text)) or ""
    logger.warning("no page of the DAG %s: the alert has no remedy", dag_id)
    return ""


def _night(params: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    """The night that a run is about; empty if it is about none, or that cannot be told."""
    with suppress(PipelineError):
        if "as_of" in params:
            return resolve_as_of(params["as_of"], context.get("logical_date"))
    with suppress(PipelineError):
        if "as_of" in params:
            return newest_night(params["as_of"])
    return ""


def _subject(context: Mapping[str, Any]) -> str:
    """Candidate or placement of a mapped task; its number where Airflow no longer knows."""
    if context["ti"].map_index in (None, -1):
        return ""
    values = getattr(context.get("task"), "op_kwargs", None) or {}
    return str(values.get("subject", context["ti"].map_index))


def _fill(text: str, words: Mapping[str, str]) -> str:
    """A text with DAY, and the names of the run's other parameters, in place."""
    return re.sub(r"\b[A-Z]{2,}\b", lambda found: words.get(found.group()) or found.group(), text)
