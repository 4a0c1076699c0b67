from __future__ import annotations

from pipelines.features.interactions import Interactions
from tests.models.conftest import named_facts


def test_item_is_counted_over_spans(history_of_two: Interactions) -> None:
    found = named_facts(history_of_two, 1, 0)
    assert [found[f"item_purchase_count_{days}d"] for days in (3, 7, 14, 30, 60)] == [0, 1, 1, 4, 5]
    assert (found["item_user_count"], found["item_age_days"]) == (2, 40)
    assert found["item_days_since_last"] == 5
    assert found["item_repeat_share"] == 1 / 2


def test_price_is_that_of_the_attributes(history_of_two: Interactions) -> None:
    assert named_facts(history_of_two, 0, 0)["item_price"] == 1.0
