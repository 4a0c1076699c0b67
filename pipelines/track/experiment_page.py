"""An experiment's report as one HTML page for people who decide, not for statisticians."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from pipelines.track.decision import GO_ON, NO_DECISION, ROLL_BACK, SHIP, VOID
from pipelines.track.online_metrics import METRICS
from pipelines.web_page import bullets, embedded, page, table

MISSING = "–"
#: What each verdict asks a person to do.
ADVICE = {
    SHIP: "Make this arm's candidate the champion's specification.",
    ROLL_BACK: "Give everybody control again. With rolls_back this has happened already.",
    GO_ON: "Wait. Looking every morning costs nothing: the interval is made for it.",
    NO_DECISION: "The planned users are there and nothing was shown. Keep control.",
    VOID: "Do not read any figure: find the fault first, then start again under a new id.",
}


def experiment_page(report: dict[str, Any], pictures: dict[str, Path]) -> str:
    """The page as text; pictures are inside.

    Parameters
    ----------
    report : dict
        An analysis with its ``history``.
    pictures : dict of str to Path
        What `draw_experiment` returned.
    """
    given, title = report["definition"], f"Experiment {report['experiment_id']}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">{escape(_subtitle(report))}</p>',
        f"<p><b>Question.</b> {escape(given['hypothesis'])}</p>",
        "<h2>What to do</h2>",
        _verdicts(report),
        "<h2>Is the experiment sound?</h2>",
        bullets(health_lines(report)),
    ]
    if "lift" in pictures:
        parts.append(embedded(pictures["lift"], "Lift of each arm over control by morning"))
    parts += [
        "<h2>Effects</h2>",
        _effects(report),
        f'<p class="quiet">{escape(_legend(report))}</p>',
        "<h2>Arms</h2>",
        _arms(report),
        embedded(pictures["funnel"], "Clicks and buyers of each arm"),
    ]
    if "truth" in report:
        parts += ["<h2>The truth</h2>", bullets(_truth(report))]
    return page(title, parts)


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


def _subtitle(report: dict[str, Any]) -> str:
    given = report["definition"]
    total = sum(report["users"].values())
    return (
        f"Placement {given['placement']}, {given['starts']} to {given['ends']}, "
        f"{report['status']}. As of {report['as_of']}: {total:,} of {given['expected_users']:,} "
        "planned users."
    )


def _verdicts(report: dict[str, Any]) -> str:
    rows = [
        [
            escape(row["arm"]),
            f"<b>{escape(row['verdict'])}</b>",
            escape(row["reason"]),
            escape(ADVICE[row["verdict"]]),
        ]
        for row in report["decisions"]
    ]
    return table(("arm", "verdict", "why", "what to do"), rows, numbers=())


def _effects(report: dict[str, Any]) -> str:
    given = report["definition"]
    roles = {rail["metric"]: "guardrail" for rail in given["guardrails"]}
    roles[given["goal"]] = "goal"
    rows = [
        [
            escape(METRICS[row["metric"]].label),
            roles.get(row["metric"], ""),
            escape(row["arm"]),
            escape(row["population"]),
            f"{row['user_count']:,}",
            escape(effect_text(row)),
            escape(effect_text(row["fixed"])),
        ]
        for row in report["effects"]
    ]
    heads = ("metric", "role", "arm", "users", "count", "lift, at every look", "lift, planned end")
    return table(heads, rows, numbers=(4, 5, 6))


def _legend(report: dict[str, Any]) -> str:
    return (
        f"Lifts are relative to control; intervals of {1 - report['definition']['alpha']:.0%}. "
        "“At every look” holds however often the report is read; “planned end” is narrower and "
        "holds for one look, so it is shown once the planned users are there. Where the lists of "
        "the arms are equal for a user, nothing can differ: that row must hold zero."
    )


def _arms(report: dict[str, Any]) -> str:
    rows = [
        [
            escape(name),
            f"{arm['user_count']:,}",
            f"{arm['impression_count']:,}",
            f"{arm['click_count']:,}",
            *(MISSING if arm[m] is None else form.format(arm[m]) for m, form in _FORMS.items()),
        ]
        for name, arm in report["arms"].items()
    ]
    heads = ("arm", "users", "impressions", "clicks", *(METRICS[m].label for m in _FORMS))
    return table(heads, rows, numbers=range(1, 7))


_FORMS = {"ctr": "{:.2%}", "conversion": "{:.2%}", "revenue": "{:.2f}"}


def _truth(report: dict[str, Any]) -> list[str]:
    """In a simulated shop: what is true, beside what was found."""
    found = {
        (row["arm"], row["metric"]): effect_text(row)
        for row in report["effects"]
        if row["population"] == "all users"
    }
    return [
        f"{arm}: true lift of {metric} {lift:+.1%}; found {found.get((arm, metric), MISSING)}"
        for arm, lifts in report["truth"].items()
        for metric, lift in lifts.items()
    ]
