"""The picture of a backtest: the champion against each baseline, night by night."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.backtest.results import VIEWS
from pipelines.show.charts import GREY, PALETTE, draw_line, new_chart, save_chart, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CHAMPION_COLOUR = PALETTE[0]
#: Colours of the baselines in the order of the settings; the champion's blues are not among them.
BASELINE_COLOURS = ("#7F7F7F", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#000000")
BASELINE_MARKERS = ("s", "^", "D", "v", "P", "X")
#: Marks of a night's verdict; a night without a challenger has none.
MARKS: dict[str, dict[str, Any]] = {
    "promoted": {"marker": "^", "color": CHAMPION_COLOUR, "markersize": 7},
    "refused": {"marker": "x", "color": "#B22222", "markersize": 5},
}
STOPPED_COLOUR = "#F3D9D9"
#: Share of a panel's height kept free for marks below and names above the lines.
FOOT, HEAD = 0.10, 0.22
PANEL_INCHES = (6.6, 3.9)
DOTS_PER_INCH = 120


def draw_backtest(results: Mapping[str, Any], path: Path) -> Path:
    """Draw a row of panels for each placement: as the gate saw the champion, and as served.

    Parameters
    ----------
    results : mapping
        What `collect_results` returned, with the plan.
    path : Path
        PNG to write, and what is returned; the same results give the same bytes.
    """
    return save_chart(path, partial(_figure, results), DOTS_PER_INCH)


def _figure(results: Mapping[str, Any]) -> Figure:
    placements = list(results["baselines"])
    width, height = PANEL_INCHES
    grid = {"nrows": len(placements), "ncols": len(VIEWS), "squeeze": False}
    size = (width * len(VIEWS), height * len(placements) + 1.1)
    figure, panels = new_chart(*size, sharex=True, sharey="row", **grid)
    for row, placement in zip(panels, placements, strict=True):
        for axes, view in zip(row, VIEWS, strict=True):
            _draw_panel(axes, results, placement, view)
        _fit_height(row[0], results, placement)
        _mark_verdicts(row, results, placement)
    _head_and_legend(figure, results)
    return figure


def series_of(
    results: Mapping[str, Any], placement: str, view: str, name: str
) -> dict[str, np.ndarray]:
    """A line of the chart: value and bounds by night, NaN where there is no figure.

    `view` is ``gate`` or ``served``; `name` is ``champion`` or a baseline.
    """
    figures = [
        (night["placements"].get(placement) or {}).get(view) or {} for night in results["nights"]
    ]
    entries = [
        {"champion": found["champion"], **found["baselines"]}.get(name, {}) if found else {}
        for found in figures
    ]
    return {
        column: np.array([entry.get(column) for entry in entries], dtype=float)
        for column in ("value", "low", "high")
    }


def _nights(results: Mapping[str, Any]) -> np.ndarray:
    """Days as matplotlib counts them."""
    from matplotlib.dates import date2num

    days = [date.fromisoformat(night["as_of"]) for night in results["nights"]]
    return np.asarray(date2num(days), dtype=float)


def _draw_panel(axes: Axes, results: Mapping[str, Any], placement: str, view: str) -> None:
    nights = _nights(results)
    for day, night in zip(nights, results["nights"], strict=True):
        if night["state"] == "stopped":
            half = results["plan"]["every_days"] * 0.32
            axes.axvspan(day - half, day + half, color=STOPPED_COLOUR, zorder=0, linewidth=0)
    for name, look in _looks(results)[placement].items():
        line = series_of(results, placement, view, name)
        is_champion = name == "champion"
        order = 2 if is_champion else 4  # a baseline that is champion stays visible inside its line
        draw_line(axes, nights, line, alpha=0.20 if is_champion else 0.10, zorder=order, **look)
    _label_axes(axes, results, placement, view, nights)
    known = series_of(results, placement, view, "champion")["value"]
    if np.isnan(known[-1]) and not np.isnan(known).all():
        last = np.flatnonzero(~np.isnan(known))[-1]
        axes.text(
            *((nights[last + 1] + nights[-1]) / 2, 0.5, "what came after\nis not known yet"),
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center",
            fontsize=8.5,
            color=GREY,
        )


def _label_axes(
    axes: Axes, results: Mapping[str, Any], placement: str, view: str, nights: np.ndarray
) -> None:
    days = results["horizon_days"]
    shown = {
        "gate": f"at the gate: {days} days before the night, held out",
        "served": f"as served: {days} days after the night",
    }
    axes.set_title(f"{placement}  ·  {shown[view]}", fontsize=11)
    if view == VIEWS[0]:
        axes.set_ylabel(f"NDCG@{results['k']}")
    step = max(1, round(len(nights) / 8))
    labels = [f"{date.fromisoformat(one['as_of']):%d %b}" for one in results["nights"]]
    axes.set_xticks(nights[::step], labels[::step])
    axes.tick_params(axis="x", labelbottom=True, length=0)
    axes.grid(axis="x", visible=False)
    margin = results["plan"]["every_days"] * 0.6
    axes.set_xlim(nights[0] - margin, nights[-1] + margin)


def _fit_height(axes: Axes, results: Mapping[str, Any], placement: str) -> None:
    """Set a panel's height to hold the intervals of both panels of its row, and the marks."""
    lines = [
        series_of(results, placement, view, name)
        for view in VIEWS
        for name in _looks(results)[placement]
    ]
    tops = np.concatenate([np.fmax(line["high"], line["value"]) for line in lines])
    top = float(np.nanmax(tops)) if np.isfinite(tops).any() else 1.0
    axes.set_ylim(-FOOT * top, (1 + HEAD) * top)
    axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top * (1 + HEAD / 2)])


def _mark_verdicts(row: Sequence[Axes], results: Mapping[str, Any], placement: str) -> None:
    """Mark each promotion and refusal, and name the champion from there on.

    A promotion is a line through all panels of the row; marks and names stand in the first.
    """
    bottom, top = row[0].get_ylim()
    named: list[tuple[float, str]] = []
    for day, night in zip(_nights(results), results["nights"], strict=True):
        if placement not in night["placements"]:
            continue
        verdict = night["placements"][placement]["verdict"]
        outcome, is_promoted = verdict["outcome"], verdict["outcome"] == "promoted"
        if outcome in MARKS:
            row[0].plot(day, bottom * 0.5, linestyle="none", zorder=5, **MARKS[outcome])
        if is_promoted:
            for axes in row:
                axes.axvline(day, color=CHAMPION_COLOUR, linewidth=1, linestyle=":", zorder=1)
        if is_promoted or not named:
            named.append((day, verdict["champion"]))
    _name_champions(row[0], named, top)


def _name_champions(axes: Axes, named: Sequence[tuple[float, str]], top: float) -> None:
    """Write each champion's name at its first night, at three heights in turn."""
    for number, (day, name) in enumerate(named):
        write_beside(
            *(axes, name, (day, top * (0.985 - 0.055 * (number % 3)))),
            right=3,
            va="top",
            fontsize=8.5,
            color=CHAMPION_COLOUR,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )


def _looks(results: Mapping[str, Any]) -> dict[str, dict[str, dict[str, Any]]]:
    """Line styles by placement; a baseline looks the same in every placement."""
    every = list(dict.fromkeys(name for names in results["baselines"].values() for name in names))
    champion = {"color": CHAMPION_COLOUR, "marker": "o", "markersize": 8, "linewidth": 4.5}
    looks = {
        name: {
            "color": BASELINE_COLOURS[n % len(BASELINE_COLOURS)],
            "marker": BASELINE_MARKERS[n % len(BASELINE_MARKERS)],
            "markersize": 4,
            "linewidth": 1.2,
        }
        for n, name in enumerate(every)
    }
    return {
        placement: {**{name: looks[name] for name in names}, "champion": champion}
        for placement, names in results["baselines"].items()
    }


def _head_and_legend(figure: Figure, results: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    plan, level = results["plan"], f"{results['confidence']:.0%}"
    figure.suptitle(
        f"Backtest: {len(results['nights'])} nights from {plan['start']} to "
        f"{results['nights'][-1]['as_of']}, champion against baselines (bands: {level} intervals)",
        x=0.012,
        ha="left",
        fontsize=13,
        fontweight="bold",
    )
    looks = {name: look for lines in _looks(results).values() for name, look in lines.items()}
    names = ["champion", *(name for name in looks if name != "champion")]
    handles: list[Any] = [Line2D([], [], label=name, **looks[name]) for name in names]
    for label, outcome in (("promotion", "promoted"), ("refusal", "refused")):
        handles.append(Line2D([], [], linestyle="none", label=label, **MARKS[outcome]))
    if any(night["state"] == "stopped" for night in results["nights"]):
        handles.append(Patch(color=STOPPED_COLOUR, label="night stopped"))
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 8))
