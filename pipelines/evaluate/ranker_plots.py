"""Plots and tables of the features a ranker uses, for its run in MLflow."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from pipelines.base.durable import new_folder, write_ordered_json
from pipelines.show.charts import GREY, PALETTE, name_rows, new_chart, save_chart, write_beside

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from pipelines.models.base import Explanation

#: Most features in the plot of gains.
N_GAINS = 20
#: What a feature describes, the colour of its bar, and how its name begins; the last is any other.
KINDS = {
    "score or rank of a part": (PALETTE[0], ("part_",)),
    "item": (PALETTE[2], ("item_",)),
    "user": (PALETTE[3], ("user_",)),
    "user and item": (PALETTE[1], ("pair_", "title_", "price_")),
    "other": (GREY, ("",)),
}
N_COLUMNS = 3
#: Ratio of largest to median value above which a feature is drawn on a logarithmic axis.
SKEWED = 20.0


def write_explained(folder: Path, explained: Explanation | None, title: str) -> None:
    """Write `feature_gain` and `partial_dependence`, each as PNG and CSV, and `sample.json`.

    Former contents of `folder` are removed; if `explained` is None, no folder is left. `title` says
    on the plots which ranker they show.
    """
    if explained is None:
        shutil.rmtree(folder, ignore_errors=True)
        return
    with new_folder(folder) as fresh:
        _fill(fresh, explained, title)


def _fill(folder: Path, explained: Explanation, title: str) -> None:
    explained.gain.to_csv(folder / "feature_gain.csv", index=False)
    explained.dependence.to_csv(folder / "partial_dependence.csv", index=False)
    sample = {"user_count": explained.user_count, "row_count": explained.row_count}
    write_ordered_json(folder / "sample.json", sample)
    save_chart(folder / "feature_gain.png", lambda: plot_gain(explained.gain, title))
    save_chart(folder / "partial_dependence.png", lambda: plot_dependence(explained, title))


def plot_gain(gain: pd.DataFrame, title: str) -> Figure:
    """Plot the gain of each feature as a bar, strongest on top, coloured by what it describes."""
    shown = gain[gain["gain_share"] > 0].head(N_GAINS)
    kinds = [_kind_of(name) for name in shown.feature]
    figure, axes = new_chart(8, 1.4 + 0.3 * len(shown))
    colours = [KINDS[kind][0] for kind in kinds]
    axes.barh(range(len(shown)), shown["gain_share"], color=colours, height=0.7)
    for row, share in enumerate(shown["gain_share"]):
        write_beside(axes, f"{share:.1%}", (share, row), right=4)
    name_rows(axes, list(shown["feature"]))
    axes.set_xlim(0, 1.12 * float(shown["gain_share"].max()))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set_xlabel("share of the loss that splits on the feature took away")
    figure.suptitle(f"Feature gain: {title}", x=0.01, ha="left", fontweight="bold")
    for kind in dict.fromkeys(kinds):
        axes.barh([0], [0], color=KINDS[kind][0], label=kind)
    axes.legend(loc="lower right")
    return figure


def _kind_of(feature: str) -> str:
    return next(kind for kind, (_, beginnings) in KINDS.items() if feature.startswith(beginnings))


def plot_dependence(explained: Explanation, title: str) -> Figure:
    """Plot the partial dependence of each strong feature, all with the same log-odds axis."""
    groups = explained.dependence.groupby("feature", sort=False)
    curves = {str(name): curve for name, curve in groups}
    n_rows = -(-len(curves) // N_COLUMNS)
    grid = {"nrows": n_rows, "ncols": N_COLUMNS, "sharey": True, "squeeze": False}
    figure, cells = new_chart(11, 0.9 + 3.0 * n_rows, **grid)
    gains = explained.gain.set_index("feature")["gain_share"]
    for axes, (name, curve) in zip(cells.flat, curves.items(), strict=False):
        _plot_curve(axes, curve)
        axes.set_title(f"{name}\n{gains[name]:.0%} of the gain", fontsize=9)
    for axes in list(cells.flat)[len(curves) :]:
        axes.set_axis_off()
    for axes in cells[:, 0]:
        axes.set_ylabel("mean log-odds")
    figure.suptitle(f"Partial dependence: {title}", x=0.01, ha="left", fontweight="bold")
    figure.supxlabel(
        f"value of the feature, averaged over {explained.row_count:,} candidates of "
        f"{explained.user_count:,} users; ticks at the bottom: tenths of these candidates",
        fontsize=9,
    )
    return figure


def _plot_curve(axes: Axes, curve: pd.DataFrame) -> None:
    """Draw one partial dependence: curve, deciles of the values as ticks, level of unknown."""
    known, unknown = curve[curve["value"].notna()], curve[curve["value"].isna()]
    values = known["value"].to_numpy()
    axes.plot(values, known["log_odds"], color=PALETTE[0], linewidth=1.8, marker=".")
    for level, share in zip(unknown["log_odds"], unknown["row_share"], strict=True):
        axes.axhline(level, color=PALETTE[1], linestyle="--", linewidth=1.2)
        write_beside(
            *(axes, f"unknown: {share:.0%} of rows", (1, level)),
            right=-2,
            up=3,
            xycoords=("axes fraction", "data"),
            ha="right",
            va="baseline",
            fontsize=8,
            color=PALETTE[1],
        )
    if len(values) and values.min() > 0 and values.max() > SKEWED * np.median(values):
        axes.set_xscale("log")
    reached = np.searchsorted(known["row_share"].to_numpy(), np.arange(0.1, 1.0, 0.1))
    for place in np.unique(reached[reached < len(values)]):
        axes.axvline(values[place], ymax=0.04, color="#444444", linewidth=1)
