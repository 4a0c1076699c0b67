"""A benchmark's result as tables, for a terminal or a plain log."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from pipelines.offline.metrics import RANKING_METRICS

#: Metrics of the lists as such, and how their columns are headed.
LIST_METRICS = {
    "coverage": "coverage",
    "gini": "gini",
    "personalisation": "personal.",
    "novelty": "novelty",
    "intra_list_diversity": "diversity",
    "mean_popularity": "popularity",
    "served_share": "served",
}
#: Columns of a log, which has no width of its own.
LOG_WIDTH = 160
#: Narrower than this, an interval stands below its value.
WIDE = 120


def print_benchmark(result: Mapping[str, Any], console: Console | None = None) -> None:
    """Print who was scored, and a table of ranking and list metrics for each cut.

    Parameters
    ----------
    result : mapping
        What `run_benchmark` returns.
    console : rich.console.Console, optional
        Default: standard output, without colours unless it is a terminal.
    """
    console = console or make_console()
    console.print(describe_split(result), markup=False)
    rows = [row for row in result["candidates"] if row["error"] is None]
    for k in result["k"]:
        console.print()
        console.print(_ranking_table(rows, k, console.width))
        console.print(_list_table(rows, k))
    console.print()
    console.print(_cost_table(rows))
    for row in result["candidates"]:
        if row["error"] is not None:
            console.print(f"failed: {row['candidate']}: {row['error']}", markup=False)


def make_console() -> Console:
    """Standard output; a log is `LOG_WIDTH` columns wide unless COLUMNS says otherwise."""
    console = Console(highlight=False)
    if console.is_terminal:
        return console
    width = shutil.get_terminal_size((LOG_WIDTH, 0)).columns
    return Console(highlight=False, width=width)


def describe_split(result: Mapping[str, Any]) -> str:
    """One paragraph: how many of what, who is left out, what is excluded."""
    data, left_out = result["data"], result["data"]["left_out"]
    nobody = ", ".join(
        f"{count:,} {kind.removeprefix('users_').replace('_', ' ')}"
        for kind, count in left_out.items()
        if count
    )
    return (
        f"{data['scored_users']:,} users scored on {data['test_pairs']:,} pairs, fitted on "
        f"{data['train_pairs']:,} pairs of {data['train_users']:,} users and "
        f"{data['train_items']:,} items. "
        f"Users left out: {nobody or 'none'}. Seen items: {result['seen']}."
    )


def _ranking_table(rows: Sequence[Mapping[str, Any]], k: int, width: int) -> Table:
    gap = " " if width >= WIDE else "\n"

    def cell(row: Mapping[str, Any], metric: str) -> str:
        found = row["metrics"][f"{metric}_at_{k}"]
        if found["low"] is None:
            return f"{found['value']:.6f}"
        return f"{found['value']:.6f}{gap}±{found['value'] - found['low']:.6f}"

    return _table(f"at {k}", rows, list(RANKING_METRICS), cell)


def _list_table(rows: Sequence[Mapping[str, Any]], k: int) -> Table:
    def cell(row: Mapping[str, Any], heading: str) -> str:
        metric = next(name for name, shown in LIST_METRICS.items() if shown == heading)
        value = row["metrics"][f"{metric}_at_{k}"]["value"]
        return "-" if value is None else f"{value:.4f}"

    return _table(f"lists of {k}", rows, list(LIST_METRICS.values()), cell)


def _cost_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    keys = {"fit s": "fit_seconds", "recommend s": "recommend_seconds"}

    def cell(row: Mapping[str, Any], heading: str) -> str:
        if heading in keys:
            return f"{row[keys[heading]]:,.1f}"
        return f"{row['peak_memory_mib']:,}"

    return _table("cost", rows, [*keys, "peak MiB"], cell)


def _table(
    title: str,
    rows: Sequence[Mapping[str, Any]],
    headings: Sequence[str],
    cell: Callable[[Mapping[str, Any], str], str],
) -> Table:
    """Candidates down, figures across."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column(title, overflow="fold")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(row["candidate"], *(cell(row, heading) for heading in headings))
    return table
