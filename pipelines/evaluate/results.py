"""An evaluation on disk: how it is written and read back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.durable import new_file, write_ordered_json
from pipelines.base.errors import MissingEvaluationError

PER_USER_FILE = "per_user.parquet"
METRICS_FILE = "metrics.json"


@dataclass(frozen=True)
class Evaluation:
    """Evaluation of one candidate for one placement on one window.

    Parameters
    ----------
    name : str
        The candidate.
    spec_hash : str
    spec : mapping
        Recommender, params and event weights.
    placement, window : str
    per_user : DataFrame
        One row per user_id with history and truth, sorted: `segment`, `relevant_count`,
        `list_length`, `<metric>_at_<k>` of every ranking metric, and the parts of NDCG at the
        gate's cut that come from repeats and from the head (`ndcg_parts.part_column`); and
        `candidate_recall` of a recommender with a first stage.
    metrics : mapping
        The content of `metrics.json`; means and intervals under ``metrics``.
    run_id : str or None
        The child run in MLflow.
    """

    name: str
    spec_hash: str
    spec: Mapping[str, Any]
    placement: str
    window: str
    per_user: pd.DataFrame
    metrics: Mapping[str, Any]
    run_id: str | None

    def reported(self, metric: str) -> Any:
        """A metric over all users exactly as stored, not validated; None if it is missing."""
        return self.metrics["metrics"].get(metric, {}).get("all", {}).get("value")


def read_evaluation(
    settings: Settings, as_of: date, name: str, window: str, placement: str
) -> Evaluation:
    """Read an evaluation that `evaluate_candidate` wrote.

    Raises
    ------
    MissingEvaluationError
        If the candidate was not evaluated on this window and placement.
    """
    folder = settings.run_folder(as_of).evaluation(name, window, placement)
    metrics = read_metrics(folder)
    if metrics is None:
        raise MissingEvaluationError(
            f"Candidate {name!r} must be evaluated on the {window} window of placement "
            f"{placement!r} before it is compared. Found no complete evaluation in {folder}. "
            f"Run `recsys train --as-of {as_of} --candidate {name}`."
        )
    return Evaluation(
        name=name,
        spec_hash=metrics["spec_hash"],
        spec=metrics["spec"],
        placement=placement,
        window=window,
        per_user=pd.read_parquet(folder / PER_USER_FILE),
        metrics=metrics,
        run_id=metrics["run_id"],
    )


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """Content of `metrics.json`; None unless both files of an evaluation are there."""
    path = folder / METRICS_FILE
    if not path.exists() or not (folder / PER_USER_FILE).exists():
        return None
    metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return metrics


def read_evaluated(
    settings: Settings, as_of: date, window: str, placement: str
) -> dict[str, dict[str, Any]]:
    """Content of `metrics.json` of each candidate with a complete evaluation, by name, sorted."""
    root = settings.run_folder(as_of).candidates
    folders = {path.parents[1].name: path for path in root.glob(f"*/{window}/{placement}")}
    found = {name: read_metrics(folders[name]) for name in sorted(folders)}
    return {name: metrics for name, metrics in found.items() if metrics}


def write_evaluation(folder: Path, per_user: pd.DataFrame, metrics: Mapping[str, Any]) -> None:
    """Write an evaluation's two files, each in one step; `metrics.json` last: it completes them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS_FILE).unlink(missing_ok=True)
    with new_file(folder / PER_USER_FILE) as fresh:
        per_user.to_parquet(fresh, index=False)
    write_ordered_json(folder / METRICS_FILE, metrics)
