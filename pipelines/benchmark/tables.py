"""A benchmark's result as a document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.evaluate.metrics import RANKING_METRICS
from pipelines.show.document import Block, Bullets, Column, Paragraph, Table, left, right
from pipelines.show.figures import format_count, format_figure, format_seconds

Row = Mapping[str, Any]

#: List metrics and the headings of their columns.
LIST_HEADINGS = {
    "coverage": "coverage",
    "gini": "gini",
    "personalisation": "personal.",
    "novelty": "novelty",
    "intra_list_diversity": "diversity",
    "mean_popularity": "popularity",
    "served_share": "served",
}
#: Decimals of a metric: as many as published results have.
DIGITS = 6


def benchmark_document(result: Row) -> list[Block]:
    """Document of a benchmark: who was scored, then ranking metrics, list metrics and costs.

    Parameters
    ----------
    result : mapping
        What `run_benchmark` returns.
    """
    rows = [row for row in result["candidates"] if row["error"] is None]
    failed = [row for row in result["candidates"] if row["error"] is not None]
    tables = [make(rows, k) for k in result["k"] for make in (_ranking_table, _list_table)]
    failures = Bullets([f"failed: {row['candidate']}: {row['error']}" for row in failed])
    return [Paragraph(describe_split(result)), *tables, _cost_table(rows), failures]


def describe_split(result: Row) -> str:
    """Paragraph on the split: counts, users left out, and items excluded."""
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


def _ranking_table(rows: Sequence[Row], k: int) -> Table:
    """Table of ranking metrics with half their interval, below the value if room is short."""
    columns = [Column(name, is_right=True, wraps=True) for name in RANKING_METRICS]
    cells = [
        [row["candidate"], *(_value(row["metrics"][f"{name}_at_{k}"]) for name in RANKING_METRICS)]
        for row in rows
    ]
    return Table([left(f"at {k}"), *columns], cells)


def _value(metric: Row) -> str:
    value = format_figure(metric["value"], digits=DIGITS)
    if metric["low"] is None:
        return value
    return f"{value} ±{format_figure(metric['value'] - metric['low'], digits=DIGITS)}"


def _list_table(rows: Sequence[Row], k: int) -> Table:
    cells = [
        [
            row["candidate"],
            *(format_figure(row["metrics"][f"{name}_at_{k}"]["value"]) for name in LIST_HEADINGS),
        ]
        for row in rows
    ]
    return Table([left(f"lists of {k}"), *map(right, LIST_HEADINGS.values())], cells)


def _cost_table(rows: Sequence[Row]) -> Table:
    cells = [
        [
            *(row["candidate"], format_seconds(row["fit_seconds"])),
            *(format_seconds(row["recommend_seconds"]), format_count(row["peak_memory_mib"])),
        ]
        for row in rows
    ]
    return Table([left("cost"), *map(right, ("fit s", "recommend s", "peak MiB"))], cells)
