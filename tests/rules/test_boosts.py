from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pipelines.base.config import parse_settings
from pipelines.base.errors import SettingsError
from pipelines.base.settings_sections import BoostSettings, PlacementSettings
from pipelines.models.base import TopN
from pipelines.rules.boosted_lists import Boosts
from pipelines.rules.boosts import boosted_order, places_of_rows

ITEMS = np.array([f"i{n}" for n in range(8)])
CATALOGUE = pd.DataFrame(
    {
        "item_id": ITEMS[:-1],
        "price": np.arange(7.0),
        "attributes": ['{"country":"DE"}', '{"country":"FR"}'] * 3 + [None],
    }
)
USERS = pd.DataFrame(
    {
        "user_id": ["fr", "de", "none"],
        "country": ["FR", "DE", None],
        "consent": [True, False, True],
    }
)
OWN = {"when": "item.country = user.country", "places": 2}


def placed(*boosts, **settings):
    return PlacementSettings(boosts=boosts, **settings)


def shown(placement, *user_ids, depth=50, users=USERS):
    """Lists of all items in their order, after the boosts."""
    items = np.tile(np.arange(len(ITEMS)), (len(user_ids), 1))
    lists = TopN(np.array(user_ids), ITEMS, items, 10.0 - items)
    moved = Boosts(placement, ITEMS, CATALOGUE, users).move(lists, lists.items, depth)
    assert (np.diff(moved.scores, axis=1) <= 0).all()
    return ["".join(str(item) for item in row) for row in moved.items.tolist()]


def test_a_boosted_item_stands_exactly_so_many_places_higher_or_lower():
    assert shown(placed({"when": "item.price = 5", "places": 3}), "x") == ["01523467"]
    assert shown(placed({"when": "item.price = 1", "places": -3}), "x") == ["02341567"]
    assert shown(placed({"when": "item.price = 5", "places": 99}), "x") == ["50123467"]
    assert shown(placed({"when": "item.price = 1", "places": -99}), "x") == ["02345671"]


def test_boosts_add_up_and_what_is_unknown_moves_nothing():
    two = [{"when": "item.price >= 4", "places": 1}, {"when": "item.price = 6", "places": 2}]
    assert shown(placed(*two), "x") == ["01246357"]
    assert shown(placed({"when": "item.price > 100", "places": 2}), "x") == ["01234567"]


def test_a_boost_that_reads_the_user_moves_for_each_by_their_own_attributes():
    found = shown(placed(OWN, personalise_without_consent=True), "fr", "x", "de", "none")
    assert found[1] == found[3] == "01234567"
    assert found[0] == "10325467" and found[2] != found[0]


def test_attributes_of_a_user_without_consent_move_nothing():
    assert shown(placed(OWN), "fr", "de") == ["10325467", "01234567"]


def test_only_the_first_ranks_take_part():
    assert shown(placed({"when": "item.price = 5", "places": 9}), "x", depth=5) == ["01234567"]
    assert shown(placed({"when": "item.price = 4", "places": 9}), "x", depth=5) == ["40123567"]


def test_users_and_blocks_of_people_do_not_depend_on_each_other(monkeypatch):
    names = ["fr", "x", "de", "none", "fr"]
    whole = shown(placed(OWN, personalise_without_consent=True), *names)
    monkeypatch.setattr("pipelines.rules.boosted_lists.BLOCK_CELLS", len(ITEMS))
    assert shown(placed(OWN, personalise_without_consent=True), *names) == whole


PLACES = arrays.arrays(
    np.int64, st.tuples(st.integers(1, 3), st.integers(1, 7)), elements=st.integers(-9, 9)
)


@given(PLACES, st.integers(0, 7))
def test_boosted_lists_hold_the_same_items_and_end_where_they_ended(places, length):
    listed = np.tile(np.arange(places.shape[1]) < length, (len(places), 1))
    order = boosted_order(places, listed)
    assert (np.sort(order, axis=1) == np.arange(places.shape[1])).all()
    assert (np.take_along_axis(listed, order, axis=1) == listed).all()
    equal = boosted_order(np.full_like(places, 4), listed)
    assert (equal == np.arange(places.shape[1])).all()


def test_rows_of_an_answer_move_as_lists_of_a_night_do():
    boosts = [BoostSettings(**OWN), BoostSettings(when="item.price >= 5", places=-1)]
    items = [{"price": 6.0, "country": "FR"}, {"price": 1.0, "country": "DE"}, {}]
    assert places_of_rows(boosts, items, {"country": "FR"}).tolist() == [1, 0, 0]
    assert places_of_rows(boosts, items, {}).tolist() == [-1, 0, 0]


@pytest.mark.parametrize(
    ("boost", "match"),
    [
        ({"when": "item.price > 3", "places": 0}, "must move its items"),
        ({"when": "item.price >", "places": 1}, "an attribute or a value"),
        ({"when": "item.prize > 3", "places": 1}, "perhaps you mean item.price"),
        ({"when": "item.price > 'a'", "places": 1}, "values of one kind"),
        ({"when": "item.price > 3"}, "Field required"),
    ],
)
def test_a_boost_that_cannot_be_meant_is_refused(boost, match):
    with pytest.raises(SettingsError, match=match):
        parse_settings({"placements": {"discover": {"boosts": [boost]}}})
