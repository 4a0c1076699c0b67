"""An experiment's report as lines for a terminal and as Markdown."""

from __future__ import annotations

from typing import Any

from pipelines.track.analysis import ALL_USERS

MISSING = "–"


def health_lines(report: dict[str, Any]) -> list[str]:
    """What was checked before any effect was computed."""
    health, users = report["health"], report["users"]
    if health["faults"]:
        return [f"No: {fault}." for fault in health["faults"]]
    counts = ", ".join(f"{name} {count:,}" for name, count in users.items())
    note = health["sample_ratio_note"]
    ratio = note or f"as their weights say (p = {health['sample_ratio_p_value']:.3f})"
    return [
        f"Users by arm: {counts}; {ratio}.",
        "Every user's arm was computed again from the id: all agree.",
        "All were served under the settings that were frozen at the start.",
        f"Users seen in several arms, left out: {health['excluded_users']:,} (must be 0).",
        f"{health['days']} whole days since the first exposure.",
    ]


def effect_text(row: dict[str, Any]) -> str:
    """An effect with its interval, or why there is none.

    Examples
    --------
    >>> effect_text({"estimate": 0.1, "low": 0.02, "high": 0.18, "reason": None})
    '+10.0% [+2.0%, +18.0%]'
    """
    if row["low"] is None:
        return row["reason"] or MISSING
    return f"{row['estimate']:+.1%} [{row['low']:+.1%}, {row['high']:+.1%}]"


def preference_text(row: dict[str, Any]) -> str:
    """The share of users who prefer an arm, with its interval, or why there is none.

    Examples
    --------
    >>> preference_text({"share": 0.6, "low": 0.52, "high": 0.68, "p_value": 0.012,
    ...     "arm_user_count": 90, "control_user_count": 60, "tied_user_count": 40})
    '60.0% [52.0%, 68.0%] prefer it (90 users; 60 prefer control, 40 tied; p = .012)'
    """
    if row["share"] is None:
        return f"{row['reason']} ({row['tied_user_count']:,} tied)"
    p_value = f"{row['p_value']:.3f}".removeprefix("0")
    return (
        f"{row['share']:.1%} [{row['low']:.1%}, {row['high']:.1%}] prefer it "
        f"({row['arm_user_count']:,} users; {row['control_user_count']:,} prefer control, "
        f"{row['tied_user_count']:,} tied; p = {p_value})"
    )


def figure_lines(report: dict[str, Any]) -> list[str]:
    """Effects on all users, or preferences, a line each."""
    return [
        f"{row['arm']:16} {row['metric']:11} {effect_text(row)}"
        for row in report["effects"]
        if row["population"] == ALL_USERS
    ] + [
        f"{row['arm']:16} {'preference':11} {preference_text(row)}"
        for row in report.get("preferences", [])
    ]


def decision_lines(report: dict[str, Any]) -> list[str]:
    """What follows for each arm."""
    return [
        f"{row['arm']}: {row['verdict'].upper()}: {row['reason']}" for row in report["decisions"]
    ]


def experiment_markdown(report: dict[str, Any]) -> str:
    """The report as Markdown, for a chat or a ticket."""
    given = report["definition"]
    figures = "\n".join(figure_lines(report)) or "nothing is shown while it is at fault"
    parts = [
        f"# Experiment {report['experiment_id']}, {report['as_of']}",
        given["hypothesis"],
        "\n".join(f"- {line}" for line in decision_lines(report)),
        "## Is the experiment sound?",
        "\n".join(f"- {line}" for line in health_lines(report)),
        "## What was found",
        f"```text\n{figures}\n```",
    ]
    return "\n\n".join(parts) + "\n"
