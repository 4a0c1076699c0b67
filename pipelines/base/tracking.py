"""The night's run in MLflow, and the one way anything reaches MLflow.

Everything goes through `attempt`: a tracking server that is down, slow or broken costs a bounded
time and a warning, never the night's lists.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode
from urllib.request import urlopen

from pipelines.base.config import PROJECT_ROOT, Settings, bound_tracking_calls, kept_environment
from pipelines.base.durable import read_if_there, write_ordered_json
from pipelines.base.faults import faultpoint

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)
T = TypeVar("T")

#: Servers that failed in this process; they are not asked again until the next night starts.
_failed_servers: set[str] = set()
SERVER_ERROR = 500
_KIND = "mlflow.experimentKind"
#: Tags of an experiment: of recommenders and not of prompts, so that MLflow opens it on its runs.
EXPERIMENT_TAGS = {
    _KIND: "custom_model_development",
    "mlflow.note.content": (
        "Nightly recommendations. A run `night DAY` holds the leaderboards (NDCG by placement and "
        "candidate on the gate window), the gate's verdicts, plots and report.md. Its children are "
        "a candidate on a window each: filter by tags.window = 'gate' and compare."
    ),
}


def attempt(
    settings: Settings,
    action: Callable[[MlflowClient], T],
    what: str,
    *,
    night: date | None = None,
    waits: bool = True,
) -> T | None:
    """Run an action on MLflow; if that fails, log a warning and go on without it.

    A call to a server may hang for `mlflow.timeout_seconds`. When a server failed (no connection,
    no answer in time, or an answer of 500 and above), the action begins anew if the server answers
    again within `mlflow.restart_seconds`: an action finds what it made before. If not, further
    attempts of this process, and of every process of the same night, return at once, until
    `start_night` asks it again. So a server that is down makes a night late once, however many
    tasks it has.

    Parameters
    ----------
    settings : Settings
        Where to log, and for how long to wait.
    action : callable of one MlflowClient
        What to do. The fluent API (``mlflow.…``) is set to the same store and experiment.
    what : str
        What is done, for the warning: "logging the plots".
    night : date, optional
        Whose processes share what is known of the server.
    waits : bool
        Whether a server that failed is waited for; not where a person does.

    Returns
    -------
    object or None
        What `action` returned; None if it failed or was not tried.
    """
    server = settings.tracking_uri
    if server in _failed_servers or _failed_tonight(settings, night):
        logger.info("MLflow: skipped %s: %s failed earlier tonight", what, server)
        return None
    try:
        return _ask_patiently(settings, action, what) if waits else _ask(settings, action)
    except Exception as error:  # noqa: BLE001 - whatever tracking raises, the lists come first
        if _is_server_failure(server, error):
            _failed_servers.add(server)
            if night is not None:
                write_ordered_json(
                    settings.run_folder(night).tracking_failed, {"tracking_uri": server}
                )
        logger.warning("MLflow: %s failed at %s: %s", what, server, str(error)[:300])
        return None


def _ask_patiently(settings: Settings, action: Callable[[MlflowClient], T], what: str) -> T:
    """Run an action, and once more where the server failed and is there again."""
    server = settings.tracking_uri
    try:
        return _ask(settings, action)
    except Exception as error:
        if not _is_server_failure(server, error) or not _is_back(settings):
            raise
    logger.info("MLflow: %s is there again; %s begins anew", server, what)
    return _ask(settings, action)


def _ask(settings: Settings, action: Callable[[MlflowClient], T]) -> T:
    faultpoint("tracking.asked")
    answer = action(tracking_client(settings))
    faultpoint("tracking.answered")
    return answer


def _is_back(settings: Settings) -> bool:
    """Whether a server that failed says within `mlflow.restart_seconds` that it is healthy."""
    deadline = time.monotonic() + settings.mlflow.restart_seconds
    while time.monotonic() < deadline:
        with (
            contextlib.suppress(OSError, HTTPException),
            urlopen(f"{settings.tracking_uri}/health", timeout=settings.mlflow.timeout_seconds),
        ):
            return True
        time.sleep(0.5)
    return False


def _failed_tonight(settings: Settings, night: date | None) -> bool:
    found = None if night is None else read_if_there(settings.run_folder(night).tracking_failed)
    return found is not None and found["tracking_uri"] == settings.tracking_uri


def tracking_client(settings: Settings) -> MlflowClient:
    """MLflow client of the settings' store, with timeouts; the fluent API then uses it too."""
    bound_tracking_calls(settings)
    import mlflow
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with kept_environment():  # or MLFLOW_TRACKING_URI would name this home to every later process
        mlflow.set_tracking_uri(settings.tracking_uri)
    return MlflowClient(tracking_uri=settings.tracking_uri)


def experiment_id(client: MlflowClient, settings: Settings) -> str:
    """Id of the MLflow experiment, created if needed; its artefacts lie below the home."""
    found = client.get_experiment_by_name(settings.mlflow.experiment)
    if found is not None:
        if found.tags.get(_KIND) != EXPERIMENT_TAGS[_KIND]:
            for key, value in EXPERIMENT_TAGS.items():
                client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)
    is_server = settings.tracking_uri.startswith("http")
    location = None if is_server else settings.mlflow_artifacts.resolve().as_uri()
    tags: dict[str, Any] = dict(EXPERIMENT_TAGS)
    name = settings.mlflow.experiment
    return str(client.create_experiment(name, artifact_location=location, tags=tags))


def start_night(
    settings: Settings, as_of: date, tags: Mapping[str, str] | None = None
) -> str | None:
    """Open the night's parent run and remember it in `tracking.json`.

    The run of an earlier attempt at the same `as_of` is opened again (tag ``night``). A server
    that failed before gets its next chance here.

    Parameters
    ----------
    settings : Settings
    as_of : date
    tags : mapping of str to str, optional
        Further tags of the run.

    Returns
    -------
    str or None
        Id of the run; None if MLflow could not be reached.
    """
    _failed_servers.discard(settings.tracking_uri)
    settings.run_folder(as_of).tracking_failed.unlink(missing_ok=True)
    wanted = {"night": as_of.isoformat(), **provenance(settings, as_of), **(tags or {})}

    def open_run(client: MlflowClient) -> tuple[str, str]:
        experiment = experiment_id(client, settings)
        query = f"tags.night = '{as_of.isoformat()}'"
        for run in client.search_runs([experiment], query, order_by=["attributes.start_time ASC"]):
            _set_tags(client, run.info.run_id, wanted)
            client.update_run(run.info.run_id, status="RUNNING")
            return str(run.info.run_id), experiment
        run = client.create_run(experiment, tags=wanted, run_name=f"night {as_of.isoformat()}")
        return str(run.info.run_id), experiment

    opened = attempt(settings, open_run, f"opening the run of night {as_of}", night=as_of)
    run_id, experiment = opened or (None, None)
    known = {"parent_run_id": run_id, "experiment_id": experiment}
    write_ordered_json(settings.run_folder(as_of).tracking, known)
    return run_id


def end_night(settings: Settings, as_of: date) -> None:
    """Close the night's parent run."""
    run_id = parent_run_id(settings, as_of)
    if run_id is None:
        return

    attempt(
        settings,
        lambda client: client.set_terminated(run_id),
        f"closing the run of night {as_of}",
        night=as_of,
    )


def parent_run_id(settings: Settings, as_of: date) -> str | None:
    """Id of the night's parent run; None if MLflow was not reached when the night started."""
    run_id: str | None = (read_if_there(settings.run_folder(as_of).tracking) or {}).get(
        "parent_run_id"
    )
    return run_id


def comparison_page(settings: Settings, as_of: date | None, server: str) -> str:
    """Address of MLflow's page that charts a night's candidates side by side.

    Without a night whose runs are known it is the page of all experiments. Both say that runs are
    of models, not of language models: MLflow's pages begin with those.
    """
    known = read_if_there(settings.run_folder(as_of).tracking) if as_of else None
    kind = {"workflowType": "machine_learning"}
    if not known or not known.get("experiment_id"):
        return f"{server}/#/experiments?{urlencode(kind)}"
    chosen = f"tags.window = 'gate' and tags.as_of = '{as_of}'"
    query = {**kind, "compareRunsMode": "CHART", "searchFilter": chosen}
    return f"{server}/#/experiments/{known['experiment_id']}/runs?{urlencode(query)}"


def log_plots(settings: Settings, as_of: date, paths: Sequence[Path]) -> None:
    """Attach plots to the night's parent run, under `plots/`."""
    run_id = parent_run_id(settings, as_of)
    if run_id is None:
        return

    def upload(client: MlflowClient) -> None:
        for path in paths:
            client.log_artifact(run_id, str(path), "plots")

    attempt(settings, upload, "logging the plots", night=as_of)


def count_runs(settings: Settings) -> int | None:
    """Number of nights that have a run in MLflow; None if it could not be asked.

    Read only: a home without a store has 0, and no store is created.
    """
    uri = settings.tracking_uri
    if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists():
        return 0

    def count(client: MlflowClient) -> int:
        found = client.get_experiment_by_name(settings.mlflow.experiment)
        if found is None:
            return 0
        return len(client.search_runs([found.experiment_id], "tags.night != ''", max_results=1000))

    return attempt(settings, count, "counting the nights", waits=False)


def provenance(settings: Settings, as_of: date) -> dict[str, str]:
    """Tags that say what produced a run: day, commit of the code, and dbt's build if any."""
    tags = {"as_of": as_of.isoformat(), "git_commit": git_commit() or "unknown"}
    path = settings.run_folder(as_of).build
    build = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if invocation := build.get("invocation_id"):
        tags["dbt_invocation_id"] = str(invocation)
    return tags


def git_commit() -> str | None:
    """Git commit of this checkout; None outside a checkout."""
    command = ["git", "-C", str(PROJECT_ROOT), "rev-parse", "HEAD"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _set_tags(client: MlflowClient, run_id: str, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():
        client.set_tag(run_id, key, value)


def _is_server_failure(server: str, error: Exception) -> bool:
    """Whether an error means a server that is down or broken, and not a refused request."""
    if not server.startswith("http"):
        return False
    status = getattr(error, "get_http_status_code", lambda: SERVER_ERROR)()
    return int(status) >= SERVER_ERROR
