"""An experiment's report for people who decide: as a page, as Markdown, and on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.measure.analysis import ALL_USERS
from pipelines.measure.decision import GO_ON, NO_DECISION, ROLL_BACK, SHIP, VOID
from pipelines.measure.online_metrics import METRICS
from pipelines.show.document import (
    Block,
    Bullets,
    Column,
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
from pipelines.show.figures import (
    MISSING,
    format_change,
    format_count,
    format_figure,
    format_level,
    format_p_value,
    format_share,
)

#: What each verdict asks a person to do.
ADVICE = {
    SHIP: "Make this arm's candidate the champion's specification.",
    ROLL_BACK: "Give everybody control again. With rolls_back this has happened already.",
    GO_ON: "Wait. Looking every morning costs nothing: the interval is made for it.",
    NO_DECISION: "The planned users are there and nothing was shown. Keep control.",
    VOID: "Do not read any figure: find the fault first, then start again under a new id.",
}
_MOODS: dict[str, Mood] = {SHIP: "good", ROLL_BACK: "bad", VOID: "bad"}


def experiment_document(
    report: dict[str, Any], pictures: Mapping[str, Path] | None = None
) -> list[Block]:
    """The report of an experiment as a document.

    `report` is an analysis with its ``history``; `pictures` is what `draw_experiment` returned.
    """
    drawn = {
        "lift": "Lift of each arm over control by morning",
        "preference": "Share of users who prefer the arm",
        "funnel": "Clicks and buyers of each arm",
    }
    shown: dict[str, list[Block]] = {
        name: [Picture(pictures[name], words)] if pictures and name in pictures else []
        for name, words in drawn.items()
    }
    document: list[Block] = [
        Heading(f"Experiment {report['experiment_id']}", 1),
        Paragraph(Marked(_subtitle(report), "quiet")),
        Paragraph((Marked("Question.", "strong"), f" {report['definition']['hypothesis']}")),
        Heading("What to do"),
        _verdict_table(report),
        Heading("Is the experiment sound?"),
        Bullets(health_lines(report)),
        *shown["lift"],
    ]
    if "preferences" in report:
        document += [Heading("Preferences"), _preference_table(report), *shown["preference"]]
    else:
        document += [Heading("Effects"), _effect_table(report)]
    document += [Heading("Arms"), _arm_table(report), *shown["funnel"]]
    if "truth" in report:
        document += [Heading("The truth"), Bullets(truth_lines(report))]
    return document


def _subtitle(report: dict[str, Any]) -> str:
    given = report["definition"]
    return (
        f"Placement {given['placement']}, {given['starts']} to {given['ends']}, "
        f"{report['status']}. As of {report['as_of']}: {sum(report['users'].values()):,} of "
        f"{given['expected_users']:,} planned users."
    )


def _verdict_table(report: dict[str, Any]) -> Table:
    rows = [
        [
            row["arm"],
            Marked(row["verdict"], _MOODS.get(row["verdict"], "strong")),
            *(row["reason"], ADVICE[row["verdict"]]),
        ]
        for row in report["decisions"]
    ]
    return Table([left("arm"), left("verdict"), wrap("why"), wrap("what to do")], rows)


def health_lines(report: dict[str, Any]) -> list[str]:
    """Lines on what was checked before any effect was computed."""
    health, users = report["health"], report["users"]
    if health["faults"]:
        return [f"No: {fault}." for fault in health["faults"]]
    counts = ", ".join(f"{name} {count:,}" for name, count in users.items())
    ratio = health["sample_ratio_note"] or (
        f"as their weights say ({format_p_value(health['sample_ratio_p_value'])})"
    )
    return [
        f"Users by arm: {counts}; {ratio}.",
        "Every user's arm was computed again from the id, and all were served under the settings "
        "that were frozen at the start.",
        f"Users whose exposures are doubted, left out: {health['excluded_users']:,} (must be 0).",
        *(f"Doubted: {doubt}." for doubt in health["doubts"]),
        f"{health['days']} whole days since the first exposure.",
    ]


def effect_text(row: Mapping[str, Any]) -> str:
    """An effect with its interval, or why there is none.

    Examples
    --------
    >>> effect_text({"estimate": 0.1, "low": 0.02, "high": 0.18, "reason": None})
    '+10.0% [+2.0%, +18.0%]'
    """
    if row["low"] is None:
        return row["reason"] or MISSING
    low, high = format_change(row["low"]), format_change(row["high"])
    return f"{format_change(row['estimate'])} [{low}, {high}]"


def preference_text(row: Mapping[str, Any]) -> str:
    """The share of users who prefer an arm, with its interval, or why there is none.

    Examples
    --------
    >>> row = {"share": 0.6, "low": 0.52, "high": 0.68, "p_value": 0.012, "tied_user_count": 40}
    >>> preference_text(row)
    '60.0% [52.0%, 68.0%] prefer it (p = .012)'
    """
    if row["share"] is None:
        return f"{row['reason']} ({row['tied_user_count']:,} tied)"
    share, low, high = (format_share(row[key], 1) for key in ("share", "low", "high"))
    return f"{share} [{low}, {high}] prefer it ({format_p_value(row['p_value'])})"


def _preference_table(report: dict[str, Any]) -> Table:
    """What an interleaved experiment found."""
    rows = [
        [
            row["arm"],
            *(format_count(row[f"{who}_user_count"]) for who in ("arm", "control", "tied")),
            preference_text(row),
        ]
        for row in report["preferences"]
    ]
    legend = (
        "Every user is shown one list drafted from both arms' lists; a click counts for the arm "
        "that drafted the item, and a user prefers the arm with more clicks. Ties are left out of "
        f"the sign test. Its interval of {1 - report['definition']['alpha']:.0%} is exact and "
        "holds for one look, when the planned users are there."
    )
    counts = map(right, ("prefer it", "prefer\ncontrol", "tied"))
    share = wrap("share of those who are not tied")
    return Table([left("arm"), *counts, share], rows, notes=[legend])


def _effect_table(report: dict[str, Any]) -> Table:
    given = report["definition"]
    roles = {rail["metric"]: "guardrail" for rail in given["guardrails"]} | {given["goal"]: "goal"}
    rows = [
        [
            *(METRICS[row["metric"]].label, roles.get(row["metric"], ""), row["arm"]),
            *(row["population"], format_count(row["user_count"])),
            *(effect_text(row), effect_text(row["fixed"])),
        ]
        for row in report["effects"]
    ]
    rails = len({rail["metric"] for rail in given["guardrails"]})
    shared = f", of {format_level(1 - given['alpha'] / rails)} each for guardrails" * (rails > 1)
    legend = (
        f"Lifts are relative to control; intervals of {format_level(1 - given['alpha'])}{shared}. "
        "Decided is on the difference between the arms, which is above or below zero exactly where "
        "its lift is. “At every look” holds however often the report is read; “planned end” is "
        "narrower and holds for one look, so it is shown once the planned users are there. Where "
        "the lists of the arms are equal for a user, nothing can differ: that row must hold zero."
    )
    names = [left("metric"), left("role"), left("arm"), wrap("users"), right("count")]
    planned = Column("lift, planned end", is_right=True, wraps=True)
    lifts = [right("lift, at every look"), planned]
    return Table([*names, *lifts], rows, notes=[legend])


def _arm_table(report: dict[str, Any]) -> Table:
    labels = [METRICS[name].label for name in ("ctr", "conversion", "revenue")]
    rows: list[list[Words]] = [
        [
            name,
            *(format_count(arm[f"{what}_count"]) for what in ("user", "impression", "click")),
            *(format_share(arm[rate], 2) for rate in ("ctr", "conversion")),
            format_figure(arm["revenue"]),
        ]
        for name, arm in report["arms"].items()
    ]
    return Table([left("arm"), *map(right, ("users", "impressions", "clicks", *labels))], rows)


def truth_lines(report: dict[str, Any]) -> list[str]:
    """Lines on a simulated shop's true lifts, each beside the measured one."""
    told = {
        (row["arm"], row["metric"]): effect_text(row)
        for row in report["effects"]
        if row["population"] == ALL_USERS
    } | {(row["arm"], "ctr"): preference_text(row) for row in report.get("preferences", [])}
    return [
        f"{arm}: true lift of {metric} {format_change(lift)}; "
        f"found {told.get((arm, metric), 'nothing shown')}"
        for arm, lifts in report["truth"].items()
        for metric, lift in lifts.items()
    ]
