from __future__ import annotations

import pytest
from rich.console import Console

from pipelines.recommend.report_board import (
    board_table,
    compared_with,
    differences,
    print_board,
    role_of,
    roles_in_words,
)
from pipelines.recommend.report_tables import MINUS

FIELDS = ("opponent", "value", "low", "high")


def row(candidate, ndcg, is_baseline=False):
    figures = {"ndcg_at_10": ndcg, "low": ndcg - 0.01, "high": ndcg + 0.01}
    shares = {"recall_at_10": ndcg / 2, "coverage_at_10": 0.003, "user_count": 700}
    return {"candidate": candidate, "is_baseline": is_baseline, **figures, **shares}


def rule(name, subject="all", **values):
    return {"rule": name, "subject": subject, **dict.fromkeys(FIELDS), **values}


BOARD = [row("new_ease", 0.3), row("old_ease", 0.25), row("personal_frequency", 0.2, True)]


@pytest.fixture
def gate():
    """`new_ease` takes the place of `old_ease`; one baseline is only reported."""
    against = {"opponent": "old_ease"}
    return {
        "is_promoted": True,
        "challenger": {"name": "new_ease"},
        "champion": {"name": "new_ease"},
        "champion_before": {"name": "old_ease"},
        "rules": [
            rule("champion_exists", **against),
            rule("beats_champion", value=0.05, low=0.04, high=0.06, **against),
            rule("reported_difference", "lost", **against),
            rule(
                "reported_difference",
                "personal_frequency",
                value=-0.05,
                low=-0.06,
                high=-0.04,
                **against,
            ),
        ],
    }


def printed(capsys, gate, width):
    print_board(Console(width=width, highlight=False), BOARD, gate, 10, 0.95)
    return capsys.readouterr().out


def test_figures_are_paired_differences_to_whom_the_gate_compared_with(gate, capsys):
    text = printed(capsys, gate, 100)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "to old_ease" in text and "95%" in text
    assert ".3000  [.2900, .3100]  +.0500 [+.0400, +.0600]   .1500" in lines["new_ease"]
    assert f"{MINUS}.0500 [{MINUS}.0600, {MINUS}.0400]" in lines["personal_frequency"]
    assert lines["old_ease"].split()[-3:] == ["0.3%", "was", "champion"]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_figure_is_cut_at_any_width(gate, capsys, width):
    text = printed(capsys, gate, width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert text.count("+.0500") == text.count("+.0600") == 1


def test_roles_follow_in_words_where_the_table_has_no_room_for_them(gate, capsys):
    words = "champion: new_ease; was champion: old_ease; baseline: personal_frequency"
    assert words in printed(capsys, gate, 80) and words not in printed(capsys, gate, 100)
    assert roles_in_words(BOARD, gate) == words


def test_without_a_gate_there_is_nobody_to_compare_with(capsys):
    assert compared_with(None) is None and differences(None) == {}
    assert len(board_table(BOARD, None, 10, 0.95).columns) == 6
    assert "difference" not in printed(capsys, None, 100)


def test_a_difference_that_is_not_known_is_left_out(gate):
    assert set(differences(gate)) == {"new_ease", "personal_frequency"}


def test_without_a_challenger_the_others_are_still_compared(gate):
    gate |= {"challenger": None, "rules": gate["rules"][2:]}
    assert compared_with(gate) == "old_ease" and set(differences(gate)) == {"personal_frequency"}


def test_roles_are_told_in_a_word(gate):
    assert [role_of(entry, gate) for entry in BOARD] == ["champion", "was champion", "baseline"]
    kept = {**gate, "champion": {"name": "old_ease"}}
    assert [role_of(entry, kept) for entry in BOARD[:2]] == ["challenger", "champion"]
    assert [role_of(entry, None) for entry in BOARD] == ["", "", "baseline"]


def test_who_stood_in_on_a_first_night_was_not_champion(gate):
    assert role_of(BOARD[1], {**gate, "champion_before": None}) == ""
