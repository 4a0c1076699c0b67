from __future__ import annotations

import json
from datetime import timedelta

import pytest

from pipelines.base.config import stable_hash
from pipelines.base.errors import NoCandidateError
from pipelines.evaluate.inputs import competing_names
from pipelines.gate.plan import plan_candidates
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates

NAMES = ["popularity", "recent_popularity", "item_knn", "ease"]


def plan_of(settings, as_of):
    plan = json.loads(settings.run_folder(as_of).plan.read_text())
    return {entry["name"]: entry for entry in plan["candidates"]}


def test_plan_holds_the_settings_candidates_with_resolved_weights(shop, night):
    assert plan_candidates(shop, night) == NAMES
    ease = plan_of(shop, night)["ease"]
    spec = {key: ease[key] for key in ("recommender", "params", "event_weights")}
    assert spec == {
        "recommender": "ease",
        "params": {"regularization": 5.0},
        "event_weights": {"purchase": 1.0},
    }
    assert ease["spec_hash"] == stable_hash(spec)


def test_plan_opens_the_run_of_the_night(shop, night, client):
    plan_candidates(shop, night)
    run_id = json.loads(shop.run_folder(night).tracking.read_text())["parent_run_id"]
    assert client.get_run(run_id).data.tags["candidates"] == "4"


def test_plan_again_is_the_same_plan(shop, night):
    plan_candidates(shop, night)
    first = shop.run_folder(night).plan.read_bytes()
    plan_candidates(shop, night)
    assert shop.run_folder(night).plan.read_bytes() == first


def test_candidate_that_competes_nowhere_is_not_planned(change, night):
    placements = {"discover": {"candidates": ["item_knn"], "list_length": 5}}
    settings = change(placements=placements)
    assert competing_names(settings, "discover") == ("popularity", "recent_popularity", "item_knn")
    assert plan_candidates(settings, night) == ["popularity", "recent_popularity", "item_knn"]


def test_plan_without_candidates_is_refused(change, night):
    settings = change(placements={})
    with pytest.raises(NoCandidateError, match="At least one candidate must compete"):
        plan_candidates(settings, night)


@pytest.fixture
def next_night(shop, night, evaluate_all):
    """`ease` was promoted in both placements last night."""
    evaluate_all(shop)
    select_challengers(shop, night)
    decide_gates(shop, night)
    return night + timedelta(days=1)


def test_champion_among_the_settings_is_planned_once(shop, next_night):
    assert plan_candidates(shop, next_night) == NAMES


def test_champion_left_out_of_the_settings_keeps_its_name(shop, change, next_night):
    rest = [one.model_dump() for one in shop.candidates if one.name != "ease"]
    placements = {name: {"list_length": 5} for name in shop.placements}
    settings = change(candidates=rest, placements=placements)
    assert plan_candidates(settings, next_night) == [*NAMES[:3], "ease"]
    assert plan_of(settings, next_night)["ease"]["params"] == {"regularization": 5.0}


def test_champion_whose_name_means_something_else_now_is_renamed(shop, change, next_night):
    candidates = [one.model_dump() for one in shop.candidates]
    candidates[3]["params"] = {"regularization": 99.0}
    settings = change(candidates=candidates)
    assert plan_candidates(settings, next_night) == [*NAMES, "ease_champion"]
    plan = plan_of(settings, next_night)
    assert plan["ease"]["params"] == {"regularization": 99.0}
    assert plan["ease_champion"]["params"] == {"regularization": 5.0}


def test_champion_that_no_longer_competes_in_its_placement_is_planned_for_it(
    shop, change, next_night
):
    placements = {
        "discover": {"candidates": ["item_knn"], "list_length": 5},
        "for_you": {"list_length": 5},
    }
    assert plan_candidates(change(placements=placements), next_night) == [*NAMES, "ease_champion"]


def test_two_champions_of_one_name_get_two_names(shop, change, night, evaluate_all):
    evaluate_all(shop)
    select_challengers(shop, night)
    decide_gates(shop, night)
    candidates = [one.model_dump() for one in shop.candidates]
    candidates[3]["params"] = {"regularization": 7.0}
    only_for_you = change(
        candidates=candidates, placements={"for_you": shop.placements["for_you"].model_dump()}
    )
    second = night + timedelta(days=1)
    evaluate_all(only_for_you, second, ease_champion=0.3, ease=0.5)
    select_challengers(only_for_you, second)
    decide_gates(only_for_you, second)
    candidates[3]["params"] = {"regularization": 9.0}
    names = plan_candidates(change(candidates=candidates), second + timedelta(days=1))
    old, new = names[4:]
    assert old == "ease_champion"
    assert new.startswith("ease_champion_")


def test_champion_of_a_placement_that_is_gone_is_not_planned(change, shop, next_night):
    rest = [one.model_dump() for one in shop.candidates if one.name != "ease"]
    settings = change(candidates=rest, placements={"news": {"list_length": 5}})
    assert plan_candidates(settings, next_night) == NAMES[:3]
