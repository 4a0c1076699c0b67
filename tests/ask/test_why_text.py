from __future__ import annotations

import shutil

import pytest

from pipelines.ask.why import explain_user
from pipelines.ask.why_text import why_document
from tests.conftest import terminal_text


def text_of(found, width=100):
    return terminal_text(why_document(found), width)


def test_all_placements_are_told_with_what_wrote_them(shop, one_night):
    text = text_of(explain_user(shop, "u00"))
    assert one_night in text and "3 × purchase of 3 items, 2024-03-08 to 2024-03-10" in text
    assert "item_knn: ItemKNN(), event weights: purchase 1" in text
    assert "everything in the history is left out; lists have 5 items; 3 items are kept" in text
    assert "MLflow run not logged" in text and "--placement NAME" in text


def test_removed_items_are_told_by_their_event(shop, one_night):
    text = text_of(explain_user(shop, "u00", placement="discover"))
    assert "Of the 5 items that the recommender alone has first, the rules removed 3:" in text
    assert "Item number 1" in text and "purchase on 2024-03-09" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_nothing_is_wider_than_the_terminal(shop, one_night, width):
    lines = text_of(explain_user(shop, "u00"), width).splitlines()
    assert max(map(len, lines)) <= width


def test_an_item_is_told_alone(shop, one_night):
    text = text_of(explain_user(shop, "u00", "i01", "discover"))
    assert "i01 Item number 1 is not in the list; the recommender alone has it at rank" in text
    assert "- kept from this user because of a purchase on 2024-03-09" in text
    assert "last purchases" not in text and "reason" not in text


def test_an_item_of_the_list_is_told_with_its_row(shop, one_night):
    text = text_of(explain_user(shop, "u00", "i03", "discover"))
    assert "i03 Item number 3 is at rank 1 with score" in text
    assert "Better ranked by the recommender alone, and removed by the rules: 2" in text


def test_a_cleared_run_folder_is_said(shop, one_night):
    shutil.rmtree(shop.home / "runs")
    text = " ".join(text_of(explain_user(shop, "u00")).split())
    assert "The history is not known any more" in text
    assert text.count("what the rules removed: the run folder") == 2
