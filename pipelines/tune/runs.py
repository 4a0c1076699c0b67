"""A search's runs in MLflow: one parent run, and a child run for each trial."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.tracking import attempt, experiment_id, provenance
from pipelines.evaluate.child_runs import flat_params
from pipelines.models.candidates import Spec

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

EXPERIMENT = "tuning"


def log_trial(
    settings: Settings,
    as_of: date,
    study: str,
    *,
    number: int,
    spec: Spec,
    value: float,
    cells: Mapping[str, float],
) -> None:
    """Log one trial below its search's run.

    Parameters
    ----------
    study : str
        Name of the search; its run is made with the first trial.
    number : int
        Number of the trial, from 0.
    spec : Spec
        The specification that was tried.
    value : float
        Its score.
    cells : mapping of str to float
        Score by ``<window>.<placement>``.
    """

    def log(client: MlflowClient) -> None:
        parent = _parent(client, chosen, as_of, study)
        tags = {
            "mlflow.parentRunId": parent,
            "study": study,
            "trial": str(number),
            "spec_hash": spec.spec_hash,
        }
        run = client.create_run(
            experiment_id(client, chosen), tags=tags, run_name=f"{spec.name} trial {number + 1}"
        )
        for key, text in flat_params(spec.as_dict()).items():
            client.log_param(run.info.run_id, key, text)
        for key, mean in {"ndcg": value, **{f"ndcg.{one}": cells[one] for one in cells}}.items():
            client.log_metric(run.info.run_id, key, mean)
        client.log_metric(parent, "ndcg", value, step=number)
        client.set_terminated(run.info.run_id)

    chosen = _in_experiment(settings)
    attempt(chosen, log, f"logging trial {number + 1} of {study}")


def log_tuning(settings: Settings, as_of: date, found: Mapping[str, Any]) -> None:
    """Log the result of a search to its run, and end the run."""

    def log(client: MlflowClient) -> None:
        parent = _parent(client, chosen, as_of, found["study"])
        for key in ("candidate", "spec_hash", "is_better", "in_words"):
            client.set_tag(parent, key, str(found[key]))
        for key, interval in {**found["scores"], **_prefixed(found["differences"])}.items():
            for end, part in (("", "value"), ("_low", "low"), ("_high", "high")):
                if interval[part] is not None:
                    client.log_metric(parent, f"ndcg_{key}{end}", interval[part])
        client.log_dict(parent, dict(found), "tuning.json")
        client.set_terminated(parent)

    chosen = _in_experiment(settings)
    attempt(chosen, log, f"logging the result of {found['study']}")


def _prefixed(differences: Mapping[str, Any]) -> dict[str, Any]:
    return {f"difference_to_{key}": value for key, value in differences.items()}


def _in_experiment(settings: Settings) -> Settings:
    mlflow = settings.mlflow.model_copy(update={"experiment": EXPERIMENT})
    return settings.model_copy(update={"mlflow": mlflow})


def _parent(client: MlflowClient, settings: Settings, as_of: date, study: str) -> str:
    """Id of the search's run, which is made if there is none."""
    experiment = experiment_id(client, settings)
    query = f"tags.study = '{study}' and tags.role = 'search'"
    for run in client.search_runs([experiment], query, max_results=1):
        return str(run.info.run_id)
    tags = {"study": study, "role": "search", **provenance(settings, as_of)}
    return str(client.create_run(experiment, tags=tags, run_name=study).info.run_id)
