"""MLflow child runs of the night's run: one per candidate and window."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.tracking import attempt, experiment_id, parent_run_id, provenance, start_night
from pipelines.evaluate.results import Evaluation
from pipelines.features.snapshot import DAYS_FILE

if TYPE_CHECKING:
    from mlflow.entities import Dataset, Run
    from mlflow.tracking import MlflowClient

logger = logging.getLogger(__name__)

#: Limits of MLflow: parameters and tags in one batch, characters of a dataset digest.
PARAMS_PER_BATCH = 100
DIGEST_LENGTH = 36
#: Longest parameter value that is kept whole.
PARAM_LENGTH = 500


def log_evaluation(
    settings: Settings, as_of: date, evaluations: Sequence[Evaluation]
) -> str | None:
    """Log one candidate on one window, over all its placements, as a child of the night's run.

    A rerun with the same inputs finds the run it made before (tag ``input_hash``); a run of the
    same candidate and window with other inputs is tagged ``is_superseded``. There is at least one
    evaluation; all are of the same candidate and window, one per placement.

    Returns
    -------
    str or None
        Id of the child run; None if the night has no parent run or logging failed.
    """
    first = evaluations[0]
    what = f"logging {first.name} on the {first.window} window"
    if not (settings.run_folder(as_of).tracking).exists():
        start_night(settings, as_of)
    parent = parent_run_id(settings, as_of)
    if parent is None:
        logger.info("MLflow: skipped %s: the night has no parent run", what)
        return None
    return attempt(
        settings,
        lambda client: _log_child(client, settings, as_of, parent, evaluations),
        what,
        night=as_of,
    )


def _log_child(
    client: MlflowClient,
    settings: Settings,
    as_of: date,
    parent: str,
    evaluations: Sequence[Evaluation],
) -> str:
    run, is_complete = _child_run(client, settings, as_of, parent, evaluations)
    run_id = str(run.info.run_id)
    if is_complete:
        return run_id
    from mlflow.entities import DatasetInput, InputTag, Metric, Param

    params = [Param(key, value) for key, value in flat_params(evaluations[0].spec).items()]
    for start in range(0, len(params), PARAMS_PER_BATCH):
        client.log_batch(run_id, params=params[start : start + PARAMS_PER_BATCH])
    metrics = [
        Metric(key, value, milliseconds(as_of), 0)
        for key, value in flat_metrics(evaluations, settings.evaluation.k).items()
    ]
    client.log_batch(run_id, metrics=metrics)
    source = InputTag("mlflow.data.context", "training")
    client.log_inputs(run_id, [DatasetInput(_dataset(settings, as_of, evaluations[0]), [source])])
    for evaluation in evaluations:
        folder = settings.run_folder(as_of).evaluation(
            evaluation.name, evaluation.window, evaluation.placement
        )
        client.log_artifacts(run_id, str(folder), evaluation.placement)
    trees = settings.run_folder(as_of).trees(evaluations[0].name, evaluations[0].window)
    if trees.exists():
        client.log_artifacts(run_id, str(trees), "trees")
    client.set_terminated(run_id)
    return run_id


def _child_run(
    client: MlflowClient,
    settings: Settings,
    as_of: date,
    parent: str,
    evaluations: Sequence[Evaluation],
) -> tuple[Run, bool]:
    """The child run to log into, and whether it already holds everything."""
    first = evaluations[0]
    input_hash = stable_hash([item.metrics["input_hash"] for item in evaluations])
    query = (
        f"tags.`mlflow.parentRunId` = '{parent}' and tags.candidate = '{first.name}' "
        f"and tags.window = '{first.window}'"
    )
    experiment = experiment_id(client, settings)
    same = None
    for run in client.search_runs([experiment], query):
        if run.data.tags.get("input_hash") == input_hash:
            same = run
        else:
            client.set_tag(run.info.run_id, "is_superseded", "true")
    if same is not None:
        return same, same.info.status == "FINISHED"
    tags = {
        "mlflow.parentRunId": parent,
        "mlflow.runType": "evaluation",  # MLflow's pages open a night on runs of this type
        "candidate": first.name,
        "window": first.window,
        "cutoff": first.metrics["cutoff"],
        "spec_hash": first.spec_hash,
        "input_hash": input_hash,
        **provenance(settings, as_of),
    }
    run_name = f"{first.name} on {first.window}"
    return client.create_run(experiment, tags=tags, run_name=run_name), False


def _dataset(settings: Settings, as_of: date, evaluation: Evaluation) -> Dataset:
    """The histories the candidate was fitted on: table, cutoff and hash of the rows."""
    from mlflow.entities import Dataset

    history = evaluation.metrics["history"]
    snapshot = settings.run_folder(as_of).snapshot / DAYS_FILE
    return Dataset(
        name="intermediate.int_user_item_days",
        digest=str(history["content_hash"])[:DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": str(snapshot), "cutoff": evaluation.metrics["cutoff"]}),
        profile=json.dumps({"cutoff": evaluation.metrics["cutoff"], **history}),
    )


def flat_params(spec: Mapping[str, Any]) -> dict[str, str]:
    """A specification as parameters of a run: nested names joined by dots, values as JSON.

    Examples
    --------
    >>> flat_params({"recommender": "ease", "params": {"regularization": 20.0}})
    {'recommender': 'ease', 'params.regularization': '20.0'}
    """
    flat: dict[str, str] = {}
    for key, value in spec.items():
        if isinstance(value, Mapping):
            nested = flat_params(value)
            flat.update({f"{key}.{name}": text for name, text in nested.items()})
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            flat[key] = text[: PARAM_LENGTH - 1]
    return flat


def _rule_metrics(evaluation: Evaluation) -> dict[str, float]:
    """Change that each rule makes (with less without): NDCG with its bounds, and coverage."""
    flat: dict[str, float] = {}
    for price in evaluation.metrics.get("rule_prices", []):
        key = f"{evaluation.placement}/rule.{price['rule']}"
        flat |= with_bounds(f"{key}.ndcg", price, "difference")
        flat[f"{key}.coverage"] = price["coverage_with"] - price["coverage_without"]
    return flat


def flat_metrics(evaluations: Sequence[Evaluation], k: int) -> dict[str, float]:
    """Metrics of a run: `<placement>/<metric>`, which MLflow shows as a group for each placement.

    They are few enough to be looked at: all users, at the gate's cut `k`, NDCG with `_low` and
    `_high`. Other cuts, segments and bounds stay in the artefact `metrics.json`. The change made by
    a rule of the placement is `<placement>/rule.<rule>.ndcg` and `.coverage`.
    """
    end = f"_at_{k}"
    flat: dict[str, float] = {}
    for evaluation in evaluations:
        flat[f"{evaluation.placement}/user_count"] = float(evaluation.metrics["user_count"])
        flat.update(_rule_metrics(evaluation))
        for metric, segments in evaluation.metrics["metrics"].items():
            key, found = f"{evaluation.placement}/{metric}", segments["all"]
            if metric == f"ndcg{end}":
                flat |= with_bounds(key, found)
            elif (metric.endswith(end) or "_at_" not in metric) and found["value"] is not None:
                flat[key] = float(found["value"])
    return flat


def with_bounds(key: str, found: Mapping[str, Any], value: str = "value") -> dict[str, float]:
    """A figure as metrics of a run: `key`, with `_low` and `_high` where there are bounds.

    Examples
    --------
    >>> with_bounds("home.ndcg", {"value": 0.5, "low": 0.4, "high": None})
    {'home.ndcg': 0.5, 'home.ndcg_low': 0.4}
    """
    ends = {"": value, "_low": "low", "_high": "high"}
    known = {key + end: found[name] for end, name in ends.items()}
    return {name: float(one) for name, one in known.items() if one is not None}


def milliseconds(day: date) -> int:
    """Midnight (UTC) of a day as MLflow counts time."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
