from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.personal_frequency import PersonalFrequency, scale_popularity

ROWS = [
    ("u", "a", "purchase", 30, 3),
    ("u", "b", "purchase", 10, 1),
    ("u", "c", "purchase", 20, 1),
    ("v", "c", "purchase", 10, 4),
    ("v", "d", "purchase", 10, 2),
]


def test_count_leads_and_popularity_breaks_ties_and_fills(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(ROWS)
    lists = PersonalFrequency().fit(history).recommend(history, 4)
    # users a 1, b 1, c 2, d 1; scaled by 1 + 2
    assert lists.item_ids[lists.items[0]].tolist() == ["a", "c", "b", "d"]
    expected = [3 + 1 / 3, 1 + 2 / 3, 1 + 1 / 3, 0 + 1 / 3]
    assert lists.scores[0] == pytest.approx(expected, rel=1e-6)


def test_half_life_lets_old_habits_fade(make_history: Callable[..., Interactions]) -> None:
    history = make_history(ROWS)
    lists = PersonalFrequency(half_life_days=10.0).fit(history).recommend(history, 4)
    # u: a 3 / 8 + 1 / 3, b 1 / 2 + 1 / 3, c 1 / 4 + 2 / 3, d 1 / 3
    assert lists.item_ids[lists.items[0]].tolist() == ["c", "b", "a", "d"]
    assert lists.scores[0] == pytest.approx([11 / 12, 5 / 6, 17 / 24, 1 / 3], rel=1e-6)


def test_items_nobody_bought_are_not_listed(make_history: Callable[..., Interactions]) -> None:
    history = make_history([*ROWS, ("u", "e", "view")])
    lists = PersonalFrequency().fit(history).recommend(history, 5)
    assert lists.items[:, 4].tolist() == [-1, -1]


def test_scaled_popularity_stays_below_one() -> None:
    assert scale_popularity(np.array([0.0, 3.0])).tolist() == [0, 3 / 4]
    assert scale_popularity(np.zeros(2)).tolist() == [0, 0]
