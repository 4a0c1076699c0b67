from __future__ import annotations

from collections.abc import Callable

from pipelines.features.interactions import Interactions
from pipelines.models.ranker.features import read_item_facts
from pipelines.models.ranker.items import ITEM_FEATURES
from tests.histories import named_facts


def test_item_is_counted_over_spans(history_of_two: Interactions) -> None:
    found = named_facts(history_of_two, 1, 0)
    assert [found[f"item_purchase_count_{days}d"] for days in (3, 7, 14, 30, 60)] == [0, 1, 1, 4, 5]
    assert (found["item_user_count"], found["item_age_days"]) == (2, 40)
    assert found["item_days_since_last"] == 5
    assert found["item_repeat_share"] == 1 / 2


def test_two_kinds_of_choice_on_one_day_are_no_repeat(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", "a", "purchase", 3), ("u", "a", "view", 3), ("v", "a", "view", 9)]
    for again, share in (([], 0.0), ([("v", "a", "purchase", 2)], 1 / 2)):
        facts = read_item_facts(make_history([*rows, *again]), {"purchase": 5.0, "view": 1.0})
        assert facts[0, ITEM_FEATURES.index("item_repeat_share")] == share


def test_price_is_that_of_the_attributes(history_of_two: Interactions) -> None:
    assert named_facts(history_of_two, 0, 0)["item_price"] == 1.0
