from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.base.errors import InvalidScoreError
from pipelines.models.kernels.shared_ranking import top_n_of_one_ranking
from pipelines.models.kernels.top_n import top_n_of_scores


@given(
    seed=st.integers(0, 2**32 - 1),
    n_users=st.integers(0, 6),
    n_items=st.integers(0, 40),
    k=st.integers(1, 50),
    shares=st.tuples(st.sampled_from([0.0, 0.2, 0.9, 1.0]), st.sampled_from([0.0, 0.3, 1.0])),
)
@settings(max_examples=150, deadline=None)
def test_one_ranking_equals_ranking_every_user(
    seed: int, n_users: int, n_items: int, k: int, shares: tuple[float, float]
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-3, 4, n_items).astype(np.float32)
    scores[rng.random(n_items) < 0.2] = -np.inf
    rules = {
        "exclude_pairs": sparse.csr_array(rng.random((n_users, n_items)) < shares[0]),
        "exclude_items": rng.random(n_items) < shares[1],
    }

    items, values = top_n_of_one_ranking(scores, n_users, k, **rules)

    expected = top_n_of_scores(np.tile(scores, (n_users, 1)), k, **rules)
    np.testing.assert_array_equal(items, expected[0])
    np.testing.assert_array_equal(values, expected[1])
    assert (items.dtype, values.dtype) == (np.int32, np.float32)


def test_excluded_items_make_room_for_the_next() -> None:
    scores = np.array([5, 9, 7, 7, -np.inf], dtype=np.float32)
    pairs = sparse.csr_array(np.array([[0, 0, 0, 0, 0], [0, 1, 0, 1, 0], [1, 1, 1, 1, 1]]))

    items, _ = top_n_of_one_ranking(scores, 3, 3, exclude_pairs=pairs)

    assert items.tolist() == [[1, 2, 3], [2, 0, -1], [-1, -1, -1]]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_cannot_be_ranked_are_refused(bad: float) -> None:
    with pytest.raises(InvalidScoreError, match=r"Found NaN or \+inf"):
        top_n_of_one_ranking(np.array([1.0, bad], dtype=np.float32), 1, 1)
