"""Where the time of a night went, in the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from pipelines.recommend.report_tables import fill, format_share, make_table

Row = Mapping[str, Any]

#: Heads of the table of candidates.
CANDIDATE_HEADS = ("candidate", "fit", "recommend", "total", "share")
#: What the table does not say.
LEGEND = (
    "Seconds of both windows and all placements; what was kept from an earlier run counts with the "
    "seconds it took then."
)


def print_seconds(console: Console, rows: Sequence[Row]) -> None:
    """Print the table of candidates."""
    table = make_table([("candidate", "left"), *((name, "right") for name in CANDIDATE_HEADS[1:])])
    for row in rows:
        table.add_row(*candidate_cells(row))
    console.print(table)
    console.print(fill(LEGEND, console.width), style="dim", markup=False)


def candidate_cells(row: Row) -> list[str]:
    """A row of the table, also of the one in Markdown.

    Examples
    --------
    >>> row = {"candidate": "ease", "fit_seconds": 61.04, "recommend_seconds": 2.0}
    >>> candidate_cells(row | {"total_seconds": 63.04, "share": 0.5})
    ['ease', '61.0', '2.0', '63.0', '50%']
    """
    seconds = (f"{row[f'{name}_seconds']:,.1f}" for name in CANDIDATE_HEADS[1:4])
    return [row["candidate"], *seconds, format_share(row["share"])]
