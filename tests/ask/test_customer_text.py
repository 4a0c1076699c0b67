from __future__ import annotations

from pipelines.ask.customer_text import history_list, lists_blocks, title_of, user_document
from pipelines.ask.query import query_user
from tests.conftest import terminal_text


def bought(title, day="2011-12-08", kind="purchase"):
    return {"event_date": day, "event_type": kind, "title": title, "item_id": "i1"}


def listed(rank, title):
    why = {"strategy": "ease", "reason": "Goes with items you chose"}
    return {"rank": rank, "title": title, "item_id": "i1", **why}


def test_history_says_the_kind_of_event_once_if_it_is_always_the_same():
    assert history_list([bought("A"), bought("B", "2011-12-07")]) == (
        "last purchases",
        [("12-08", "A"), ("12-07", "B")],
    )
    mixed = history_list([bought("A"), bought("B", kind="view")])
    assert mixed == ("did lately", [("12-08", "purchase A"), ("12-08", "view B")])


def test_nothing_to_show_is_said():
    customer = {"history": [], "lists": {"discover": []}}
    text = terminal_text(lists_blocks(customer))
    assert "nothing before this night" in text and "nothing may be shown" in text


def test_each_reason_is_told_once():
    lists = {"discover": [listed(1, "A"), listed(2, "B")], "for_you": [listed(1, "C")]}
    assert terminal_text(lists_blocks({"history": [], "lists": lists})).endswith(
        "discover: Goes with items you chose (ease); for_you: Goes with items you chose (ease)\n"
    )


def test_one_placement_is_shown_whole_with_scores_and_reasons(shop, one_night):
    found = query_user(shop, "u00", "for_you")
    text = terminal_text(user_document(found))
    assert all(f"   {rank}  i" in text for rank in range(1, 6))
    assert "You choose this often" in text and "personal_frequency" in text


def test_several_placements_stand_side_by_side(shop, one_night):
    text = terminal_text(user_document(query_user(shop, "u00")))
    assert "discover" in text and "for_you" in text and "--placement NAME" in text


def test_an_item_without_a_title_is_called_by_its_id():
    assert title_of({"title": None, "item_id": "i7"}) == "i7"
