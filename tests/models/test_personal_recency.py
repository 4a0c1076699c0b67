from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.personal_recency import PersonalRecency, rank_meetings

WEIGHTS = {"purchase": 1.0, "return": -1.0}
ROWS = [
    ("u", "a", "purchase", 30, 3),
    ("u", "a", "purchase", 5, 1),  # met again: the last time counts
    ("u", "b", "purchase", 10, 1),
    ("u", "c", "purchase", 10, 1),  # the same time as b
    ("u", "d", "purchase", 3, 1),  # bought last, but returned
    ("u", "d", "return", 2, 1),
    ("v", "d", "purchase", 40, 6),
    ("v", "e", "view", 1, 1),
]


def test_meetings_are_numbered_by_last_time(make_history: Callable[..., Interactions]) -> None:
    meetings = rank_meetings(make_history(ROWS), WEIGHTS).toarray()
    assert meetings.tolist() == [[2, 1, 1, 0, 0], [0, 0, 0, 1, 0]]


def test_last_met_comes_first_and_popularity_breaks_ties_and_fills(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(ROWS)
    lists = PersonalRecency(event_weights=WEIGHTS).fit(history).recommend(history, 5)
    # one user each; scaled by 1 + 1
    assert lists.items[0].tolist() == [0, 1, 2, 3, -1]
    assert lists.scores[0, :4] == pytest.approx([2 + 1 / 2, 1 + 1 / 2, 1 + 1 / 2, 1 / 2])


def test_meetings_equal_a_loop_over_users(random_history: Interactions) -> None:
    history = random_history
    found = rank_meetings(history, WEIGHTS).toarray()
    met = history.matrix(WEIGHTS).toarray() > 0
    bought = history.event_type == history.event_types.index("purchase")
    for user in range(history.n_users):
        last = {}
        for row in np.flatnonzero(bought & (history.user == user)):
            item, at = history.item[row], history.last_event_at[row]
            last[item] = max(at, last.get(item, at))
        times = sorted(set(last.values()))
        expected = np.zeros(history.n_items)
        for item, at in last.items():
            expected[item] = (times.index(at) + 1) * met[user, item]
        np.testing.assert_array_equal(found[user], expected)


def test_no_event_types_are_no_meetings(make_history: Callable[..., Interactions]) -> None:
    assert rank_meetings(make_history([("u", "a", "view")]), WEIGHTS).nnz == 0
