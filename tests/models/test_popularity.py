from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.popularity import Popularity, keep_popular, sum_popularity

ROWS = [
    ("u", "a", "purchase", 20, 8),  # 8 events, two half-lives of 10 days old: 2
    ("u", "b", "purchase", 10, 2),  # 2 / 2
    ("v", "b", "purchase", 20, 8),  # 8 / 4, together 3
    ("v", "c", "view", 1, 9),
]


def test_all_events_count_alike_without_half_life(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(ROWS)
    lists = Popularity().fit(history).recommend(history, 3)
    assert lists.items.tolist() == [[1, 0, -1]] * 2  # b 10, a 8, c was only viewed
    np.testing.assert_array_equal(lists.scores[0], [10, 8, np.nan])


def test_old_events_count_less_with_half_life(make_history: Callable[..., Interactions]) -> None:
    history = make_history(ROWS)
    popularity = sum_popularity(history, {"purchase": 1.0}, 10.0)
    assert popularity.tolist() == [8 / 4, 2 / 2 + 8 / 4, 0]
    lists = Popularity(half_life_days=10.0).fit(history).recommend(history, 2)
    assert lists.scores[0].tolist() == [3, 2]


def test_returns_take_back_a_users_own_purchases_only(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(
        [("u", "a"), ("v", "a", "return", 1, 5), ("w", "a", "purchase", 2, 2), ("w", "a", "return")]
    )
    popularity = sum_popularity(history, {"purchase": 1.0, "return": -1.0}, None)
    assert popularity.tolist() == [1 + (2 - 1)]


def test_equal_popularity_is_ordered_by_item_id(make_history: Callable[..., Interactions]) -> None:
    history = make_history([("u", "b"), ("u", "a"), ("v", "c")])
    assert Popularity().fit(history).recommend(history, 3).items[0].tolist() == [0, 1, 2]


def test_most_popular_items_are_kept_and_the_rest_is_told(
    make_history: Callable[..., Interactions], caplog: pytest.LogCaptureFixture
) -> None:
    history = make_history(
        [(user, item) for user in "uvw" for item in "bd"] + [("u", "a"), ("v", "c")]
    )
    with caplog.at_level(logging.WARNING):
        kept = keep_popular(history, 3, {"purchase": 1.0}, None)
    assert kept.item_ids.tolist() == ["a", "b", "d"]  # a and c are equally popular
    assert "only the 3 most popular of 4 items" in caplog.text
    assert "12.50 %" in caplog.text  # one of eight purchases


def test_history_below_the_cap_is_returned_as_it_is(
    random_history: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    assert (
        keep_popular(random_history, random_history.n_items, {"purchase": 1.0}, None)
        is random_history
    )
    assert not caplog.records
