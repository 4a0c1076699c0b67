from __future__ import annotations

import pytest
from rich.console import Console

from pipelines.recommend.report import build_report
from pipelines.recommend.report_gate import (
    explain_gate,
    judged,
    others_in_words,
    print_gate,
    verdict_in_words,
    why_in_words,
)
from pipelines.recommend.report_tables import MINUS, TIE


@pytest.fixture
def gates(shop, report_home):
    placements = build_report(shop, report_home)["placements"]
    return {name: placement["gate"] for name, placement in placements.items()}


@pytest.fixture
def printed(capsys):
    def read(gate, width=100):
        print_gate(Console(width=width, highlight=False), gate, 10)
        return capsys.readouterr().out

    return read


def other(name, value, low, high):
    """A difference that is reported and not judged."""
    figures = {"value": value, "low": low, "high": high, "users_needed": None, "user_count": 700}
    against = {"subject": name, "opponent": "personal_frequency", "is_passed": None}
    return {"rule": "reported_difference", **against, **figures}


def test_a_promotion_shows_its_figures_and_counts_the_rules_without(gates, printed):
    text = printed(gates["discover"])
    assert "Gate: PROMOTED item_knn: item_knn wins" in text
    assert "≤ .9" in text and ".2000 [.1900, .2100]" in text
    assert (
        "low is the interval's lower end; rules that hold without a figure: 1 (report.md)" in text
        and "is_logged" not in text
    )


def test_a_promotion_says_over_whom_and_by_how_much(gates):
    won = {**gates["for_you"]["rules"][0], "is_passed": True, "value": 0.02}
    gate = {**gates["discover"], "rules": [{**won, "low": 0.01, "high": 0.03}]}
    said = "item_knn over personal_frequency: NDCG@10 +.0200 [+.0100, +.0300]"
    assert verdict_in_words(gate, 10).replace(TIE, " ") == said


def test_a_refusal_says_by_how_much_and_how_many_users_were_needed(gates, printed):
    text = printed(gates["for_you"])
    found = f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"
    assert f"Gate: KEPT personal_frequency; item_knn against it: NDCG@10 {found}" in text
    assert text.count(found) == 2 and "low > 0" in text and text.count("FAILS") == 1
    assert "beats_champion: about 7,859 users would be needed to tell such a difference." in text


def test_a_rule_that_fails_without_a_figure_says_why_once(gates, printed):
    failing = {"rule": "same_users", "is_passed": False, "value": None, "reason": "`a` is not `b`"}
    for name in ("popularity", "item_knn"):
        gates["for_you"]["rules"].append(
            {**gates["for_you"]["rules"][0], **failing, "subject": name}
        )
    text = printed(gates["for_you"])
    assert text.count("Fails: a is not b") == 1 and "same_users" not in text


def test_the_other_candidates_are_compared_in_words(gates):
    gate = gates["for_you"]
    gate["rules"] += [
        other("ease_recent", -0.0472, -0.063, -0.0313),
        other("svd", -0.03, -0.04, -0.02),
        other("ease", 0.001, -0.01, 0.012),
        other("ranker", 0.05, 0.04, 0.06),
    ]
    lines = [line.replace(TIE, " ").replace(MINUS, "-") for line in others_in_words(gate)]
    assert lines == [
        "Above personal_frequency here, but not the one chosen beforehand: "
        "ranker +.0500 [+.0400, +.0600]",
        "Not told apart from personal_frequency: ease +.0010 [-.0100, +.0120]",
        "Lost to personal_frequency: svd -.0300 [-.0400, -.0200], "
        "ease_recent -.0472 [-.0630, -.0313]",
    ]


def test_a_first_night_names_who_stood_as_champion(gates):
    first = "First night: the best baseline, personal_frequency, was the champion to beat."
    assert first in explain_gate(gates["for_you"])
    later = {**gates["for_you"], "champion_before": gates["for_you"]["champion"]}
    assert explain_gate(later) == []


def test_a_refusal_of_nobody_says_so(gates, printed):
    text = printed({**gates["for_you"], "challenger": None, "rules": []})
    assert "Gate: KEPT personal_frequency; there is no challenger" in text


def test_a_challenger_that_cannot_be_compared_does_not_replace_the_champion(gates):
    gate = {**gates["for_you"], "rules": []}
    assert verdict_in_words(gate, 10) == "personal_frequency; item_knn does not replace it"


def test_a_gate_that_was_not_decided_says_so(printed):
    assert "The gate was not decided." in printed(None)


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_wraps_and_never_cuts(gates, printed, width):
    text = printed(gates["for_you"], width)
    assert "…" not in text and "7,859" in text and max(map(len, text.splitlines())) <= width


def test_what_is_only_reported_is_not_judged(gates):
    assert [row["rule"] for row in judged(gates["discover"])] == ["is_logged", "ndcg_ceiling"]


def test_why_the_holder_won_is_told_in_lines_of_plain_text():
    explanation = {"winner": "ease", "sentences": ["It is above `popularity`.", "In the tail."]}

    assert why_in_words({"explanation": explanation}) == [
        "Why ease: It is above popularity.",
        "In the tail.",
    ]
    assert why_in_words({"explanation": None}) == why_in_words({}) == []
