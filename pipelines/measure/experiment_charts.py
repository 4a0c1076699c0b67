"""Pictures of an experiment: its lift over time, and its funnel by arm."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.evaluate.plots import PALETTE, STYLE
from pipelines.measure.online_metrics import METRICS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DOTS_PER_INCH = 120
#: Dates below the picture, at most.
MOST_DATES = 7
#: Bounds beyond this relative effect are cut off in the picture, not in the tables.
WIDEST = 1.0


def draw_experiment(report: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Draw `lift.png` and `funnel.png`, or `preference.png` of an interleaved experiment.

    The same report gives the same bytes.

    Parameters
    ----------
    report : dict
        An analysis with its ``history``.
    folder : Path

    Returns
    -------
    dict of str to Path
        ``lift`` (absent before the first effect) and ``funnel``, or ``preference`` (absent before
        the first user who is not tied).
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    is_interleaved = "preferences" in report
    lines = _shares(report) if is_interleaved else _lines(report, report["definition"]["goal"])
    drawings = (
        {"preference": _draw_preference}
        if is_interleaved
        else {"lift": _draw_lift, "funnel": _draw_funnel}
    )
    pictures = {}
    with matplotlib.style.context({**STYLE, "figure.dpi": DOTS_PER_INCH}):
        for name, draw in drawings.items():
            if name != "funnel" and not lines:
                continue
            figure = Figure(figsize=(9, 3.8), layout="constrained")
            draw(figure.subplots(), report, lines)
            pictures[name] = folder / f"{name}.png"
            FigureCanvasAgg(figure).print_png(pictures[name], metadata={"Software": None})
    return pictures


def _lines(report: dict[str, Any], metric: str) -> dict[str, list[dict[str, Any]]]:
    """Mornings with an effect on all users, by arm."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in report["history"]:
        is_wanted = (row["metric"], row["population"]) == (metric, "all users")
        if is_wanted and row["estimate"] is not None:
            found.setdefault(row["arm"], []).append(row)
    return found


def _shares(report: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Mornings with a share of users who prefer an arm, by arm."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in report["history"]:
        if row["share"] is not None:
            found.setdefault(row["arm"], []).append({**row, "estimate": row["share"]})
    return found


def _draw_preference(
    axes: Axes, report: dict[str, Any], lines: dict[str, list[dict[str, Any]]]
) -> None:
    del report
    _draw_mornings(axes, lines)
    axes.axhline(50, color="#777777", linewidth=1)
    axes.set_ylabel("users who prefer it, %")
    axes.set_title("Users with more clicks on its items, of those not tied", loc="left")


def _draw_lift(axes: Axes, report: dict[str, Any], lines: dict[str, list[dict[str, Any]]]) -> None:
    metric = METRICS[report["definition"]["goal"]]
    _draw_mornings(axes, lines)
    axes.axhline(0, color="#777777", linewidth=1)
    axes.set_ylabel("lift over control, %")
    axes.set_title(f"{metric.label}: lift with its interval, valid at every look", loc="left")


def _draw_mornings(axes: Axes, lines: dict[str, list[dict[str, Any]]]) -> None:
    """Draw the figure and interval of each morning, by arm, in per cent."""
    for colour, (arm, rows) in zip(PALETTE, lines.items(), strict=False):
        days = np.array([row["as_of"] for row in rows], dtype="datetime64[D]")
        axes.fill_between(
            days,
            [100 * max(row["low"], -WIDEST) for row in rows],
            [100 * min(row["high"], WIDEST) for row in rows],
            color=colour,
            alpha=0.18,
            linewidth=0,
        )
        axes.plot(
            days, [100 * row["estimate"] for row in rows], color=colour, marker="o", label=arm
        )
    axes.legend(loc="upper right", frameon=False)
    mornings = sorted({row["as_of"] for rows in lines.values() for row in rows})
    shown = mornings[:: -(-len(mornings) // MOST_DATES)]
    axes.set_xticks(np.array(shown, dtype="datetime64[D]"), shown)


def _draw_funnel(
    axes: Axes, report: dict[str, Any], lines: dict[str, list[dict[str, Any]]]
) -> None:
    """Draw clicks per 100 impressions and buyers per 100 users, by arm."""
    arms = list(report["arms"])
    steps = {
        "clicks per 100 impressions": lambda arm: _percent(arm["ctr"]),
        "buyers per 100 users": lambda arm: _percent(arm["conversion"]),
    }
    width = 0.8 / len(arms)
    for n, (colour, name) in enumerate(zip(("#7F7F7F", *PALETTE), arms, strict=False)):
        heights = [step(report["arms"][name]) for step in steps.values()]
        places = [place + n * width for place in range(len(steps))]
        bars = axes.bar(places, heights, width=width * 0.92, color=colour, label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=9)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(steps))], list(steps))
    axes.set_title("What users of each arm did", loc="left")
    axes.margins(y=0.2)
    axes.legend(frameon=False)


def _percent(share: float | None) -> float:
    return 0.0 if share is None else 100 * share
