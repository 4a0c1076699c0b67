from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pipelines.features import read_interactions
from pipelines.models.base import Exclusion
from pipelines.models.list_rules import make_list_rules
from pipelines.models.popularity import Popularity
from pipelines.recommend.fill import FilledLists
from pipelines.recommend.list_rows import ListWriter
from pipelines.recommend.ranked import pin_lists, rank_lists
from pipelines.settings_sections import PinSettings, PlacementSettings


@pytest.fixture
def ranked(shop, make_night):
    """History, writer and everybody's lists of three."""
    night: date = make_night()
    history = read_interactions(shop, night, night)
    popularity = Popularity().fit(history)
    rules = make_list_rules(PlacementSettings(list_length=3), history, None)
    writer = ListWriter("discover", "control", night, 3, "p-1", popularity, popularity, rules)
    return history, writer, rank_lists(writer, popularity, history, Exclusion())


def test_without_rules_lists_are_the_recommenders(ranked):
    history, writer, lists = ranked
    own = writer.recommender.recommend(history, 3)
    assert np.array_equal(lists.items, own.items) and np.array_equal(lists.scores, own.scores)


def test_a_pin_is_put_at_its_rank_and_knows_it(ranked):
    history, writer, lists = ranked
    pinned = PlacementSettings(list_length=3, pinned=(PinSettings(item_id="i07", rank=2),))
    writer = replace(writer, rules=make_list_rules(pinned, history, None))
    filled = FilledLists(
        lists.item_ids, lists.items, lists.scores.astype(float), np.full(len(lists.items), 3)
    )
    found = pin_lists(writer, filled, Exclusion())
    assert set(found.item_ids[found.items[:, 1]]) == {"i07"}
    assert (found.origin[:, 1] == -1).all()
    assert pin_lists(ranked[1], filled, Exclusion()) is filled
