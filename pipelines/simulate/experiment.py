"""A month of a simulated shop with an experiment in it, and the truth beside what was found."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from pipelines.base.config import Settings
from pipelines.experiments.state import read_experiment, start_experiment, started_experiments
from pipelines.measure.experiment_text import experiment_document
from pipelines.measure.measure import measure_experiment, measure_experiments, write_report
from pipelines.show.document import Block, Code
from pipelines.simulate.days import DayTruth
from pipelines.simulate.loop import Simulation, run_quietly, simulate_shop, true_lift

logger = logging.getLogger(__name__)


def simulate_experiment(
    settings: Settings,
    simulation: Simulation,
    experiment_id: str | None,
    *,
    over_http: bool = False,
    show: Callable[[str], None] = logger.info,
) -> dict[str, Any] | None:
    """Run a simulation with an experiment, measured every morning.

    Parameters
    ----------
    settings : Settings
    simulation : Simulation
    experiment_id : str or None
        Started before the first night unless it was; None for a shop without an experiment.
    over_http : bool, default False
        See `simulate_shop`.
    show : callable
        Gets lines of progress.

    Returns
    -------
    dict or None
        The last report, with ``truth``: by arm the true lift in clicks per look, from the click
        chances of all visitors, had all of them been in the arm.

    Notes
    -----
    An arm that clearly loses is stopped by itself, as in a real shop; the truth is then of the days
    before.
    """
    if experiment_id is not None and not any(
        one.experiment_id == experiment_id for one in started_experiments(settings)
    ):
        start_experiment(settings, experiment_id)
    last = simulation.first_night + timedelta(days=simulation.days)

    def measure(night: date) -> None:
        for name in measure_experiments(settings, night):
            experiment = read_experiment(settings, name)
            if experiment.stopped_on == night:
                show(f"{night}: {name} stopped: {experiment.reason}")

    truths = simulate_shop(
        settings,
        simulation,
        over_http=over_http,
        after_night=measure if experiment_id else None,
        show=show,
    )
    if experiment_id is None:
        return None
    # one night more, so that what the last day brought is loaded and measured
    run_quietly(settings, last)
    return _last_report(settings, experiment_id, last, truths)


def describe_truth(settings: Settings, report: dict[str, Any]) -> list[Block]:
    """The report with true lifts beside measured ones, and the path of its page."""
    as_of = date.fromisoformat(report["as_of"])
    page = settings.experiment_report(report["experiment_id"], as_of) / "report.html"
    return [*experiment_document(report), Code(f"Report: {page}")]


def _last_report(
    settings: Settings, experiment_id: str, as_of: date, truths: list[DayTruth]
) -> dict[str, Any]:
    """The report of the morning after, with the truth of the days the experiment was on."""
    experiment = read_experiment(settings, experiment_id)
    report = measure_experiment(settings, experiment, as_of)
    on = [truth for truth in truths if len(truth.expected_clicks) > 1]
    report["truth"] = {
        arm.name: {"ctr": true_lift(on, arm.name)} for arm in experiment.definition.arms[1:]
    }
    write_report(settings, report)
    return report
