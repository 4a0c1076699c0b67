"""An experiment as a run in MLflow: effects by morning as steps, the page as an artefact."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.tracking import attempt, experiment_id
from pipelines.evaluate.child_runs import milliseconds, with_bounds

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: MLflow experiment that holds one run per experiment of ours.
EXPERIMENT = "online"


def log_experiment(settings: Settings, report: dict[str, Any], folder: Path) -> str | None:
    """Log a morning's figures to the run of the experiment; None if MLflow cannot be reached."""
    mlflow = settings.mlflow.model_copy(update={"experiment": EXPERIMENT})
    chosen = settings.model_copy(update={"mlflow": mlflow})
    return attempt(
        chosen,
        lambda client: _log(client, chosen, report, folder),
        f"logging experiment {report['experiment_id']}",
    )


def _log(client: MlflowClient, settings: Settings, report: dict[str, Any], folder: Path) -> str:
    from mlflow.entities import Metric, Param

    name, as_of = report["experiment_id"], date.fromisoformat(report["as_of"])
    store = experiment_id(client, settings)
    found = client.search_runs([store], f"tags.experiment_id = '{name}'", max_results=1)
    if found:
        run_id = str(found[0].info.run_id)
    else:
        run_id = str(
            client.create_run(store, tags={"experiment_id": name}, run_name=name).info.run_id
        )
        given = report["definition"]
        params = [Param(key, str(value)[:500]) for key, value in given.items()]
        client.log_batch(run_id, params=params)
    figures: dict[str, float] = {}
    for row in report["effects"]:
        if row["population"] == "all users":
            figures |= with_bounds(f"{row['arm']}.{row['metric']}", row, "estimate")
    for row in report.get("preferences", []):
        figures |= with_bounds(f"{row['arm']}.preference", row, "share")
    at, step = milliseconds(as_of), as_of.toordinal()
    metrics = [Metric(key, value, at, step) for key, value in figures.items()]
    client.log_batch(run_id, metrics=metrics)
    for row in report["decisions"]:
        client.set_tag(run_id, f"verdict.{row['arm']}", row["verdict"])
    for path in sorted(folder.iterdir()):
        client.log_artifact(run_id, str(path), report["as_of"])
    client.set_terminated(run_id)
    return run_id
