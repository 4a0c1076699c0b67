"""Where the time of a night went, in the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console

from pipelines.recommend.report_tables import fill, format_share, make_table

Row = Mapping[str, Any]
#: Heads of a table, what makes the cells of a row, what the table does not say, and its rows.
SecondsTable = tuple[Sequence[str], Callable[[Row], list[str]], str, Sequence[Row]]

CANDIDATE_HEADS = ("candidate", "fit", "recommend", "total", "share")
CANDIDATE_LEGEND = (
    "Of both windows and all placements; an evaluation that was kept counts with the seconds it "
    "took when it was made."
)
STEP_HEADS = ("step", "runs", "seconds", "share")
STEP_LEGEND = (
    "As each step last ran and ended; runs of a step add up, also where they ran at the same time."
)


def seconds_tables(candidates: Sequence[Row], steps: Sequence[Row]) -> Iterator[SecondsTable]:
    """The tables that have rows.

    Parameters
    ----------
    candidates : sequence of mapping
        What `spent.evaluation_seconds` returns.
    steps : sequence of mapping
        What `step_seconds.read_step_seconds` returns.
    """
    if candidates:
        yield CANDIDATE_HEADS, candidate_cells, CANDIDATE_LEGEND, candidates
    if steps:
        yield STEP_HEADS, step_cells, STEP_LEGEND, steps


def print_seconds(console: Console, candidates: Sequence[Row], steps: Sequence[Row]) -> None:
    """Print the tables one below the other."""
    for number, (heads, cells, legend, rows) in enumerate(seconds_tables(candidates, steps)):
        if number:
            console.print()
        table = make_table([(heads[0], "left"), *((name, "right") for name in heads[1:])])
        for row in rows:
            table.add_row(*cells(row))
        console.print(table)
        console.print(fill(legend, console.width), style="dim", markup=False)


def candidate_cells(row: Row) -> list[str]:
    """A candidate's row.

    Examples
    --------
    >>> row = {"candidate": "ease", "fit_seconds": 61.04, "recommend_seconds": 2.0}
    >>> candidate_cells(row | {"total_seconds": 63.04, "share": 0.5})
    ['ease', '61.0', '2.0', '63.0', '50%']
    """
    seconds = (f"{row[f'{name}_seconds']:,.1f}" for name in CANDIDATE_HEADS[1:4])
    return [row["candidate"], *seconds, format_share(row["share"])]


def step_cells(row: Row) -> list[str]:
    """A step's row.

    Examples
    --------
    >>> step_cells({"verb": "recommend.publish", "run_count": 1, "seconds": 2.04, "share": 0.25})
    ['recommend.publish', '1', '2.0', '25%']
    """
    return [
        row["verb"],
        str(row["run_count"]),
        f"{row['seconds']:,.1f}",
        format_share(row["share"]),
    ]
