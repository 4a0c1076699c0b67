"""A backtest as one HTML page that needs nothing else: chart, verdicts, and every figure."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from pipelines.web_page import bullets, embedded, page, table

MISSING = "–"


def backtest_page(results: Mapping[str, Any], picture: Path) -> str:
    """The page as text; the picture is inside.

    Parameters
    ----------
    results : mapping
        What `collect_results` returned, with the plan.
    picture : Path
        The chart, a PNG.
    """
    plan = results["plan"]
    title = f"Backtest {plan['name']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_subtitle(results))}</p>',
        "<h2>In short</h2>",
        bullets(summary_lines(results)),
        embedded(picture, _alternative(results)),
        "<h2>Promotions and refusals</h2>",
        _verdict_table(results),
        "<h2>Every night</h2>",
        _night_table(results),
        f'<p class="quiet">{escape(_legend(results))}</p>',
    ]
    return page(title, parts)


def summary_lines(results: Mapping[str, Any]) -> list[str]:
    """What the backtest says, a sentence for each placement, and one for stopped nights."""
    lines = []
    for placement, found in results["summary"].items():
        text = (
            f"{placement}: {found['promoted']} promotions, {found['refused']} refusals, "
            f"{found['unchallenged']} nights without a challenger"
        )
        for view, label in (("gate", "at the gate"), ("served", "as served")):
            one = found[view]
            if one["night_count"]:
                text += (
                    f"; {label} NDCG@{results['k']} {one['champion']:.4f} against "
                    f"{one['best_baseline']:.4f} of the best baseline of each night (mean of "
                    f"{one['night_count']} nights), clearly better on "
                    f"{one['nights_clearly_better']}"
                )
        lines.append(text + ".")
    stopped = [night["as_of"] for night in results["nights"] if night["state"] == "stopped"]
    if stopped:
        lines.append(f"Stopped nights, whose lists before stay live: {', '.join(stopped)}.")
    return lines


def _subtitle(results: Mapping[str, Any]) -> str:
    plan, nights = results["plan"], results["nights"]
    return (
        f"{len(nights)} nights, every {plan['every_days']} days from {nights[0]['as_of']} to "
        f"{nights[-1]['as_of']}, replayed as if live: each knew only the day files before it."
    )


def _alternative(results: Mapping[str, Any]) -> str:
    return f"NDCG@{results['k']} of the champion and of each baseline by night, with intervals"


def _legend(results: Mapping[str, Any]) -> str:
    days = results["horizon_days"]
    return (
        f"Gate: the champion's specification fitted {days} days before the night and scored on "
        "those days. A figure that promoted a champion is flattered by having done so. As served: "
        f"the published lists scored on the {days} days after the night, known to later nights "
        f"only. Intervals: {results['confidence']:.0%}, Student's t over users; differences are "
        "paired by user."
    )


def _verdict_table(results: Mapping[str, Any]) -> str:
    rows = [
        [
            escape(one["as_of"]),
            escape(one["placement"]),
            f'<span class="{one["outcome"]}">{one["outcome"]}</span>',
            escape(one["challenger"] or MISSING),
            escape(one["in_words"])
            + (
                bullets(rule["reason"] for rule in one["failed_rules"]) if one["challenger"] else ""
            ),
        ]
        for one in results["verdicts"]
    ]
    rows += [
        [escape(night["as_of"]), "all", "stopped", MISSING, _stop(night)]
        for night in results["nights"]
        if night["state"] == "stopped"
    ]
    heads = ("night", "placement", "outcome", "challenger", "why")
    return table(heads, sorted(rows, key=lambda row: row[0]), numbers=())


def _night_table(results: Mapping[str, Any]) -> str:
    rows = []
    for night in results["nights"]:
        if not night["placements"]:
            rows.append([escape(night["as_of"]), "stopped", *[MISSING] * 7])
        for placement, found in night["placements"].items():
            rows.append([night["as_of"], placement, found["verdict"]["champion"]])
            rows[-1] = [escape(cell) for cell in rows[-1]]
            for view in ("gate", "served"):
                rows[-1] += _cells(found[view])
    parts = ("champion", "best baseline", "difference")
    heads = (
        "night",
        "placement",
        "champion",
        *(f"{v}: {p}" for v in ("gate", "served") for p in parts),
    )
    return table(heads, rows, numbers=range(3, 9))


def _cells(figures: Mapping[str, Any] | None) -> list[str]:
    """Champion, best baseline and difference of one view."""
    if figures is None:
        return [MISSING] * 3
    best = figures["best_baseline"]
    difference = figures["difference"]
    return [
        format_interval(figures["champion"]),
        f"{escape(best)}<br>{format_interval(figures['baselines'][best])}",
        MISSING if best == figures["candidate"] else format_interval(difference, signed=True),
    ]


def format_interval(found: Mapping[str, Any], *, signed: bool = False) -> str:
    """A mean and its bounds.

    Examples
    --------
    >>> format_interval({"value": 0.12345, "low": 0.1, "high": 0.15})
    '0.1235 [0.1000, 0.1500]'
    """
    if found["value"] is None:
        return MISSING
    form = "+.4f" if signed else ".4f"
    text = format(found["value"], form)
    if found["low"] is None:
        return text
    return f"{text} [{format(found['low'], form)}, {format(found['high'], form)}]"


def _stop(night: Mapping[str, Any]) -> str:
    return f"{escape(str(night['stopped_at']))}: {escape(str(night['reason']))}"
