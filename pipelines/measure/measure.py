"""Measure every experiment on a morning: rows, a report with its pictures, and what follows."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.durable import write_json, write_text
from pipelines.base.tables import (
    SERVING_EXPERIMENT_DECISIONS,
    SERVING_EXPERIMENT_EFFECTS,
    SERVING_EXPERIMENT_PREFERENCES,
)
from pipelines.base.warehouse import connect, replace_slice
from pipelines.experiments.definition import Experiment
from pipelines.experiments.state import (
    ROLLED_BACK,
    require_unedited,
    started_experiments,
    stop_experiment,
)
from pipelines.measure.analysis import analyse_experiment
from pipelines.measure.decision import ROLL_BACK

logger = logging.getLogger(__name__)


def measure_experiments(settings: Settings, as_of: date) -> list[str]:
    """Analyse every experiment that is on, or whose last users still have days to buy.

    `as_of` is the exclusive end of the days that are analysed. Returns the experiments' ids.

    Notes
    -----
    Safe to repeat: rows and report of an `as_of` are replaced. A significant loss ends an
    experiment whose ``rolls_back`` is true: from the next night on, everybody gets control.
    """
    measured = []
    for experiment in started_experiments(settings):
        if _is_to_be_measured(settings, experiment, as_of):
            measure_experiment(settings, experiment, as_of)
            measured.append(experiment.experiment_id)
    logger.info("measured %s experiments before %s", len(measured), as_of)
    return measured


def measure_experiment(settings: Settings, experiment: Experiment, as_of: date) -> dict[str, Any]:
    """Analyse one experiment, store its rows, and write its report.

    Returns
    -------
    dict
        The analysis (see `analyse_experiment`) with ``history``: effects of earlier mornings.

    Raises
    ------
    ExperimentError
        If the experiment's file was edited after its start.
    """
    require_unedited(settings, experiment)
    report = analyse_experiment(settings, experiment, as_of)
    _store(settings, report)
    report["history"] = read_history(settings, experiment, as_of)
    _roll_back_if_lost(settings, experiment, report, as_of)
    write_report(settings, report)
    return report


def write_report(settings: Settings, report: dict[str, Any]) -> Path:
    """Write `report.json`, `report.md`, `report.html` and its pictures; returns the page."""
    from pipelines.measure.experiment_charts import draw_experiment
    from pipelines.measure.experiment_runs import log_experiment
    from pipelines.measure.experiment_text import experiment_document
    from pipelines.show.html import to_page
    from pipelines.show.markdown import to_markdown

    as_of = date.fromisoformat(report["as_of"])
    folder = settings.experiment_report(report["experiment_id"], as_of)
    write_json(folder / "report.json", report)
    document = experiment_document(report, draw_experiment(report, folder))
    write_text(folder / "report.md", to_markdown(document))
    write_text(folder / "report.html", to_page(document))
    log_experiment(settings, report, folder)
    return folder / "report.html"


def read_history(settings: Settings, experiment: Experiment, as_of: date) -> list[dict[str, Any]]:
    """Effects of every morning up to `as_of`, oldest first; preferences where it interleaves."""
    table, columns = SERVING_EXPERIMENT_EFFECTS, "metric, arm, population, estimate, low, high"
    if experiment.is_interleaved:
        table, columns = SERVING_EXPERIMENT_PREFERENCES, "arm, share, low, high"
    with connect(settings, read_only=True) as warehouse:
        frame = warehouse.execute(
            f"select as_of::varchar as as_of, {columns} from {table.qualified} "
            "where experiment_id = ? and as_of <= ? order by all",
            [experiment.experiment_id, as_of],
        ).df()
    rows = frame.astype(object).where(frame.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def _is_to_be_measured(settings: Settings, experiment: Experiment, as_of: date) -> bool:
    given = experiment.definition
    last = min(experiment.stopped_on or given.ends, given.ends)
    return given.starts < as_of <= last + timedelta(days=settings.track.attribution_days)


def _store(settings: Settings, report: dict[str, Any]) -> None:
    as_of = date.fromisoformat(report["as_of"])
    slice_of = {"as_of": as_of, "experiment_id": report["experiment_id"]}
    effects = [
        {
            **slice_of,
            **{key: row[key] for key in row if key not in ("difference", "fixed")},
            "difference": row["difference"]["estimate"],
            "difference_low": row["difference"]["low"],
            "difference_high": row["difference"]["high"],
            "fixed_low": row["fixed"]["low"],
            "fixed_high": row["fixed"]["high"],
        }
        for row in report["effects"]
    ]
    decisions = [
        {
            **slice_of,
            **row,
            "user_count": sum(report["users"].values()),
            "is_healthy": report["health"]["is_healthy"],
            "sample_ratio_p_value": report["health"]["sample_ratio_p_value"],
        }
        for row in report["decisions"]
    ]
    preferences = [{**slice_of, **row} for row in report.get("preferences", [])]
    with connect(settings) as warehouse:
        for table, rows in (
            (SERVING_EXPERIMENT_EFFECTS, effects),
            (SERVING_EXPERIMENT_DECISIONS, decisions),
            (SERVING_EXPERIMENT_PREFERENCES, preferences),
        ):
            frame = pd.DataFrame(rows, columns=list(table.columns))
            replace_slice(warehouse, table, frame, slice_of)


def _roll_back_if_lost(
    settings: Settings, experiment: Experiment, report: dict[str, Any], as_of: date
) -> None:
    lost = [row for row in report["decisions"] if row["verdict"] == ROLL_BACK]
    if not lost or experiment.status != "running" or not experiment.definition.rolls_back:
        return
    reason = "; ".join(f"{row['arm']}: {row['reason']}" for row in lost)
    stop_experiment(settings, experiment.experiment_id, as_of, f"{ROLLED_BACK}: {reason}")
    report["status"] = "stopped"
    logger.warning(
        "experiment %s is stopped, everybody gets control from the next publication on: %s",
        *(experiment.experiment_id, reason),
    )
