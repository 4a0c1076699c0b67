from __future__ import annotations

import numpy as np

from pipelines.features.interactions import Interactions
from tests.histories import named_facts


def test_user_is_counted_in_baskets(history_of_two: Interactions) -> None:
    found = named_facts(history_of_two, 1, 0)
    assert (found["user_active_days"], found["user_basket_size"]) == (1, 2)
    assert np.isnan(found["user_gap_days"])
    assert named_facts(history_of_two, 0, 0)["user_gap_days"] == 10


def test_last_basket_is_told_by_what_is_new_in_it_and_how_popular_it_is(
    history_of_two: Interactions,
) -> None:
    again, once = named_facts(history_of_two, 0, 0), named_facts(history_of_two, 1, 0)
    assert again["user_last_basket_new_share"] == 0.0  # a, known for twenty days
    assert once["user_last_basket_new_share"] == 1.0
    assert again["user_last_basket_popularity"] == 4.0  # purchases of a in 30 days
    assert once["user_mean_price"] == 2.0
