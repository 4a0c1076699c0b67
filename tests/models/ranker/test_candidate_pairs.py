from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.models.personal_frequency import PersonalFrequency
from pipelines.models.popularity import Popularity
from pipelines.models.ranker.candidate_pairs import gather_candidates


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    """Bought by three, two and one: a, b, c; u bought c alone."""
    return make_history([("u", "c"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "b"), ("x", "a")])


def test_union_of_lists_has_scores_and_ranks_of_every_part(history: Interactions) -> None:
    parts = [Popularity().fit(history), PersonalFrequency().fit(history)]
    found = gather_candidates(
        parts, history.select_users(slice(0, 1)), 1, Exclusion(), rank_offset=10.0
    )
    assert found.item.tolist() == [0, 2]  # the first of each part
    popular, own = found.features[:, :3], found.features[:, 3:]
    np.testing.assert_allclose(popular[0], [3.0, 1.0, 1.0])
    np.testing.assert_allclose(popular[1], [1.0, 1 / 3, np.nan])  # scored, past the depth
    assert own[1, 2] == 1.0
    np.testing.assert_allclose(found.fused, [1 / 11, 1 / 11])


def test_excluded_items_are_no_candidates(history: Interactions) -> None:
    rule = Exclusion(history.pairs(), np.array([True, False, False]))
    found = gather_candidates([Popularity().fit(history)], history, 3, rule)
    assert list(zip(found.user, found.item, strict=True)) == [
        (0, 1),
        (1, 2),
        (2, 2),
        (3, 1),
        (3, 2),
    ]
    assert found.features[0, 2] == 1.0  # b is first where a may not be shown
    assert found.features[0, 1] == np.float32(2 / 3)  # but its score is over that of a, the best


def test_part_of_another_vocabulary_is_read_by_item(
    history: Interactions, make_history: Callable[..., Interactions]
) -> None:
    part = Popularity().fit(make_history([("v", "b"), ("w", "b"), ("w", "c")]))
    found = gather_candidates([part], history.select_users(slice(0, 1)), 3, Exclusion())
    assert found.item.tolist() == [1, 2]
    assert found.features[:, 0].tolist() == [2.0, 1.0]
