from __future__ import annotations

import numpy as np
import pytest

from pipelines.features.read import read_interactions
from pipelines.models.artefacts import save_recommender
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.registry.bundle import (
    LIST_COLUMNS,
    gather_placement,
    load_placement,
    save_placement,
)


@pytest.fixture
def gather(shop, night):
    """`ease` as it stands in a placement."""

    def make(placement="discover"):
        spec = candidate_spec(shop, shop.candidate("ease"))
        recommender = fit_candidate(spec, read_interactions(shop, night, night))
        return gather_placement(shop, night, placement, recommender)

    return make


def test_known_users_get_the_recommenders_own_lists_without_what_they_have(gather):
    lists = gather().recommend(["u01", "u00"], 3)
    assert list(lists.columns) == LIST_COLUMNS
    assert lists["user_id"].drop_duplicates().tolist() == ["u01", "u00"]
    # u00 has met i0..i3, u01 has met i4..i7
    assert set(lists.loc[lists["user_id"] == "u00", "item_id"]) <= {"i4", "i5", "i6", "i7"}
    assert lists.groupby("user_id")["rank"].agg(list).tolist() == [[1, 2, 3], [1, 2, 3]]
    assert (lists["strategy"] != "").all()


def test_lists_are_those_of_the_recommender_itself(gather):
    bundle = gather("for_you")
    own = bundle.recommender.recommend(bundle.history.select_users(np.array([3])), 4)
    assert bundle.recommend(["u03"], 4)["item_id"].tolist() == own.item_ids[own.items[0]].tolist()


def test_unknown_user_gets_the_fallback_list_labelled_as_such(gather):
    bundle = gather("for_you")
    lists = bundle.recommend(["nobody", "u00"], 2)
    assert lists["user_id"].tolist() == ["nobody", "nobody", "u00", "u00"]
    assert lists["reason"].tolist()[:2] == ["fallback: for anyone not known on this night"] * 2
    assert lists["strategy"].tolist()[0] == bundle.fallback.strategy
    assert not lists["reason"][2:].str.startswith("fallback").any()


def test_repeated_user_is_answered_once(gather):
    assert len(gather("for_you").recommend(["u00", "u00"], 2)) == 2


def test_nobody_asked_is_an_empty_frame(gather):
    assert gather().recommend([], 2).empty


def test_item_that_is_gone_or_in_no_feed_is_shown_to_nobody(gather):
    bundle = gather("for_you")
    catalogue = bundle.catalogue.copy()
    catalogue.loc[catalogue["item_id"] == "i1", "is_in_feed"] = False
    catalogue.loc[catalogue["item_id"] == "i0", "is_available"] = False
    narrow = type(bundle)(**{**vars(bundle), "catalogue": catalogue})
    assert {"i0", "i1"} & set(bundle.recommend(["u00"], 8)["item_id"])
    assert not {"i0", "i1"} & set(narrow.recommend(["u00", "nobody"], 8)["item_id"])


def test_placement_comes_back_from_its_folder_with_the_same_lists(shop, night, gather, tmp_path):
    bundle = gather()
    save_recommender(
        bundle.recommender, candidate_spec(shop, shop.candidate("ease")), tmp_path / "fitted"
    )
    save_placement(shop, night, bundle, tmp_path / "fitted", tmp_path / "placement")
    again = load_placement(tmp_path / "placement")
    users = ["u05", "nobody", "u02"]
    assert again.recommend(users, 3).equals(bundle.recommend(users, 3))


def test_lists_follow_the_rules_of_the_placement(gather):
    plain = gather("for_you")
    pinned = plain.rules.model_validate(
        {**plain.rules.model_dump(), "pinned": [{"item_id": "i7", "rank": 2}]}
    )
    lists = type(plain)(**{**vars(plain), "rules": pinned}).recommend(["u00", "nobody"], 4)
    second = lists[lists["rank"] == 2]
    assert second["item_id"].tolist() == ["i7", "i7"]
    assert second["strategy"].tolist() == ["pinned", "pinned"]
    assert lists.groupby("user_id").size().tolist() == [4, 4]
