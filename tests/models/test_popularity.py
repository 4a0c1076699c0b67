from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.candidates import Spec, make_recommender
from pipelines.models.popularity import Popularity, keep_popular, sum_popularity
from pipelines.models.segment_popularity import SegmentPopularity

ROWS = [
    ("u", "a", "purchase", 20, 8),  # 8 events, two half-lives of 10 days old: 2
    ("u", "b", "purchase", 10, 2),  # 2 / 2
    ("v", "b", "purchase", 20, 8),  # 8 / 4, together 3
    ("v", "c", "view", 1, 9),
]


def test_users_are_counted_and_not_how_often_one_repeats(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(ROWS)
    lists = Popularity().fit(history).recommend(history, 3)
    assert lists.items.tolist() == [[1, 0, -1]] * 2  # b of two users, a of one, c was only viewed
    np.testing.assert_array_equal(lists.scores[0], [2, 1, np.nan])


@pytest.mark.parametrize(
    ("user_cap", "popularity"), [(None, [8, 10, 0]), (5.0, [5, 2 + 5, 0]), (0.5, [0.5, 1, 0])]
)
def test_a_cap_limits_what_one_user_adds_to_an_item(
    make_history: Callable[..., Interactions], user_cap: float | None, popularity: list[float]
) -> None:
    found = sum_popularity(make_history(ROWS), {"purchase": 1.0}, None, user_cap)
    assert found.tolist() == popularity


def test_the_cap_is_one_event_of_the_greatest_weight(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([*ROWS, ("u", "c", "purchase", 1, 9)])
    popularity = sum_popularity(history, {"purchase": 5.0, "view": 1.0}, None)
    assert popularity.tolist() == [5, 10, 5 + 5]  # nine views are at most a purchase


def test_old_events_count_less_with_half_life(make_history: Callable[..., Interactions]) -> None:
    history = make_history(ROWS)
    popularity = sum_popularity(history, {"purchase": 1.0}, 10.0, user_cap=None)
    assert popularity.tolist() == [8 / 4, 2 / 2 + 8 / 4, 0]
    old = make_history([("u", "a", "purchase", 20), ("v", "b", "purchase", 10)])
    lists = Popularity(half_life_days=10.0).fit(old).recommend(old, 2)
    assert lists.items[0].tolist() == [1, 0]
    assert lists.scores[0].tolist() == [1 / 2, 1 / 4]


@pytest.mark.parametrize(
    "name",
    [
        *("popularity", "personal_frequency", "personal_recency", "item_knn", "ease", "pure_svd"),
        *("segment_popularity", "item_content", "item_transitions", "user_knn", "rp3beta", "ials"),
    ],
)
def test_one_user_with_100_000_purchases_moves_nobody_elses_list(
    make_history: Callable[..., Interactions], name: str
) -> None:
    rng = np.random.default_rng(3)
    rows = {("bulk", item): ("purchase", 9, 1) for item in ("i03", "i08", "i20")}
    for user in range(143):
        for _ in range(rng.integers(3, 9)):
            item = f"i{min(int(rng.pareto(0.9) * 6), 59):02}"
            rows[f"u{user:03}", item] = ("purchase", int(rng.integers(1, 60)), 1)
    first = []
    for count in (1, 100_000):
        rows["bulk", "i57"] = ("purchase", 5, count)
        history = make_history([(*pair, *row) for pair, row in rows.items()])
        params = {"horizon_days": 7, "step_days": 7} if name == "item_transitions" else {}
        fitted = make_recommender(Spec(name, name, params, {"purchase": 1.0})).fit(history)
        others = history.select_users(np.flatnonzero(history.user_ids != "bulk"))
        first.append(fitted.recommend(others, 3).items.tolist())
    assert first[0] == first[1]


@pytest.mark.parametrize("recommender", [Popularity, SegmentPopularity])
def test_a_cap_that_is_no_number_above_zero_is_refused(
    checkerboard: Any, recommender: type[Popularity]
) -> None:
    with pytest.raises(SettingsError, match="`user_cap` must be a finite number above 0"):
        recommender(user_cap=0.0).fit(checkerboard.history)


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
