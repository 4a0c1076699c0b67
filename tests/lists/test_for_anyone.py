from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from pipelines.base.settings_sections import PinSettings, PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.lists.for_anyone import list_for_anyone, lists_by_category
from pipelines.lists.list_rows import ListWriter
from pipelines.models.base import Exclusion
from pipelines.models.popularity import Popularity
from pipelines.rules.list_rules import make_list_rules

ITEMS = np.array(["a", "b", "c", "d", "e"])
#: Bought by so many; e by nobody.
BUYERS = [1, 4, 3, 2, 0]
CATALOGUE = pd.DataFrame(
    {"item_id": ITEMS, "category": ["Tea", "Tea|Gift", "Cup", None, "Cup"], "is_available": True}
)


@pytest.fixture
def history():
    user, item = np.nonzero(np.arange(4)[:, None] < np.array(BUYERS))
    rows = len(user)
    return Interactions(
        cutoff=date(2024, 3, 10),
        user_ids=np.array(["u0", "u1", "u2", "u3"]),
        item_ids=ITEMS,
        event_types=("purchase",),
        user=user.astype(np.int32),
        item=item.astype(np.int32),
        event_type=np.zeros(rows, dtype=np.int8),
        age_days=np.ones(rows, dtype=np.int32),
        event_count=np.ones(rows, dtype=np.float32),
        last_event_at=np.full(rows, np.datetime64("2024-03-09", "us")),
    )


def writer_of(history, pins=()):
    placement = PlacementSettings(list_length=2, pinned=pins)
    popularity = Popularity().fit(history)
    rules = make_list_rules(placement, history, CATALOGUE)
    return ListWriter(
        "discover", "control", history.cutoff, 2, "popularity-1", popularity, popularity, rules
    )


def shown(table):
    rows = table.to_pylist()
    return [(row["user_id"], row["rank"], row["item_id"]) for row in rows]


def test_anyone_is_shown_what_most_people_buy(history):
    table = list_for_anyone(writer_of(history), history, Exclusion())
    assert shown(table) == [("", 1, "b"), ("", 2, "c")]


def test_each_category_has_its_best_items_and_an_item_may_be_in_several(history):
    table = lists_by_category(writer_of(history), history, Exclusion(), CATALOGUE)
    assert shown(table) == [("Cup", 1, "c"), ("Gift", 1, "b"), ("Tea", 1, "b"), ("Tea", 2, "a")]


def test_what_is_not_available_is_in_no_list(history):
    sold_out = Exclusion(items=np.array([False, True, False, False, False]))
    writer = writer_of(history)
    assert shown(lists_by_category(writer, history, sold_out, CATALOGUE)) == [
        ("Cup", 1, "c"),
        ("Tea", 1, "a"),
    ]
    assert shown(list_for_anyone(writer, history, sold_out)) == [("", 1, "c"), ("", 2, "d")]


def test_pins_are_for_the_list_of_anyone_only(history):
    writer = writer_of(history, pins=[PinSettings(item_id="d", rank=1)])
    assert shown(list_for_anyone(writer, history, Exclusion()))[0] == ("", 1, "d")
    assert "d" not in [
        row[2] for row in shown(lists_by_category(writer, history, Exclusion(), CATALOGUE))
    ]


def test_a_catalogue_without_categories_has_no_such_lists(history):
    plain = CATALOGUE.assign(category=None)
    assert lists_by_category(writer_of(history), history, Exclusion(), plain).num_rows == 0
