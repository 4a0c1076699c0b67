from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models import ease
from pipelines.models.ease import Ease, solve_ease, solve_sparse_ease
from pipelines.models.kernels.signals import read_interest
from pipelines.models.kernels.threads import one_blas_thread


def slow_ease(interest: np.ndarray, regularization: float) -> np.ndarray:
    """B = I - P diag(1 / diag P) in float64."""
    dense = interest.astype(np.float64)
    inverse = np.linalg.inv(dense.T @ dense + regularization * np.eye(dense.shape[1]))
    return np.eye(dense.shape[1]) - inverse @ np.diag(1 / np.diag(inverse))


def test_two_items_by_hand() -> None:
    # G = [[2, 1], [1, 1]], λ = 1: P = [[2, -1], [-1, 3]] / 5, so B_ab = -P_ab / P_bb = 1 / 3
    weights = solve_ease(sparse.csr_array(np.array([[1, 1], [1, 0]], dtype=np.float32)), 1.0)
    np.testing.assert_allclose(weights, [[0, 1 / 3], [1 / 2, 0]], rtol=1e-6)


def test_weights_equal_the_float64_formula(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ease, "MIRROR_ROWS", 7)
    fitted = Ease(regularization=3.0, half_life_days=30.0).fit(random_history)
    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=30.0)
    expected = slow_ease(interest.toarray(), 3.0)
    np.testing.assert_allclose(fitted.weights_, expected, rtol=1e-3, atol=1e-5)
    assert (np.diag(fitted.weights_) == 0).all()


def test_weights_are_the_least_squares_solution_of_every_item(
    random_history: Interactions,
) -> None:
    dense = read_interest(random_history, {"purchase": 1.0}).toarray().astype(np.float64)
    fitted = Ease(regularization=2.0).fit(random_history)
    target, others = 4, np.arange(random_history.n_items) != 4
    ridge = dense[:, others].T @ dense[:, others] + 2.0 * np.eye(others.sum())
    solution = np.linalg.solve(ridge, dense[:, others].T @ dense[:, target])
    np.testing.assert_allclose(fitted.weights_[others, target], solution, rtol=1e-3, atol=1e-5)


def test_users_with_history_have_finite_scores(random_history: Interactions) -> None:
    fitted = Ease(regularization=3.0).fit(random_history)
    has_history = random_history.matrix({"purchase": 1.0}).sum(axis=1) > 0
    finite = np.isfinite(fitted.score(random_history))
    np.testing.assert_array_equal(finite.all(axis=1), has_history)
    np.testing.assert_array_equal(finite.any(axis=1), has_history)


def test_history_that_says_nothing_about_other_items_gets_no_list(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("v", "b"), ("v", "c")])  # a was never bought with another
    lists = Ease(regularization=1.0).fit(history).recommend(history, 3)
    assert (lists.items >= 0).sum(axis=1).tolist() == [0, 3]


def test_beyond_the_most_items_each_is_regressed_on_its_nearest(
    random_history: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        fitted = Ease(regularization=3.0, max_items=44, n_neighbors=6).fit(random_history)
    assert "of 45 items, more than `max_items` (44)" in caplog.text
    assert fitted.item_ids_.tolist() == random_history.item_ids.tolist()
    assert 1 < np.bincount(fitted.weights_.indices).max() <= 6
    lists = fitted.recommend(random_history, 45)
    scores = read_interest(random_history, {"purchase": 1.0}).toarray() @ fitted.weights_.toarray()
    assert ((lists.items >= 0).sum(axis=1) == (scores > 0).sum(axis=1)).all()


@pytest.mark.parametrize("shared", [0.0, 0.5])
def test_with_all_items_as_neighbours_weights_are_those_of_ease(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch, shared: float
) -> None:
    monkeypatch.setattr(ease, "SHARED", shared)
    interest = read_interest(random_history, {"purchase": 1.0})
    # all items that anybody took, each with every other
    interest = interest[:, np.flatnonzero(np.bincount(interest.indices) > 5)]
    interest = sparse.csr_array(np.vstack([interest.toarray(), np.ones((1, interest.shape[1]))]))
    interest = interest.astype(np.float32)
    found = solve_sparse_ease(interest, 3.0, interest.shape[1])
    np.testing.assert_allclose(found.toarray(), solve_ease(interest, 3.0), rtol=1e-3, atol=1e-5)


def test_weights_of_few_neighbours_are_the_least_squares_solution_on_them(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ease, "SHARED", 0.0)
    interest = read_interest(random_history, {"purchase": 1.0})
    found = solve_sparse_ease(interest, 2.0, 5).toarray()
    dense = interest.toarray().astype(np.float64)
    for target in range(0, random_history.n_items, 7):
        near = np.flatnonzero(found[:, target])
        ridge = dense[:, near].T @ dense[:, near] + 2.0 * np.eye(len(near))
        solution = np.linalg.solve(ridge, dense[:, near].T @ dense[:, target])
        np.testing.assert_allclose(found[near, target], solution, rtol=1e-3, atol=1e-5)


def test_no_warning_below_the_cap(
    random_history: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    Ease(max_items=random_history.n_items).fit(random_history)
    assert not caplog.records


def test_large_catalogues_are_factorized_on_one_thread(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Ease(regularization=3.0).fit(random_history).weights_
    limits = []
    monkeypatch.setattr(ease, "PARALLEL_ITEMS_MAX", random_history.n_items - 1)
    monkeypatch.setattr(ease, "one_blas_thread", lambda: limits.append(1) or one_blas_thread())
    weights = Ease(regularization=3.0).fit(random_history).weights_
    assert limits == [1]
    np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)


def test_regularization_too_small_for_float32_is_refused() -> None:
    twins = sparse.csr_array(np.ones((64, 2), dtype=np.float32))
    with pytest.raises(SettingsError, match="`regularization` must make the Gram matrix positive"):
        solve_ease(twins, 1e-12)
