"""Plots of a night's candidates: leaderboard, segments, cuts, and coverage against NDCG."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.errors import MissingEvaluationError
from pipelines.base.tracking import log_plots
from pipelines.evaluate.leaderboard import read_evaluations
from pipelines.evaluate.results import Evaluation
from pipelines.evaluate.score import SEGMENTS, reported_cuts
from pipelines.show.charts import (
    GREY,
    MARKERS,
    PALETTE,
    draw_line,
    draw_point,
    name_rows,
    new_chart,
    save_chart,
    write_beside,
)
from pipelines.show.figures import format_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

CANDIDATE_COLOUR = PALETTE[0]
#: Vertical offsets in points at which the label of a data point is tried, nearest first.
LABEL_HEIGHTS = sorted(range(-60, 61, 6), key=abs)
#: Half the width in pixels that a data point with whiskers takes.
WHISKER_PIXELS = 6
#: Most candidates with a colour of their own in one plot; more could not be told apart.
MAX_SERIES = len(PALETTE)


def draw_plots(settings: Settings, as_of: date) -> list[Path]:
    """Draw the gate window's plots of every placement, and attach them to the night's run.

    Returns
    -------
    list of Path
        `plots/<placement>_<leaderboard|segments|cuts|coverage>.png`, in this order. A placement
        without evaluations, or without users to score, has no plots, and a log line says so.
    """
    drawings = {
        "leaderboard": plot_leaderboard,
        "segments": plot_segments,
        "cuts": plot_cuts,
        "coverage": plot_coverage,
    }
    folder = settings.run_folder(as_of).plots
    paths: list[Path] = []
    for placement in settings.placements:
        try:
            evaluations = read_evaluations(settings, as_of, placement, "gate")
        except MissingEvaluationError as error:
            logger.warning("No plots of %s: %s", placement, error)
            continue
        if not evaluations[0].metrics["user_count"]:
            logger.warning("No plots of %s: nobody could be scored in the gate window", placement)
            continue
        for name, draw in drawings.items():
            path = folder / f"{placement}_{name}.png"
            with new_file(path) as fresh:
                save_chart(fresh, partial(draw, settings, placement, evaluations))
            paths.append(path)
    logger.info("drew %d plots in %s", len(paths), folder)
    log_plots(settings, as_of, paths)
    return paths


def plot_leaderboard(
    settings: Settings, placement: str, evaluations: Sequence[Evaluation]
) -> Figure:
    """Plot each candidate's NDCG at the gate's cut with its interval, best on top.

    The evaluations are of one window, best first; so too in the other plots.
    """
    metric = f"ndcg_at_{settings.evaluation.k}"
    baselines = settings.placements[placement].baselines
    figure, axes = new_chart(8, 1.2 + 0.42 * len(evaluations))
    for row, evaluation in enumerate(evaluations):
        found = _metric(evaluation, metric)
        colour = GREY if evaluation.name in baselines else CANDIDATE_COLOUR
        draw_point(axes, found["value"], row, found, color=colour, marker="o", is_flat=True)
        end = found["value"] if found["high"] is None else found["high"]
        write_beside(axes, format_figure(found["value"]), (end, row), right=6, color=colour)
    name_rows(axes, [item.name for item in evaluations])
    axes.set_xlim(min(0, axes.get_xlim()[0]), 1.14 * axes.get_xlim()[1])
    axes.set_xlabel(_ndcg_label(settings))
    axes.set_title(_title("Leaderboard", evaluations))
    for colour, text in ((CANDIDATE_COLOUR, "candidate"), (GREY, "baseline")):
        axes.plot([], [], "o", color=colour, label=text)
    axes.legend(loc="lower right")
    return figure


def plot_segments(settings: Settings, placement: str, evaluations: Sequence[Evaluation]) -> Figure:
    """Plot the NDCG of each candidate for new, light and heavy users, with intervals."""
    metric = f"ndcg_at_{settings.evaluation.k}"
    chosen = shown_series(settings, placement, evaluations)
    looks = series_looks(settings, chosen)
    counts = evaluations[0].metrics["metrics"][metric]
    segments = [segment for segment in SEGMENTS if segment in counts]
    figure, axes = new_chart(8.5, 4.2)
    offsets = (np.arange(len(chosen)) - (len(chosen) - 1) / 2) * (0.75 / max(len(chosen), 1))
    for n, evaluation in enumerate(chosen):
        found = evaluation.metrics["metrics"][metric]
        look = looks[evaluation.name]
        for position, segment in enumerate(segments):
            one = found[segment]
            draw_point(axes, position + offsets[n], one["value"], one, **look)
        axes.plot([], [], linestyle="none", label=evaluation.name, **look)
    labels = [f"{segment}\n{counts[segment]['user_count']:,} users" for segment in segments]
    axes.set_xticks(range(len(segments)), labels)
    axes.set_xlim(-0.5, len(segments) - 0.5)
    for border in range(1, len(segments)):
        axes.axvline(border - 0.5, color="#CFCFCF", linewidth=0.8)
    axes.grid(axis="x", visible=False)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(_ndcg_label(settings))
    axes.set_title(_title("NDCG by segment", evaluations))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def plot_cuts(settings: Settings, placement: str, evaluations: Sequence[Evaluation]) -> Figure:
    """Plot the NDCG of each candidate against the length of the list, with intervals as bands."""
    cuts = reported_cuts(settings.evaluation)
    figure, axes = new_chart(8.5, 4.4)
    chosen = shown_series(settings, placement, evaluations)
    looks = series_looks(settings, chosen)
    for evaluation in chosen:
        found = [_metric(evaluation, f"ndcg_at_{k}") for k in cuts]
        line = {key: [one[key] for one in found] for key in ("value", "low", "high")}
        draw_line(axes, cuts, line, alpha=0.12, label=evaluation.name, **looks[evaluation.name])
    axes.set_xticks(cuts)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("k, items from the top of the list")
    axes.set_ylabel(f"NDCG@k, {_level(settings)}")
    axes.set_title(_title("NDCG by length of the list", evaluations))
    axes.legend(loc="upper left", bbox_to_anchor=(1, 1))
    return figure


def plot_coverage(settings: Settings, placement: str, evaluations: Sequence[Evaluation]) -> Figure:
    """Plot the share of the catalogue in the lists against NDCG, one point per candidate."""
    k = settings.evaluation.k
    baselines = settings.placements[placement].baselines
    figure, axes = new_chart(8, 4.8)
    points = []
    for evaluation in evaluations:
        ndcg = _metric(evaluation, f"ndcg_at_{k}")
        share = _metric(evaluation, f"coverage_at_{k}")["value"]
        colour = GREY if evaluation.name in baselines else CANDIDATE_COLOUR
        draw_point(axes, share, ndcg["value"], ndcg, color=colour, marker="o")
        points.append((share, ndcg, evaluation.name, colour))
    axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel(f"coverage@{k}: share of the catalogue in at least one list")
    axes.set_ylabel(_ndcg_label(settings))
    axes.set_title(_title("Coverage against NDCG", evaluations))
    figure.draw_without_rendering()
    _label_points(axes, points)
    return figure


def shown_series(
    settings: Settings, placement: str, evaluations: Sequence[Evaluation]
) -> list[Evaluation]:
    """Choose the candidates to plot: every baseline and the best others, `MAX_SERIES` at most."""
    baselines = settings.placements[placement].baselines
    ranked = sorted(
        range(len(evaluations)), key=lambda n: (evaluations[n].name not in baselines, n)
    )
    return [evaluations[n] for n in sorted(ranked[:MAX_SERIES])]


def series_looks(settings: Settings, chosen: Sequence[Evaluation]) -> dict[str, dict[str, Any]]:
    """Colour and marker by candidate, given in the order of the settings, whatever the ranks."""
    listed = [candidate.name for candidate in settings.candidates]
    names = sorted(
        (evaluation.name for evaluation in chosen),
        key=lambda name: (listed.index(name) if name in listed else len(listed), name),
    )
    return {
        name: {"color": PALETTE[n], "marker": MARKERS[n]}
        for n, name in enumerate(names[:MAX_SERIES])
    }


def _metric(evaluation: Evaluation, metric: str) -> dict[str, Any]:
    """Value and bounds of a metric over all users; value 0 where nobody could be scored."""
    found: dict[str, Any] = evaluation.metrics["metrics"][metric]["all"]
    return found if found["value"] is not None else {**found, "value": 0.0}


def _label_points(axes: Axes, points: Sequence[tuple[float, dict[str, Any], str, str]]) -> None:
    """Label points beside them, clear of other labels, of whiskers and of the edge."""
    from matplotlib.transforms import Bbox

    ends = [
        (x, found["value"] if found[side] is None else found[side])
        for x, found, _, _ in points
        for side in ("low", "high")
    ]
    pixels = axes.transData.transform(ends).reshape(-1, 2, 2)
    taken = [Bbox([low - WHISKER_PIXELS, high + WHISKER_PIXELS]) for low, high in pixels]
    for x, found, text, colour in points:
        label = write_beside(axes, text, (x, found["value"]), right=8, color=colour)
        label.set_in_layout(False)
        for up, side in itertools.product(LABEL_HEIGHTS, ("left", "right")):
            label.set(position=(8 if side == "left" else -8, up), ha=side)
            box = label.get_window_extent()
            is_inside = axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1
            if is_inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box)


def _ndcg_label(settings: Settings) -> str:
    return f"NDCG@{settings.evaluation.k}, {_level(settings)}"


def _level(settings: Settings) -> str:
    return f"mean and {settings.evaluation.confidence:.0%} interval"


def _title(what: str, evaluations: Sequence[Evaluation]) -> str:
    first = evaluations[0]
    users = first.metrics["user_count"]
    return f"{what}: {first.placement}, {first.window} window, {users:,} users"
