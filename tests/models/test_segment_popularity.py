from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.segment_popularity import SegmentPopularity


def test_each_segment_has_its_own_ranking(make_history: Callable[..., Interactions]) -> None:
    # u bought on one day, h on three days; m of everybody's events is shared by both
    history = make_history(
        [
            ("u", "a"),
            ("h", "b", "purchase", 1),
            ("h", "b", "purchase", 2),
            ("h", "c", "purchase", 3),
        ]
    )
    fitted = SegmentPopularity(heavy_user_days=3, shrinkage=4.0, user_cap=None).fit(history)
    # new: a has 1 of 1 event, and 1 of all 4; b and c have 2 and 1 of all 4
    np.testing.assert_allclose(
        fitted.scores_[0], [(1 + 4 * 1 / 4) / (1 + 4), (4 * 2 / 4) / 5, (4 * 1 / 4) / 5], rtol=1e-6
    )
    np.testing.assert_allclose(
        fitted.scores_[2], [(4 * 1 / 4) / 7, (2 + 4 * 2 / 4) / 7, (1 + 4 * 1 / 4) / 7], rtol=1e-6
    )
    lists = fitted.recommend(history, 1)
    assert lists.item_ids[lists.items[:, 0]].tolist() == ["b", "a"]  # users h and u


def test_a_user_counts_for_an_item_once(make_history: Callable[..., Interactions]) -> None:
    rows = [("u", "a"), ("v", "a"), ("h", "b", "purchase", 1, 100_000)]
    fitted = SegmentPopularity(shrinkage=1.0).fit(make_history(rows))
    # new: a 2 of 3, and 2 of all 3
    np.testing.assert_allclose(fitted.scores_[0], [(2 + 2 / 3) / 4, (1 + 1 / 3) / 4], rtol=1e-6)


def test_segment_without_events_has_the_ranking_of_everybody(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("v", "b")])
    fitted = SegmentPopularity(shrinkage=1.0).fit(history)
    np.testing.assert_allclose(fitted.scores_[1], [1 / 3, 2 / 3], rtol=1e-6)


def test_half_life_prefers_what_is_chosen_lately(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a", "purchase", 40, 2), ("v", "b", "purchase", 1)])
    lists = SegmentPopularity(half_life_days=7.0).fit(history).recommend(history, 1)
    assert lists.items[:, 0].tolist() == [1, 1]
