from __future__ import annotations

import pandas as pd

from pipelines.ask.why import explain_user
from pipelines.ask.why_items import exclusion_in_words, rules_in_words
from pipelines.ask.why_ranking import rank_again
from pipelines.base.config import parse_settings
from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.snapshot import attributes_file
from tests.ask.test_why_night import opened
from tests.published_shop import publish_lists


def reasons(settings, user_id, item_id, placement):
    found = explain_user(settings, user_id, item_id, placement)["placements"][placement]["item"]
    assert found["row"] is None
    return found["reasons"]


def test_an_item_beyond_the_list_says_the_rank_it_would_have(shop, one_night):
    with opened(shop) as night:
        ranks = rank_again(night, "for_you", "u00").by_rules
    (item_id,) = [item for item, rank in ranks.items() if rank == 8]
    (reason,) = reasons(shop, "u00", item_id, "for_you")
    assert (reason["rule"], reason["rank"]) == ("below_the_end", 8)
    assert reason["in_words"] == ("below the end of the list: it would have rank 8, the list has 5")


def test_an_item_that_a_pin_pushed_out_says_so(publish_by_rules):
    settings = publish_by_rules(pinned=[{"item_id": "i09", "rank": 2}])
    for_you = explain_user(settings, "u00", placement="for_you")["placements"]["for_you"]
    (pushed,) = for_you["removed"]
    (reason,) = pushed["reasons"]
    assert (pushed["rank_without_rules"], reason["rule"], reason["rank"]) == (5, "pinned", 6)
    assert reason["in_words"] == "moved from rank 5 to 6, below the end at 5, by pinned"


def test_an_excluded_item_is_told_by_its_last_event(shop, publish_night, bought_rows):
    publish_night(events=[*bought_rows, ("u00", "i01", "view", 1), ("u00", "i01", "purchase", 9)])
    (reason,) = reasons(shop, "u00", "i01", "discover")
    assert [(one["event_type"], one["age_days"]) for one in reason["events"]] == [
        ("view", 1),
        ("purchase", 2),
        ("purchase", 9),
    ]
    assert reason["in_words"] == (
        "kept from this user because of a view on 2024-03-09 (and on 2 more rows of the history): "
        "everything in the history is left out"
    )


def test_rules_that_are_off_are_not_told():
    assert rules_in_words(PlacementSettings(exclude="none", list_length=10)) == [
        "nothing is left out: repeats are wanted",
        "lists have 10 items",
    ]
    every = PlacementSettings(
        max_per_category=2,
        diversity=0.3,
        rerank_depth=5,
        pinned=[{"item_id": "a", "rank": 1}],
    )
    assert rules_in_words(every)[2:] == [
        "at most 2 items of a category in the first 5 ranks",
        "unlikeness weighs 0.3 against relevance in the first 5 ranks",
        "item a is pinned to rank 1",
    ]


def test_one_event_type_is_told_by_name():
    rules = PlacementSettings(exclude=("purchase",), exclude_within_days=7)
    assert exclusion_in_words(rules) == "items with a purchase of the last 7 days are left out"


def test_a_condition_that_does_not_hold_is_told_with_what_it_read(shop, make_night):
    night, values = make_night(), shop.model_dump(mode="json")
    values["placements"]["for_you"]["eligible"] = ["item.item_id != 'i01' or user.age >= 18"]
    settings = parse_settings(values)
    users = pd.DataFrame(
        {
            "user_id": [f"u{n:02}" for n in range(12)],
            "age": [12.0, *[40.0] * 11],
            "consent": [True, None, *[True] * 10],
        }
    )
    users = users.reindex(
        columns=["user_id", "country", "language", "age", "consent", "attributes"]
    )
    users.to_parquet(settings.run_folder(night).snapshot / attributes_file(night))
    publish_lists(settings, night)
    (reason,) = reasons(settings, "u00", "i01", "for_you")
    assert reason["rule"] == "eligible"
    assert reason["in_words"].endswith("item.item_id is i01, user.age is 12")
    told = explain_user(settings, "u01")["placements"]["for_you"]
    assert told["source"] == "fallback"
    assert "no consent of this user to lists from a history is known" in told["because"]
    assert "a list is made from a history only with consent" in told["rules_in_words"]
