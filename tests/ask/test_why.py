from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from pipelines.ask.why import explain_user
from pipelines.base.current import read_current
from pipelines.base.durable import read_json
from pipelines.base.errors import (
    PublicationNotFoundError,
    SettingsError,
    UnknownItemError,
    UnknownUserError,
)
from pipelines.features.read import read_interactions
from pipelines.models.artefacts import load_recommender

BOUGHT = ["i00", "i01", "i02"]  # by u00, one, two and three days before the night


@pytest.fixture
def explained(shop, one_night):
    """What is told of u00 in discover."""
    return explain_user(shop, "u00", placement="discover")["placements"]["discover"]


def free_list(settings, night, placement, user_id, k):
    """The saved recommender's own list, computed here."""
    history = read_interactions(settings, night, night)
    one = history.select_users(np.flatnonzero(history.user_ids == user_id))
    folder = settings.run_folder(night).role(placement, "champion")
    found = load_recommender(folder).recommend(one, k)
    return [found.item_ids[item] for item in found.items[0] if item >= 0]


def test_the_night_and_its_specification_are_named(shop, one_night):
    found = explain_user(shop, "u00")
    live = read_current(shop)
    assert found["publication"]["publication_id"] == one_night
    assert found["publication"]["as_of"] == one_night[:10]
    assert found["publication"]["generated_at"] == live.manifest["generated_at"]
    model = found["placements"]["discover"]["model"]
    assert model["candidate"] == "item_knn"
    assert model["recommender_class"] == "pipelines.models.item_knn.ItemKNN"
    assert model["event_weights"] == {"purchase": 1.0}
    role = read_json(shop.run_folder(live.as_of).role_file("discover", "champion"))
    assert {name: model[name] for name in ("spec_hash", "model_version", "run_id")} == {
        name: role[name] for name in ("spec_hash", "model_version", "run_id")
    }
    assert json.loads(json.dumps(found)) == found


def test_the_history_is_counted_by_type(shop, one_night):
    history = explain_user(shop, "u00")["history"]
    assert [row["item_id"] for row in history["last"]] == BOUGHT
    assert history["counts"] == [
        {
            "event_type": "purchase",
            "event_count": 3,
            "item_count": 3,
            "first_date": "2024-03-08",
            "last_date": "2024-03-10",
        }
    ]


def test_removed_items_are_those_of_a_direct_computation(shop, one_night, explained):
    free = free_list(shop, read_current(shop).as_of, "discover", "u00", 5)
    shown = [row["item_id"] for row in explained["list"]]
    wanted = [(item, rank) for rank, item in enumerate(free, 1) if item not in shown]
    found = [(item["item_id"], item["rank_without_rules"]) for item in explained["removed"]]
    assert found == wanted and set(BOUGHT) == {item for item, _ in wanted}
    for row in explained["list"]:
        if row["item_id"] in free:
            rank = free.index(row["item_id"]) + 1
            assert row["rank_without_rules"] == rank
            assert row["removed_above"] == sum(place < rank for _, place in wanted)


def test_nothing_is_removed_where_nothing_is_excluded(shop, one_night):
    found = explain_user(shop, "u00", placement="for_you")["placements"]["for_you"]
    assert found["removed"] == [] and found["kept_count"] == 0
    assert [row["rank_without_rules"] for row in found["list"]] == [1, 2, 3, 4, 5]


def test_an_excluded_item_names_its_event_and_day(shop, one_night):
    item = explain_user(shop, "u00", "i01")["placements"]["discover"]["item"]
    (reason,) = item["reasons"]
    assert item["row"] is None and reason["rule"] == "exclude"
    assert reason["in_words"].startswith(
        "kept from this user because of a purchase on 2024-03-09: everything in the history"
    )
    assert [(event["event_type"], event["event_date"]) for event in item["events"]] == [
        ("purchase", "2024-03-09")
    ]


def test_an_item_in_the_list_comes_with_its_row(shop, one_night, explained):
    row = explained["list"][1]
    item = explain_user(shop, "u00", row["item_id"])["placements"]["discover"]["item"]
    assert item["row"] == row and item["reasons"] == []
    assert [one["item_id"] for one in item["removed_above"]] == [
        one["item_id"]
        for one in explained["removed"]
        if one["rank_without_rules"] < row["rank_without_rules"]
    ]
    assert len(item["removed_above"]) == row["removed_above"] == 3


def test_a_pinned_row_says_where_it_would_have_been(publish_by_rules):
    settings = publish_by_rules(pinned=[{"item_id": "i09", "rank": 2}])
    found = explain_user(settings, "u00", "i09")["placements"]["for_you"]
    assert found["item"]["row"]["rank"] == 2
    assert found["item"]["row"]["strategy"] == "pinned"
    free = free_list(settings, read_current(settings).as_of, "for_you", "u00", 14)
    assert found["item"]["rank_without_rules"] == free.index("i09") + 1
    assert "item i09 is pinned to rank 2" in found["rules_in_words"]


def test_fallback_rows_say_what_the_recommender_could_not_learn_from(shop, one_night):
    found = explain_user(shop, "u11")["placements"]["discover"]
    assert found["source"] == "fallback"
    assert found["because"] == (
        "the list is that of recent_popularity: item_knn learns from purchase, and this user's "
        "history is 1 return"
    )
    assert {row["rank_without_rules"] for row in found["list"]} == {None}


def test_an_item_that_is_not_available_says_so(shop, one_night):
    item = explain_user(shop, "u00", "i13")["placements"]["discover"]["item"]
    assert item["is_available"] is False
    assert [reason["rule"] for reason in item["reasons"]] == ["is_available"]


def test_rules_are_those_of_the_night_and_not_of_the_settings_now(shop, one_night):
    placements = {
        name: rules.model_copy(update={"exclude": "none", "list_length": 3})
        for name, rules in shop.placements.items()
    }
    now = shop.model_copy(update={"placements": placements})
    assert explain_user(now, "u00") == explain_user(shop, "u00")


def test_without_its_run_folder_only_the_publication_is_told(shop, one_night):
    shutil.rmtree(shop.home / "runs")
    found = explain_user(shop, "u00", "i02")
    discover = found["placements"]["discover"]
    assert found["history"] == {"is_known": False, "counts": [], "last": []}
    assert discover["removed"] is None and "cleared away" in discover["unknown"]
    assert {row["rank_without_rules"] for row in discover["list"]} == {None}
    (reason,) = discover["item"]["reasons"]
    assert reason["rule"] == "exclude"
    assert reason["in_words"].endswith("the event is not known any more")
    assert discover["model"]["candidate"] == "item_knn" and discover["kept_count"] == 3
    placed = explain_user(shop, "u11", "i12", "for_you")["placements"]["for_you"]["item"]
    (reason,) = placed["reasons"]
    assert reason["rule"] == "not_known"
    assert reason["in_words"].startswith("its rank cannot be told: the run folder")


def test_someone_the_night_does_not_know_is_told_what_such_people_get(shop, one_night):
    with pytest.raises(UnknownUserError, match="nothing they did was known before 2024-03-11"):
        explain_user(shop, "nobody")


@pytest.mark.parametrize("user_id", ["' or 1=1 --", "../../etc/passwd", "", "u00\x00"])
def test_a_strange_id_is_only_an_unknown_user(shop, one_night, user_id):
    with pytest.raises(UnknownUserError):
        explain_user(shop, user_id)


def test_an_unknown_placement_is_refused(shop, one_night):
    with pytest.raises(SettingsError, match="Got 'basket'. Known: discover, for_you"):
        explain_user(shop, "u00", placement="basket")


def test_an_unknown_item_is_refused(shop, one_night):
    with pytest.raises(UnknownItemError, match="Found 'i98' in none"):
        explain_user(shop, "u00", "i98")


def test_before_the_first_night_there_is_nothing_to_explain(shop):
    with pytest.raises(PublicationNotFoundError, match="Run a night first"):
        explain_user(shop, "u00")
