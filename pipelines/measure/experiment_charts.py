"""Pictures of an experiment: its lift over time, and its funnel by arm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.measure.online_metrics import METRICS
from pipelines.show.charts import PALETTE, draw_line, new_chart, save_chart

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
SIZE_INCHES = (9, 3.8)
#: Dates below the picture, at most.
MOST_DATES = 7
#: Bounds beyond this relative effect are cut off in the picture, not in the tables.
WIDEST = 1.0


def draw_experiment(report: dict[str, Any], folder: Path) -> dict[str, Path]:
    """Draw `lift.png` and `funnel.png`, or `preference.png` of an interleaved experiment.

    The same report gives the same bytes. The report is an analysis with its ``history``.

    Returns
    -------
    dict of str to Path
        ``lift`` (absent before the first effect) and ``funnel``, or ``preference`` (absent before
        the first user who is not tied).
    """
    folder.mkdir(parents=True, exist_ok=True)
    drawings: dict[str, Callable[[], Figure]] = {}
    if "preferences" in report:
        name, no_effect, label = "preference", 50, "users who prefer it, %"
        title = "Users with more clicks on its items, of those not tied"
        rows = [{**row, "estimate": row["share"]} for row in report["history"]]
    else:
        goal = report["definition"]["goal"]
        name, no_effect, label = "lift", 0, "lift over control, %"
        title = f"{METRICS[goal].label}: lift with its interval, valid at every look"
        rows = [row for row in report["history"] if row["metric"] == goal]
        rows = [row for row in rows if row["population"] == "all users"]
        drawings["funnel"] = lambda: _draw_funnel(report["arms"])
    known = [row for row in rows if row["estimate"] is not None]
    if known:
        drawings[name] = lambda: _draw_mornings(known, no_effect, label, title)
    return {
        name: save_chart(folder / f"{name}.png", draw, DOTS_PER_INCH)
        for name, draw in drawings.items()
    }


def _draw_mornings(
    rows: Sequence[Mapping[str, Any]], no_effect: float, label: str, title: str
) -> Figure:
    """Draw the figure and interval of each morning, by arm, in per cent."""
    figure, axes = new_chart(*SIZE_INCHES)
    arms = dict.fromkeys(row["arm"] for row in rows)
    for colour, arm in zip(PALETTE, arms, strict=False):
        own = [row for row in rows if row["arm"] == arm]
        days = np.array([row["as_of"] for row in own], dtype="datetime64[D]")
        line = {
            "value": [100 * row["estimate"] for row in own],
            "low": [100 * max(row["low"], -WIDEST) for row in own],
            "high": [100 * min(row["high"], WIDEST) for row in own],
        }
        draw_line(axes, days, line, alpha=0.18, color=colour, marker="o", label=arm)
    axes.axhline(no_effect, color="#777777", linewidth=1)
    axes.legend(loc="upper right", frameon=False)
    mornings = sorted({row["as_of"] for row in rows})
    shown = mornings[:: -(-len(mornings) // MOST_DATES)]
    axes.set_xticks(np.array(shown, dtype="datetime64[D]"), shown)
    axes.set_ylabel(label)
    axes.set_title(title, loc="left")
    return figure


def _draw_funnel(arms: dict[str, dict[str, Any]]) -> Figure:
    """Draw clicks per 100 impressions and buyers per 100 users, by arm."""
    figure, axes = new_chart(*SIZE_INCHES)
    steps = {"clicks per 100 impressions": "ctr", "buyers per 100 users": "conversion"}
    width = 0.8 / len(arms)
    for n, (colour, (name, arm)) in enumerate(
        zip(("#7F7F7F", *PALETTE), arms.items(), strict=False)
    ):
        heights = [100 * (arm[share] or 0.0) for share in steps.values()]
        places = [place + n * width for place in range(len(steps))]
        bars = axes.bar(places, heights, width=width * 0.92, color=colour, label=name)
        axes.bar_label(bars, fmt="%.2f", fontsize=9)
    axes.set_xticks([place + 0.4 - width / 2 for place in range(len(steps))], list(steps))
    axes.set_title("What users of each arm did", loc="left")
    axes.margins(y=0.2)
    axes.legend(frameon=False)
    return figure
