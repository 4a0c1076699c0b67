from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.models.blend import Blend

PARTS = [
    {"recommender": "popularity", "weight": 2.0},
    {"recommender": "personal_frequency"},
]


def test_scores_are_weighted_sums_of_reciprocal_ranks(
    make_history: Callable[..., Interactions],
) -> None:
    # a is bought by three, b by two, c by one; u bought c alone
    history = make_history([("u", "c"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "b"), ("x", "a")])
    lists = Blend(parts=PARTS, rank_offset=10.0).fit(history).recommend(history, 3)
    # popularity ranks a, b, c; u's own frequency ranks c, a, b
    assert lists.items[0].tolist() == [0, 2, 1]
    np.testing.assert_allclose(
        lists.scores[0], [2 / 11 + 1 / 12, 2 / 13 + 1 / 11, 2 / 12 + 1 / 13], rtol=1e-6
    )


def test_excluded_items_take_no_rank(make_history: Callable[..., Interactions]) -> None:
    history = make_history([("u", "a"), ("v", "a"), ("v", "b"), ("w", "b"), ("w", "a")])
    blend = Blend(parts=[{"recommender": "popularity"}], rank_offset=0.0).fit(history)
    lists = blend.recommend(history, 2, exclude=Exclusion(items=np.array([True, False])))
    assert lists.items[0].tolist() == [1, -1]
    assert lists.scores[0, 0] == 1.0  # b is first where a may not be shown


@pytest.mark.parametrize(
    ("params", "name"),
    [({"rank_offset": -1.0}, "rank_offset"), ({"depth": 0}, "depth"),
     ({"parts": [{"recommender": "ease", "weight": 0.0}]}, "weight")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(
    params: dict, name: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must be"):
        Blend(**params).fit(random_history)
