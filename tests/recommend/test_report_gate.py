from __future__ import annotations

import pytest
from rich.console import Console

from pipelines.recommend.report import build_report
from pipelines.recommend.report_gate import judged, print_gate, role_of


@pytest.fixture
def gates(shop, report_home):
    placements = build_report(shop, report_home)["placements"]
    return {name: placement["gate"] for name, placement in placements.items()}


def printed(capsys, gate):
    print_gate(Console(width=100, highlight=False), gate)
    return capsys.readouterr().out


def test_a_promotion_shows_its_figures_and_names_the_rules_without(gates, capsys):
    text = printed(capsys, gates["discover"])
    assert "PROMOTED item_knn wins" in text
    assert "≤ 0.9" in text and ".2000 [.1900, .2100]" in text
    assert "also hold: is_logged" in text


def test_a_refusal_says_each_reason_once_and_how_many_users_were_needed(gates, capsys):
    gate = gates["for_you"]
    gate["rules"].append({**gate["rules"][0], "rule": "beats_baseline"})
    text = printed(capsys, gate)
    assert text.count("beats_champion in words") == 1
    assert "> 0" in text and "7,859" in text and text.count("FAILS") == 2


def test_a_refusal_of_nobody_says_so(gates, capsys):
    text = printed(capsys, {**gates["for_you"], "challenger": None})
    assert "nobody does not replace it" not in text and "no challenger" in text


def test_what_is_only_reported_is_not_judged(gates):
    assert [row["rule"] for row in judged(gates["discover"])] == ["is_logged", "ndcg_ceiling"]


def test_roles_are_told_in_a_word(gates):
    row = {"candidate": "item_knn", "is_baseline": False}
    assert role_of(row, gates["discover"]) == "champion"
    assert role_of(row, gates["for_you"]) == "challenger"
    assert role_of({"candidate": "other", "is_baseline": True}, None) == "baseline"
    assert role_of({"candidate": "other", "is_baseline": False}, None) == ""
