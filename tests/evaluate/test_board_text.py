from __future__ import annotations

import pytest

from pipelines.evaluate.board_text import (
    LIST_HEADINGS,
    LIST_LEGEND,
    RULE_LEGEND,
    board_table,
    first_stage_notes,
    list_table,
    price_table,
)
from pipelines.show.figures import MINUS, MISSING
from pipelines.show.markdown import to_markdown
from tests.conftest import terminal_text

NAN = float("nan")


def row(candidate, ndcg, is_baseline=False, **other):
    figures = {"ndcg_at_10": ndcg, "low": ndcg - 0.01, "high": ndcg + 0.01}
    shares = {"recall_at_10": ndcg / 2, "coverage_at_10": 0.003, "user_count": 700}
    return {"candidate": candidate, "is_baseline": is_baseline, **figures, **shares, **other}


BOARD = [row("new_ease", 0.3), row("old_ease", 0.25), row("personal_frequency", 0.2, True)]
ROLES = {"new_ease": "champion", "old_ease": "was champion", "personal_frequency": "baseline"}
DIFFERENCES = {
    "new_ease": "+.0500 [+.0400, +.0600]",
    "personal_frequency": f"{MINUS}.0500 [{MINUS}.0600, {MINUS}.0400]",
}


def printed(width, **given):
    return terminal_text([board_table(BOARD, 10, 0.95, **given)], width)


def compared(width):
    return printed(width, roles=ROLES, opponent="old_ease", differences=DIFFERENCES)


def test_a_leaderboard_has_a_line_per_candidate_and_names_baselines():
    lines = printed(100).splitlines()
    assert lines[3].split() == ["new_ease", ".3000", "[.2900,", ".3100]", ".1500", "0.3%"]
    assert lines[5].split()[-1] == "baseline"


def test_an_interval_that_is_not_known_is_left_out():
    table = board_table([row("ease", 0.3, low=NAN, high=None)], 10, 0.95)
    assert "| ease | .3000 |  | .1500 | 0.3% |  |" in to_markdown([table])


def test_differences_and_roles_stand_beside_the_figures():
    text = compared(100)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "to old_ease" in text and "95%" in text
    assert ".3000  [.2900, .3100]  +.0500 [+.0400, +.0600]   .1500" in lines["new_ease"]
    assert f"{MINUS}.0500 [{MINUS}.0600, {MINUS}.0400]" in lines["personal_frequency"]
    assert lines["old_ease"].split()[-3:] == ["0.3%", "was", "champion"]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 200])
def test_no_figure_is_cut_at_any_width(width):
    text = compared(width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert text.count("+.0500") == text.count("+.0600") == 1


def test_roles_follow_in_words_where_the_table_has_no_room_for_them():
    words = "champion: new_ease; was champion: old_ease; baseline: personal_frequency"
    assert words in compared(80) and words not in compared(100)


def test_recall_of_a_first_stage_is_told_of_who_has_one():
    recall = {"candidate_recall": 0.9, "candidate_recall_low": 0.8, "candidate_recall_high": NAN}
    rows = [row("ranker", 0.3, **recall), row("ease", 0.2, **dict.fromkeys(recall, NAN))]
    assert [note.replace("\xa0", " ") for note in first_stage_notes(rows)] == [
        "ranker: of what users chose, .9000 is among its candidates"
    ]


def test_a_list_board_names_a_candidate_once_and_every_segment():
    rows = [
        {
            **{"candidate": "ease", "segment": segment, "user_count": count},
            **{f"{metric}_at_5": value for metric in LIST_HEADINGS},
        }
        for segment, count, value in (("all", 1200, 0.5), ("new", 30, NAN))
    ]

    lines = terminal_text([list_table(rows, 5)]).splitlines()

    assert lines[0].split()[3:] == list(LIST_HEADINGS.values())
    assert lines[2].split()[:4] == ["ease", "all", "1,200", ".5000"]
    assert lines[3].split() == ["new", "30", *[MISSING] * len(LIST_HEADINGS)]
    assert " ".join(lines[4:]) == LIST_LEGEND


PRICE = {
    "candidate": "personal_frequency",
    "rule": "diversity",
    "ndcg_with": 0.19,
    "ndcg_without": 0.2,
    "difference": -0.01,
    "low": -0.015,
    "high": -0.005,
    "coverage_with": 0.3,
    "coverage_without": 0.25,
}


@pytest.mark.parametrize("width", [80, 100])
def test_a_rule_board_shows_both_sides_and_the_difference(width):
    text = terminal_text([price_table([PRICE], 10)], width)
    assert max(map(len, text.splitlines())) <= width
    assert "−.0100 [−.0150, −.0050]" in text and RULE_LEGEND in " ".join(text.split())
    difference = "−.0100 [−.0150, −.0050]"
    line = f"| diversity, personal_frequency | .1900 | .2000 | {difference} | 30% | 25% |"
    assert line in to_markdown([price_table([PRICE], 10)])
