from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.models.scores import DenseScores, FactorScores, Scores, SparseScores


@st.composite
def sparse_worlds(draw: st.DrawFn) -> tuple[SparseScores, sparse.csr_array, np.ndarray]:
    """Few scores of each user, perhaps rankings for the rest; excluded pairs and items."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(0, 8)), draw(st.integers(1, 30))
    own = rng.integers(0, 4, shape) * (rng.random(shape) < draw(st.sampled_from([0.0, 0.3, 1.0])))
    shared = ranking = None
    if draw(st.booleans()):
        shared = rng.integers(-2, 4, (2, shape[1])).astype(np.float32)
        shared[rng.random(shared.shape) < 0.2] = -np.inf
        ranking = rng.integers(-1, 2, shape[0])
    pairs = sparse.csr_array(rng.random(shape) < draw(st.sampled_from([0.0, 0.4, 1.0])))
    gone = rng.random(shape[1]) < draw(st.sampled_from([0.0, 0.4, 1.0]))
    return SparseScores(sparse.csr_array(own.astype(np.float32)), shared, ranking), pairs, gone


@given(sparse_worlds(), st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_sparse_scores_are_ranked_and_read_as_dense_ones(
    world: tuple[SparseScores, sparse.csr_array, np.ndarray], k: int
) -> None:
    scores, pairs, gone = world
    assert_alike(scores, DenseScores(scores.to_dense()))
    rules = {"exclude_pairs": pairs, "exclude_items": gone}
    for some in ({}, rules):
        found, expected = scores.top_n(k, **some), DenseScores(scores.to_dense()).top_n(k, **some)
        assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


def assert_alike(found: Scores, expected: DenseScores) -> None:
    """The best score of every user and that of every pair."""
    np.testing.assert_array_equal(found.best(), expected.best())
    user, item = np.nonzero(np.ones_like(expected.values))
    np.testing.assert_array_equal(found.read(user, item), expected.read(user, item))
    np.testing.assert_array_equal(
        found.read(user[::3], item[::3]), expected.values[user, item][::3]
    )


@pytest.mark.parametrize("unlisted", [None, np.array([True, False, False])])
def test_factor_scores_are_ranked_and_read_as_dense_ones(unlisted: np.ndarray | None) -> None:
    users = np.array([[1, 2], [0, 0], [-1, 3]], dtype=np.float32)  # the second says nothing
    items = np.array([[5, 1], [2, 2], [-3, 1]], dtype=np.float32)
    scores = FactorScores(users, items, unlisted)
    assert_alike(scores, DenseScores(scores.to_dense()))
    rules = {"exclude_items": np.array([False, True, False])}
    for some in ({}, rules):
        found, expected = scores.top_n(2, **some), DenseScores(scores.to_dense()).top_n(2, **some)
        assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


def test_stored_score_of_nothing_is_read() -> None:
    own = sparse.csr_array((np.zeros(1, np.float32), [1], [0, 1]), shape=(1, 2))
    assert SparseScores(own).read(np.array([0, 0]), np.array([0, 1])).tolist() == [-np.inf, 0.0]
