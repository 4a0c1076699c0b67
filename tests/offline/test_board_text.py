from __future__ import annotations

import pandas as pd

from pipelines.offline.board_text import (
    LIST_HEADINGS,
    LIST_LEGEND,
    format_board,
    format_list_board,
    format_rule_board,
)


def test_a_leaderboard_has_a_line_per_candidate_and_marks_baselines() -> None:
    board = pd.DataFrame(
        {
            "candidate": ["ease", "popularity"],
            "ndcg_at_10": [0.3, 0.1],
            "low": [0.28, None],
            "high": [0.32, None],
            "recall_at_10": [0.2, 0.05],
            "coverage_at_10": [0.4, 0.01],
            "is_baseline": [False, True],
        }
    )

    lines = format_board(board).splitlines()

    assert lines[1].split() == ["ease", "0.3000", "0.2800", "to", "0.3200", "0.2000", "0.4000"]
    assert lines[2].startswith("  popularity *")
    assert " - to - " in lines[2]


def test_recall_of_a_first_stage_is_told_below_the_leaderboard() -> None:
    none = {"ndcg_at_5": 0.1, "low": None, "high": None, "recall_at_5": 0.1, "coverage_at_5": 0.1}
    recall = {"candidate_recall": 0.9, "candidate_recall_low": 0.8, "candidate_recall_high": None}
    ranker = {"candidate": "ranker", "is_baseline": False, **none, **recall}
    ease = {"candidate": "ease", "is_baseline": False, **none, **dict.fromkeys(recall)}

    lines = format_board(pd.DataFrame([ranker, ease])).splitlines()

    assert lines[3:] == ["  * baseline", "  ranker: candidate_recall 0.9000 (0.8000 to -)"]


def test_a_list_board_names_a_candidate_once_and_every_segment() -> None:
    values = {f"{metric}_at_5": [0.5, None] for metric in LIST_HEADINGS}
    board = pd.DataFrame(
        {
            "candidate": ["ease", "ease"],
            "segment": ["all", "new"],
            "user_count": [1200, 30],
            **values,
        }
    )

    lines = format_list_board(board).splitlines()

    assert lines[0].split()[2:] == list(LIST_HEADINGS.values())
    assert lines[1].split()[:3] == ["ease", "all", "1,200"]
    assert lines[2].split() == ["new", "30", *["-"] * len(LIST_HEADINGS)]
    assert lines[3].strip() == LIST_LEGEND


def test_a_rule_board_shows_both_sides_and_the_difference() -> None:
    board = pd.DataFrame(
        {
            "candidate": ["ease"],
            "rule": ["diversity"],
            "ndcg_with": [0.3],
            "ndcg_without": [0.31],
            "difference": [-0.01],
            "low": [-0.02],
            "high": [0.0],
            "coverage_with": [0.5],
            "coverage_without": [0.4],
            "user_count": [800],
        }
    )

    line = format_rule_board(board).splitlines()[1]

    assert line.split()[:4] == ["ease", "diversity", "0.3000", "0.3100"]
    assert "-0.0100 (-0.0200 to +0.0000)" in line


def test_a_placement_without_rules_says_so() -> None:
    assert "none is on" in format_rule_board(pd.DataFrame())
