"""One style for all charts: colours, empty figures, points and lines with intervals, and saving.

matplotlib is loaded by the functions that draw, not with this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Okabe and Ito's palette without its yellow: distinct on white and for colour-blind readers.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7F7F7F")
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "*")
#: What stands back: baselines, and remarks within a chart.
GREY = "#8C8C8C"
DOTS_PER_INCH = 130
_STYLE = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
}


def save_chart(path: Path, draw: Callable[[], Figure], dots_per_inch: int = DOTS_PER_INCH) -> Path:
    """Draw a chart in the style of all charts, and write it.

    Parameters
    ----------
    path : Path
        PNG to write, and what is returned; the same chart gives the same bytes.
    draw : callable
        Returns the figure; it is called within the style.
    dots_per_inch : int
    """
    import matplotlib.style
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.style.context({**_STYLE, "figure.dpi": dots_per_inch}):
        FigureCanvasAgg(draw()).print_png(path, metadata={"Software": None})
    return path


def new_chart(width: float, height: float, **grid: Any) -> tuple[Figure, Any]:
    """Make a figure of a size in inches, with one axes or, as `Figure.subplots` does, a grid."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(**grid)


def draw_point(
    axes: Axes, x: float, y: float, found: Mapping[str, Any], *, is_flat: bool = False, **look: Any
) -> None:
    """Draw a point with its interval as whiskers: upright, or if `is_flat` along x.

    `found` has ``value`` (x or y), ``low`` and ``high``; without bounds there is the point alone.
    """
    spread = None
    if found["low"] is not None:
        spread = [[found["value"] - found["low"]], [found["high"] - found["value"]]]
    whiskers: dict[str, Any] = {"xerr" if is_flat else "yerr": spread, **look}
    axes.errorbar(x, y, capsize=3, markersize=6, linewidth=1.4, **whiskers)


def draw_line(
    axes: Axes, x: Any, line: Mapping[str, Any], *, alpha: float, zorder: float = 2, **look: Any
) -> None:
    """Draw figures as a line, and their intervals as a band of opacity `alpha` behind it.

    `line` has ``value``, ``low`` and ``high``, each with one figure for every x; None or NaN
    leaves a gap.
    """
    value, low, high = (np.asarray(line[key], dtype=float) for key in ("value", "low", "high"))
    band = {"color": look["color"], "alpha": alpha, "linewidth": 0, "zorder": zorder - 1}
    axes.fill_between(x, low, high, **band)
    axes.plot(x, value, zorder=zorder, **look)


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Name rows 0, 1, … along the y-axis, the first on top, without grid lines between them."""
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)


def write_beside(
    axes: Axes, text: str, place: tuple[float, float], *, right: float, up: float = 0, **look: Any
) -> Any:
    """Write beside a place of the chart, so many points to the right of it and up."""
    look = {"va": "center", **look}
    return axes.annotate(text, place, xytext=(right, up), textcoords="offset points", **look)
