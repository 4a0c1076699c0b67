"""A backtest as a run in MLflow: figures by night as steps; chart and page as artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.durable import read_json
from pipelines.base.tracking import attempt, experiment_id, git_commit
from pipelines.evaluate.child_runs import milliseconds, with_bounds

if TYPE_CHECKING:
    from mlflow.entities import Metric
    from mlflow.tracking import MlflowClient

#: Experiment of the live home's store that holds one run per backtest.
EXPERIMENT = "backtest"
METRICS_PER_BATCH = 1000


def log_backtest(settings: Settings, own: Settings) -> str | None:
    """Log a backtest's results as a run of the experiment `backtest`.

    The same results are logged once: a rerun finds the run by its hash. Other results of the same
    name make another run, and the older one is tagged ``is_superseded``. `settings` is that of the
    live home, whose MLflow store is used; `own` is that of the backtest's.

    Returns
    -------
    str or None
        Id of the run; None if MLflow could not be reached.
    """
    mlflow = settings.mlflow.model_copy(update={"experiment": EXPERIMENT})
    chosen = settings.model_copy(update={"mlflow": mlflow})
    results = read_json(own.backtest_results)
    return attempt(
        chosen, lambda client: _log_run(client, chosen, own, results), "logging the backtest"
    )


def step_metrics(results: Mapping[str, Any]) -> list[tuple[str, float, int, str]]:
    """Every figure of every night, as MLflow metrics.

    Returns
    -------
    list of (str, float, int, str)
        Key ``<placement>.<gate|served>.<champion, baseline or difference>`` with ``_low`` and
        ``_high`` where there are bounds, value, step (1 is the first night), and the night.
    """
    found = []
    for step, night in enumerate(results["nights"], start=1):
        for placement, entry in night["placements"].items():
            for view in ("gate", "served"):
                for name, interval in _named(entry[view]).items():
                    figures = with_bounds(f"{placement}.{view}.{name}", interval)
                    found += [(key, one, step, night["as_of"]) for key, one in figures.items()]
    return found


def _named(figures: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    if figures is None:
        return {}
    kept = {name: figures[name] for name in ("champion", "difference")}
    return {**kept, **figures["baselines"]}


def _log_run(
    client: MlflowClient, settings: Settings, own: Settings, results: Mapping[str, Any]
) -> str:
    from mlflow.entities import Metric, Param

    name, wanted = results["plan"]["name"], stable_hash(results)
    experiment = experiment_id(client, settings)
    for run in client.search_runs([experiment], f"tags.backtest = '{name}'"):
        is_same = run.data.tags.get("result_hash") == wanted
        if is_same and run.info.status == "FINISHED":
            return str(run.info.run_id)
        client.set_tag(run.info.run_id, "is_superseded", "true")
    tags = {"backtest": name, "result_hash": wanted, "git_commit": git_commit() or "unknown"}
    created = client.create_run(experiment, tags=tags, run_name=f"backtest {name}")
    run_id = str(created.info.run_id)
    plan = [Param(key, str(value)) for key, value in results["plan"].items()]
    client.log_batch(run_id, params=plan)
    metrics = [
        Metric(key, value, milliseconds(date.fromisoformat(night)), step)
        for key, value, step, night in step_metrics(results)
    ]
    metrics += _summary(results)
    for start in range(0, len(metrics), METRICS_PER_BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + METRICS_PER_BATCH])
    for file in (own.backtest_results, own.backtest_chart, own.backtest_page):
        client.log_artifact(run_id, str(file))
    client.set_terminated(run_id)
    return run_id


def _summary(results: Mapping[str, Any]) -> list[Metric]:
    """Counts of verdicts, and of stopped nights, at the last night."""
    from mlflow.entities import Metric

    last = milliseconds(date.fromisoformat(results["nights"][-1]["as_of"]))
    counts = {
        f"{placement}.{outcome}_count": found[outcome]
        for placement, found in results["summary"].items()
        for outcome in ("promoted", "refused", "unchallenged")
    }
    counts["stopped_count"] = sum(night["state"] == "stopped" for night in results["nights"])
    return [Metric(key, float(value), last, 0) for key, value in counts.items()]
