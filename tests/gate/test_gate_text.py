from __future__ import annotations

import pytest

from pipelines.gate.gate_text import (
    compared_with,
    differences,
    explain_gate,
    gate_blocks,
    judged,
    others_in_words,
    role_of,
    verdict_in_words,
)
from pipelines.show.figures import MINUS, TIE
from pipelines.show.markdown import to_markdown
from tests.conftest import terminal_text

FIELDS = ("opponent", "threshold", "value", "low", "high", "user_count", "users_needed")


def rule(name, passed, **values):
    row = {"rule": name, "subject": "all", **dict.fromkeys(FIELDS), "is_passed": passed}
    return {**row, "reason": f"{name} in words", **values}


@pytest.fixture
def gates():
    """A first night: item_knn is promoted in discover, and refused in for_you."""
    interval = {"value": 0.2, "low": 0.19, "high": 0.21, "user_count": 700}
    promoted = [
        rule("is_logged", True),
        rule("ndcg_ceiling", True, threshold=0.9, **interval),
        rule("compared_with_others", None, value=0.5),
    ]
    against = {"opponent": "personal_frequency", "threshold": 0.0, "users_needed": 7859}
    lost = {"value": -0.02, "low": -0.03, "high": -0.01, "user_count": 700}
    refused = [rule("beats_champion", False, **against, **lost)]
    item_knn = {"name": "item_knn"}
    verdict = {"challenger": item_knn, "champion": item_knn, "champion_before": None}
    discover = {**verdict, "is_promoted": True, "reason": "item_knn wins", "rules": promoted}
    for_you = {**verdict, "is_promoted": False, "reason": "it stays", "rules": refused}
    for_you["champion"] = {"name": "personal_frequency"}
    return {"discover": discover, "for_you": for_you}


def printed(gate, width=100):
    return terminal_text(gate_blocks(gate, 10, is_whole=False), width)


def other(name, value, low, high):
    """A difference that is reported and not judged."""
    figures = {"value": value, "low": low, "high": high, "users_needed": None, "user_count": 700}
    against = {"subject": name, "opponent": "personal_frequency", "is_passed": None}
    return {"rule": "reported_difference", **against, **figures}


def test_a_promotion_shows_its_figures_and_counts_the_rules_without(gates):
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


def test_a_refusal_says_by_how_much_and_how_many_users_were_needed(gates):
    text = printed(gates["for_you"])
    found = f"{MINUS}.0200 [{MINUS}.0300, {MINUS}.0100]"
    assert f"Gate: KEPT personal_frequency; item_knn against it: NDCG@10 {found}" in text
    assert text.count(found) == 2 and "low > 0" in text and text.count("FAILS") == 1
    assert "beats_champion: about 7,859 users would be needed to tell such a difference." in text


def test_a_rule_that_fails_without_a_figure_says_why_once(gates):
    failing = {"rule": "same_users", "is_passed": False, "value": None, "reason": "a is not b"}
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


def test_a_refusal_of_nobody_says_so(gates):
    text = printed({**gates["for_you"], "challenger": None, "rules": []})
    assert "Gate: KEPT personal_frequency; there is no challenger" in text


def test_a_challenger_that_cannot_be_compared_does_not_replace_the_champion(gates):
    gate = {**gates["for_you"], "rules": []}
    assert verdict_in_words(gate, 10) == "personal_frequency; item_knn does not replace it"


def test_a_gate_that_was_not_decided_says_so():
    assert "The gate was not decided." in printed(None)


@pytest.mark.parametrize("width", [50, 80])
def test_a_narrow_terminal_wraps_and_never_cuts(gates, width):
    text = printed(gates["for_you"], width)
    assert "…" not in text and "7,859" in text and max(map(len, text.splitlines())) <= width


def test_what_is_only_reported_is_not_judged(gates):
    assert [row["rule"] for row in judged(gates["discover"])] == ["is_logged", "ndcg_ceiling"]


def test_why_the_holder_won_is_told_in_lines(gates):
    explanation = {"winner": "ease", "sentences": ["It is above popularity.", "In the tail."]}
    told = explain_gate({**gates["discover"], "explanation": explanation})
    assert told == ["Why ease: It is above popularity.", "In the tail."]


def test_a_whole_gate_has_every_rule_and_its_sentence(gates):
    text = to_markdown(gate_blocks(gates["discover"], 10, is_whole=True))
    assert "| ndcg_ceiling |  | ≤ .9 | .2000 [.1900, .2100] | 700 | holds |" in text
    assert "| compared_with_others |  |  | .5000 | – | reported |" in text
    assert "* ndcg_ceiling: ndcg_ceiling in words\n" in text
    assert "**FAILS**" in to_markdown(gate_blocks(gates["for_you"], 10, is_whole=True))


def differences_gate():
    """`new_ease` takes the place of `old_ease`; one baseline is only reported."""
    against = {"opponent": "old_ease"}
    return {
        "is_promoted": True,
        "challenger": {"name": "new_ease"},
        "champion": {"name": "new_ease"},
        "champion_before": {"name": "old_ease"},
        "rules": [
            rule("champion_exists", True, **against),
            rule("beats_champion", True, value=0.05, low=0.04, high=0.06, **against),
            rule("reported_difference", None, subject="lost", **against),
            rule("reported_difference", None, subject="frequency", value=-0.05, **against),
        ],
    }


def test_without_a_gate_there_is_nobody_to_compare_with():
    assert compared_with(None) is None and differences(None) == {}


def test_a_difference_that_is_not_known_is_left_out():
    assert set(differences(differences_gate())) == {"new_ease", "frequency"}


def test_without_a_challenger_the_others_are_still_compared():
    gate = differences_gate()
    gate |= {"challenger": None, "rules": gate["rules"][2:]}
    assert compared_with(gate) == "old_ease" and set(differences(gate)) == {"frequency"}


def test_a_challenger_is_compared_at_the_level_of_the_others():
    gate = differences_gate()
    own = rule("reported_difference", None, subject="new_ease", value=0.05, low=0.045)
    gate["rules"].append(own)
    assert differences(gate)["new_ease"]["low"] == 0.045


def test_the_error_spent_is_told(gates):
    spent = {**rule("error_spent", None, value=0.0001), "reason": "tonight spends 0.01%"}
    gates["discover"]["rules"].append(spent)
    assert "Error: tonight spends 0.01%." in explain_gate(gates["discover"])


def test_roles_are_told_in_a_word():
    gate, names = differences_gate(), ("new_ease", "old_ease", "frequency")
    rows = [{"candidate": name, "is_baseline": name == "frequency"} for name in names]
    assert [role_of(row, gate) for row in rows] == ["champion", "was champion", "baseline"]
    kept = {**gate, "champion": {"name": "old_ease"}}
    assert [role_of(row, kept) for row in rows[:2]] == ["challenger", "champion"]
    assert [role_of(row, None) for row in rows] == ["", "", "baseline"]
    assert role_of(rows[1], {**gate, "champion_before": None}) == ""  # it stood in on a first night
