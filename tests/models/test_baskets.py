from __future__ import annotations

from collections.abc import Callable

from pipelines.features.interactions import Interactions
from pipelines.models.baskets import read_baskets


def test_one_basket_per_user_and_day_oldest_first(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(
        [
            ("u", "a", "purchase", 9),
            ("u", "b", "purchase", 9, 4),
            ("u", "a", "purchase", 2),
            ("v", "c", "purchase", 5),
        ]
    )
    baskets = read_baskets(history, {"purchase": 1.0})
    assert baskets.items.toarray().tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 1]]
    assert baskets.user.tolist() == [0, 0, 1]
    assert baskets.age_days.tolist() == [9, 2, 5]
    assert baskets.place.tolist() == [1, 0, 0]  # u's last basket is two days old


def test_events_without_positive_weight_are_in_no_basket(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a", "view"), ("u", "b", "return")])
    baskets = read_baskets(history, {"purchase": 1.0, "return": -1.0})
    assert baskets.items.shape == (0, 2)
