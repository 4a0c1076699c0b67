"""A backtest as one page: chart, verdicts, and every figure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.show.document import (
    Block,
    Bullets,
    Heading,
    Marked,
    Mood,
    Paragraph,
    Picture,
    Table,
    Words,
    left,
    right,
    wrap,
)
from pipelines.show.figures import MISSING, format_figure, format_interval

Row = Mapping[str, Any]

_MOODS: dict[str, Mood] = {"promoted": "good", "refused": "bad", "unchallenged": "plain"}


def backtest_document(results: Row, picture: Path) -> list[Block]:
    """The page of a backtest, as a document, with its chart as `picture`.

    `results` is what `collect_results` returned, with the plan.
    """
    k = results["k"]
    shown = f"NDCG@{k} of the champion and of each baseline by night, with intervals"
    return [
        Heading(f"Backtest {results['plan']['name']}", 1),
        Paragraph(Marked(_subtitle(results), "quiet")),
        Heading("In short"),
        Bullets(summary_lines(results)),
        Picture(picture, shown),
        Heading("Promotions and refusals"),
        _verdict_table(results),
        Heading("Every night"),
        _night_table(results),
    ]


def summary_lines(results: Row) -> list[str]:
    """Results of a backtest: a sentence for each placement, and one for stopped nights."""
    lines = []
    for placement, summary in results["summary"].items():
        text = (
            f"{placement}: {summary['promoted']} promotions, {summary['refused']} refusals, "
            f"{summary['unchallenged']} nights without a challenger"
        )
        for view, label in (("gate", "at the gate"), ("served", "as served")):
            one = summary[view]
            if one["night_count"]:
                text += (
                    f"; {label} NDCG@{results['k']} {format_figure(one['champion'])} against "
                    f"{format_figure(one['best_baseline'])} of the best baseline of each night "
                    f"(mean of {one['night_count']} nights), clearly better on "
                    f"{one['nights_clearly_better']}"
                )
        lines.append(text + ".")
    stopped = [night["as_of"] for night in results["nights"] if night["state"] == "stopped"]
    if stopped:
        lines.append(f"Stopped nights, whose lists before stay live: {', '.join(stopped)}.")
    return lines


def _subtitle(results: Row) -> str:
    plan, nights = results["plan"], results["nights"]
    return (
        f"{len(nights)} nights, every {plan['every_days']} days from {nights[0]['as_of']} to "
        f"{nights[-1]['as_of']}, replayed as if live: each knew only the day files before it."
    )


def _legend(results: Row) -> str:
    days = results["horizon_days"]
    return (
        f"Gate: the champion's specification fitted {days} days before the night and scored on "
        "those days. A figure that promoted a champion is flattered by having done so. As served: "
        f"the published lists scored on the {days} days after the night, known to later nights "
        f"only. Intervals: {results['confidence']:.0%}, Student's t over users; differences are "
        "paired by user."
    )


def _verdict_table(results: Row) -> Table:
    rows: list[list[Words]] = []
    for verdict in results["verdicts"]:
        failed = verdict["failed_rules"] if verdict["challenger"] else []
        why = "\n• ".join([verdict["in_words"], *(rule["reason"] for rule in failed)])
        outcome = Marked(verdict["outcome"], _MOODS[verdict["outcome"]])
        challenger = verdict["challenger"] or MISSING
        rows.append([verdict["as_of"], verdict["placement"], outcome, challenger, why])
    for night in results["nights"]:
        if night["state"] == "stopped":
            why = f"{night['stopped_at']}: {night['reason']}"
            rows.append([night["as_of"], "all", Marked("stopped", "bad"), MISSING, why])
    names = [left(name) for name in ("night", "placement", "outcome", "challenger")]
    return Table([*names, wrap("why")], sorted(rows, key=lambda row: str(row[0])))


def _night_table(results: Row) -> Table:
    rows: list[list[Words]] = []
    for night in results["nights"]:
        if not night["placements"]:
            rows.append([night["as_of"], Marked("stopped", "bad"), *[MISSING] * 7])
        for placement, one in night["placements"].items():
            cells = [cell for view in ("gate", "served") for cell in _cells(one[view])]
            rows.append([night["as_of"], placement, one["verdict"]["champion"], *cells])
    parts = ("champion", "best baseline", "difference")
    figures = [right(f"{view}: {part}") for view in ("gate", "served") for part in parts]
    names = [left(name) for name in ("night", "placement", "champion")]
    return Table([*names, *figures], rows, notes=[_legend(results)])


def _cells(figures: Row | None) -> list[str]:
    """Champion, best baseline and difference of one view."""
    if figures is None:
        return [MISSING] * 3
    best = figures["best_baseline"]
    return [
        _interval(figures["champion"]),
        f"{best}\n{_interval(figures['baselines'][best])}",
        MISSING if best == figures["candidate"] else _interval(figures["difference"], signed=True),
    ]


def _interval(mean: Row, *, signed: bool = False) -> str:
    return format_interval(mean["value"], mean["low"], mean["high"], signed=signed)
