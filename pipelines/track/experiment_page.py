"""An experiment's report as one HTML page for people who decide, not for statisticians."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from pipelines.track.decision import GO_ON, NO_DECISION, ROLL_BACK, SHIP, VOID
from pipelines.track.experiment_text import MISSING, effect_text, health_lines, preference_text
from pipelines.track.online_metrics import METRICS
from pipelines.web_page import bullets, embedded, page, table

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
    parts += _preferences(report, pictures) if "preferences" in report else _lifts(report, pictures)
    if "truth" in report:
        parts += ["<h2>The truth</h2>", bullets(_truth(report))]
    return page(title, parts)


def _lifts(report: dict[str, Any], pictures: dict[str, Path]) -> list[str]:
    return [
        "<h2>Effects</h2>",
        _effects(report),
        f'<p class="quiet">{escape(_legend(report))}</p>',
        "<h2>Arms</h2>",
        _arms(report),
        embedded(pictures["funnel"], "Clicks and buyers of each arm"),
    ]


def _preferences(report: dict[str, Any], pictures: dict[str, Path]) -> list[str]:
    """What an interleaved experiment found."""
    rows = [
        [
            escape(row["arm"]),
            *(f"{row[f'{who}_user_count']:,}" for who in ("arm", "control", "tied")),
            escape(preference_text(row)),
        ]
        for row in report["preferences"]
    ]
    heads = ("arm", "prefer it", "prefer control", "tied", "share of those who are not tied")
    parts = ["<h2>Preferences</h2>", table(heads, rows, numbers=(1, 2, 3))]
    if "preference" in pictures:
        parts.append(embedded(pictures["preference"], "Share of users who prefer the arm"))
    legend = (
        "Every user is shown one list drafted from both arms' lists; a click counts for the arm "
        "that drafted the item, and a user prefers the arm with more clicks. Ties are left out of "
        f"the sign test. Its interval of {1 - report['definition']['alpha']:.0%} is exact and "
        "holds for one look, when the planned users are there."
    )
    return [
        *parts,
        f'<p class="quiet">{escape(legend)}</p>',
        "<h2>Items of each arm</h2>",
        _arms(report),
    ]


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
