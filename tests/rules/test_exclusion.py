from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.ask.why import explain_user
from pipelines.base.config import Settings, parse_settings
from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_catalogue
from pipelines.lists.similar_items import generate_similar
from pipelines.models.artefacts import load_recommender
from pipelines.registry.bundle import gather_placement
from pipelines.rules.exclusion import items_without_feed, placement_exclusion
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from tests.features.conftest import EVENTS, ITEMS, build_world, insert_events, insert_items
from tests.published_shop import CANDIDATES, publish_lists, refit

pytestmark = pytest.mark.xdist_group("exclusion")


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    return make_history(
        [("u", "a", "purchase", 40), ("u", "b", "view", 7), ("v", "c", "purchase", 8)]
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"exclude": "all"}, [[1, 1, 0], [0, 0, 1]]),
        ({"exclude": "all", "exclude_within_days": 7}, [[0, 1, 0], [0, 0, 0]]),
        ({"exclude": ["purchase"]}, [[1, 0, 0], [0, 0, 1]]),
        ({"exclude": ["purchase"], "exclude_within_days": 30}, [[0, 0, 0], [0, 0, 1]]),
    ],
)
def test_placement_excludes_what_its_settings_say(
    history: Interactions, settings: dict[str, Any], expected: list[list[int]]
) -> None:
    rule = placement_exclusion(PlacementSettings(**settings), history)
    assert rule.pairs.toarray().astype(int).tolist() == expected
    assert rule.items is None


def test_placement_with_repeats_excludes_no_pairs(history: Interactions) -> None:
    assert placement_exclusion(PlacementSettings(exclude="none"), history).pairs is None


def test_items_that_are_not_available_are_kept_from_everybody(history: Interactions) -> None:
    catalogue = pd.DataFrame(
        {
            "item_id": ["a", "b", "unknown"],
            "is_available": [False, None, False],
            "is_in_feed": False,
        }
    )
    rule = placement_exclusion(PlacementSettings(exclude="none"), history, catalogue)
    np.testing.assert_array_equal(rule.items, [True, False, False])  # c has no row, b no value


@pytest.mark.parametrize("kind", ["bool", "boolean", "object"])
def test_nothing_is_excluded_when_all_is_available(history: Interactions, kind: str) -> None:
    catalogue = pd.DataFrame(
        {
            "item_id": ["a", "b", "c"],
            "is_available": pd.Series([True, True, True], dtype=kind),
            "is_in_feed": True,
        }
    )
    rule = placement_exclusion(PlacementSettings(exclude="none"), history, catalogue)
    assert (rule.pairs, rule.items) == (None, None)


@pytest.mark.parametrize(
    ("show", "in_feed", "hidden"),
    [
        (None, [True, False], [False, True, True]),  # c has no row: it is in no feed either
        (False, [True, False], [False, True, True]),
        (True, [True, False], [False, False, False]),
        (None, [False, False], [False, False, False]),  # no feed at all: nothing to be left out of
        (False, [False, False], [True, True, True]),
    ],
)
def test_items_in_no_feed_are_shown_as_the_setting_says(
    history: Interactions, show: bool | None, in_feed: list[bool], hidden: list[bool]
) -> None:
    catalogue = pd.DataFrame({"item_id": ["a", "b"], "is_available": True, "is_in_feed": in_feed})
    found = items_without_feed(history.item_ids, catalogue, show)
    assert found.tolist() == hidden
    placement = PlacementSettings(exclude="none", show_items_without_feed=show)
    rule = placement_exclusion(placement, history, catalogue)
    assert rule.items is None if not any(hidden) else rule.items.tolist() == hidden


# a shop of which no items feed has the pot, from raw rows through dbt

FED = date(2024, 2, 12)


@pytest.fixture(scope="module")
def open_shop(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Settings]:
    """A published night of the features' small shop, by whether it has an items feed."""

    @lru_cache
    def make(*, has_feed: bool) -> Settings:
        placement = {
            "exclude": "none",
            "list_length": 3,
            "baselines": ["recent_popularity"],
            "pinned": [{"item_id": "pot", "rank": 1}],
        }
        settings = parse_settings(
            {
                "home": tmp_path_factory.mktemp("shop"),
                "experiments_folder": tmp_path_factory.mktemp("experiments"),
                "evaluation": {"horizon_days": 7},
                "events": {"weights": {"purchase": 1.0}},
                "audit": {"max_item_share": 1.0},
                "warehouse": {"memory_limit": "1GB", "threads": 1},
                "candidates": CANDIDATES,
                "placements": {
                    name: {**placement, "show_items_without_feed": show}
                    for name, show in (("unset", None), ("shows", True), ("hides", False))
                    if has_feed or show is not False  # without a feed, lists would be empty
                },
                "similar": {"candidate": "recent_popularity", "min_share": 0.0},
            }
        )
        insert_events(settings, EVENTS)
        if has_feed:
            insert_items(settings, ITEMS)
        build_world(settings, [FED])
        refit(settings, FED, dict.fromkeys(settings.placements, "recent_popularity"))
        publish_lists(settings, FED)
        return settings

    return make


@pytest.mark.parametrize(
    ("has_feed", "showing"), [(True, {"shows"}), (False, {"shows", "unset"})], ids=["feed", "none"]
)
def test_an_item_only_events_know_is_in_every_list_or_in_none(
    open_shop: Callable[..., Settings], has_feed: bool, showing: set[str]
) -> None:
    settings = open_shop(has_feed=has_feed)
    for placement in settings.placements:
        found = {
            **listed_by_file(settings, placement),
            "registered": listed_by_model(settings, placement),
            "api": listed_by_api(settings, placement),
        }
        assert {name for name, items in found.items() if "pot" in items} == (
            set(found) if placement in showing else set()
        )
        assert all(items for items in found.values())


@pytest.mark.parametrize("show", [None, True, False])
@pytest.mark.parametrize("has_feed", [True, False])
def test_similar_items_go_by_their_own_setting(
    open_shop: Callable[..., Settings], has_feed: bool, show: bool | None
) -> None:
    settings = open_shop(has_feed=has_feed)
    similar = settings.similar.model_copy(update={"show_items_without_feed": show})
    hidden = hidden_similar(settings.model_copy(update={"similar": similar}))
    is_shown = show if show is not None else not has_feed
    assert ("pot" in hidden) is not is_shown
    # without a feed, everything is in none
    assert hidden == (set() if is_shown else {"pot"} if has_feed else {"cup", "pot", "tea"})


def test_why_names_the_setting_that_keeps_an_item_or_says_it_is_in_no_feed(
    open_shop: Callable[..., Settings],
) -> None:
    found = explain_user(open_shop(has_feed=True), "cid", "pot")["placements"]
    words = "it is in no items feed, and items in no feed are "
    assert [one["in_words"] for one in found["hides"]["item"]["reasons"]] == [
        f"{words}not shown (show_items_without_feed = false)"
    ]
    assert [one["in_words"] for one in found["unset"]["item"]["reasons"]] == [
        f"{words}shown only where there is no feed (show_items_without_feed is not set)"
    ]
    assert found["shows"]["item"]["row"]["rank"] == 1
    assert found["shows"]["item"]["is_in_feed"] is False


def test_a_feed_counts_from_the_cutoff_that_knows_it(open_shop: Callable[..., Settings]) -> None:
    settings = open_shop(has_feed=True)
    known = {
        cutoff: read_catalogue(settings, FED, cutoff).set_index("item_id")["is_in_feed"].to_dict()
        for cutoff in settings.night(FED).cutoffs
    }
    assert known[FED] == {"cup": True, "jar": True, "pot": False, "tea": True}
    assert set(known[date(2024, 1, 29)]) == {"cup", "jar", "tea"}


def listed_by_file(settings: Settings, placement: str) -> dict[str, set[str]]:
    """Items of everybody's own lists, and of the lists for people not known."""
    folder = settings.run_folder(FED).lists / placement
    return {
        name: set(pd.read_parquet(folder / f"{name}.parquet")["item_id"])
        for name in ("control", "fallback")
    }


def listed_by_model(settings: Settings, placement: str) -> set[str]:
    saved = load_recommender(settings.run_folder(FED).role(placement, "champion"))
    served = gather_placement(settings, FED, placement, saved)
    return set(served.recommend(["ann", "stranger"], 3)["item_id"])


def listed_by_api(settings: Settings, placement: str) -> set[str]:
    """Items for somebody known, for a stranger, and for one who looked at the cup today."""
    runtime = Runtime(settings, ServeMetrics(), lambda: datetime(2024, 2, 12, 5, tzinfo=UTC))
    try:
        runtime.poll()
        asked = [Query("ann", 3, placement), Query("eve", 3, placement, recent=("cup",))]
        answers = [runtime.service.recommend(one) for one in [*asked, Query("dan", 3, placement)]]
        return {item["item_id"] for answer in answers for item in answer.items}
    finally:
        runtime.stop()


def hidden_similar(settings: Settings) -> set[str]:
    """Items with a history that are in no list of similar items."""
    generate_similar(settings, FED)
    shown = pd.read_parquet(settings.run_folder(FED).similar)["similar_item_id"]
    return {"tea", "cup", "pot"} - set(shown)
