from __future__ import annotations

import io

import pytest
from rich.console import Console

from pipelines.recommend.query import query_user
from pipelines.recommend.report_customers import (
    history_block,
    print_lists,
    print_user,
    reasons_in_words,
    title_of,
)

LONG = "ANTIQUE TALL SWIRLGLASS TRINKET POT WITH LID"


@pytest.fixture
def text_of():
    """What is printed to a log of some columns."""

    def read(action, width=100):
        stream = io.StringIO()
        action(Console(file=stream, width=width, highlight=False))
        return stream.getvalue()

    return read


def bought(title, day="2011-12-08", kind="purchase"):
    return {"event_date": day, "event_type": kind, "title": title, "item_id": "i1"}


def listed(rank, title):
    why = {"strategy": "ease", "reason": "Goes with items you chose"}
    return {"rank": rank, "title": title, "item_id": "i1", **why}


@pytest.mark.parametrize("width", [30, 80, 100])
def test_a_long_title_is_wrapped_and_never_cut(text_of, width):
    customer = {
        "history": [bought(LONG)],
        "lists": {"discover": [listed(1, LONG)], "for_you": [listed(10, LONG)]},
    }
    text = text_of(lambda console: print_lists(console, customer), width)
    assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert all(text.count(word) == 3 for word in LONG.split())


def test_a_title_of_two_lines_moves_only_its_own_list(text_of):
    customer = {
        "history": [bought(LONG), bought("B")],
        "lists": {"d": [listed(1, "C"), listed(2, "D")]},
    }
    lines = text_of(lambda console: print_lists(console, customer), 60).splitlines()
    assert lines[3].split()[-2:] == ["2", "D"]


def test_history_says_the_kind_of_event_once_if_it_is_always_the_same():
    assert history_block([bought("A"), bought("B", "2011-12-07")]) == (
        "last purchases",
        [("12-08", "A"), ("12-07", "B")],
    )
    mixed = history_block([bought("A"), bought("B", kind="view")])
    assert mixed == ("did lately", [("12-08", "purchase A"), ("12-08", "view B")])


def test_nothing_to_show_is_said(text_of):
    customer = {"history": [], "lists": {"discover": []}}
    text = text_of(lambda console: print_lists(console, customer))
    assert "nothing before this night" in text and "nothing may be shown" in text


def test_each_reason_is_told_once():
    lists = {"discover": [listed(1, "A"), listed(2, "B")], "for_you": [listed(1, "C")]}
    assert reasons_in_words(lists) == (
        "discover: Goes with items you chose (ease); for_you: Goes with items you chose (ease)"
    )


def test_one_placement_is_shown_whole_with_scores_and_reasons(shop, one_night, text_of):
    found = query_user(shop, "u00", "for_you")
    text = text_of(lambda console: print_user(console, found))
    assert all(f"   {rank}  i" in text for rank in range(1, 6))
    assert "You choose this often" in text and "personal_frequency" in text


def test_several_placements_stand_side_by_side(shop, one_night, text_of):
    text = text_of(lambda console: print_user(console, query_user(shop, "u00")))
    assert "discover" in text and "for_you" in text and "--placement NAME" in text


def test_an_item_without_a_title_is_called_by_its_id():
    assert title_of({"title": None, "item_id": "i7"}) == "i7"
