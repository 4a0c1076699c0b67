"""The night's own run in MLflow: the leaderboards' figures, tables, and the report to read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.base.tracking import attempt, parent_run_id
from pipelines.evaluate.child_runs import milliseconds, with_bounds
from pipelines.gate.gate_text import differences

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

#: Columns of a leaderboard that a table of the run has, beside NDCG with its bounds.
_COLUMNS = ("candidate", "low", "high", "user_count", "is_baseline")


def log_night(settings: Settings, as_of: date, report: Mapping[str, Any]) -> None:
    """Log a report to the night's run; without a run, nothing.

    Metrics are of the gate window: ``<placement>/<candidate>`` is the NDCG at the gate's cut, so
    that one placement is one group of charts, and ``<placement>/difference`` with ``_low`` and
    ``_high`` the challenger's over the champion's. Tables are ``leaderboard/<placement>.json``; the
    report is ``report.md``.
    """
    run_id = parent_run_id(settings, as_of)
    if run_id is None:
        return

    def log(client: MlflowClient) -> None:
        from mlflow.entities import Metric

        metrics = [
            Metric(key, value, milliseconds(as_of), 0)
            for key, value in night_metrics(report).items()
        ]
        client.log_batch(run_id, metrics=metrics)
        for placement, found in report["placements"].items():
            if board := found["leaderboards"]["gate"]:
                names = [name for name in board[0] if name in _COLUMNS or "_at_" in name]
                rows = [[row[name] for name in names] for row in board]
                table = {"columns": names, "data": rows}
                client.log_dict(run_id, table, f"leaderboard/{placement}.json")
        client.log_artifact(run_id, str(settings.run_folder(as_of).report_text))

    attempt(settings, log, "logging the night's report", night=as_of)


def night_metrics(report: Mapping[str, Any]) -> dict[str, float]:
    """Figures of a report as metrics of the night's run, see `log_night`."""
    flat: dict[str, float] = {}
    for placement, found in report["placements"].items():
        for row in found["leaderboards"]["gate"]:
            ndcg = row[f"ndcg_at_{report['k']}"]
            if ndcg is not None:
                flat[f"{placement}/{row['candidate']}"] = float(ndcg)
        gate = found["gate"]
        if gate and gate["challenger"]:
            rule = differences(gate).get(gate["challenger"]["name"])
            flat |= with_bounds(f"{placement}/difference", rule) if rule else {}
    return flat
