from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models import ials as ials_module
from pipelines.models.ials import IALS, solve_rows

SOLVER = {"unobserved_weight": 0.3, "regularization": 0.05, "frequency_exponent": 0.7}


@pytest.fixture
def weights() -> sparse.csr_array:
    """30 rows of 0 to 29 entries over 50 columns."""
    rng = np.random.default_rng(3)
    dense = np.zeros((30, 50), dtype=np.float32)
    for row in range(30):
        dense[row, rng.choice(50, row, replace=False)] = rng.uniform(0.2, 1.0, row)
    return sparse.csr_array(dense)


@pytest.fixture
def factors() -> np.ndarray:
    return np.random.default_rng(4).normal(size=(50, 6)).astype(np.float32)


def solve_one_by_one(weights: sparse.csr_array, factors: np.ndarray) -> np.ndarray:
    """The normal equations of each row, written as they stand in the paper."""
    n_columns, n_factors = factors.shape
    solved = np.zeros((weights.shape[0], n_factors))
    for row, cells in enumerate(weights.toarray().astype(np.float64)):
        met = np.flatnonzero(cells)
        ridge = 0.05 * (len(met) + 0.3 * n_columns) ** 0.7
        left = 0.3 * factors.T @ factors + ridge * np.eye(n_factors)
        for column in met:
            left = left + cells[column] * np.outer(factors[column], factors[column])
        solved[row] = np.linalg.solve(left, factors.T @ cells)
    return solved


def test_rows_solve_their_normal_equations(weights: sparse.csr_array, factors: np.ndarray) -> None:
    np.testing.assert_allclose(
        solve_rows(weights, factors, **SOLVER),
        solve_one_by_one(weights, factors),
        rtol=2e-4,
        atol=1e-5,
    )


def test_rows_do_not_depend_on_who_is_solved_with_them(
    weights: sparse.csr_array, factors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = solve_rows(weights, factors, **SOLVER)
    monkeypatch.setattr(ials_module, "SOLVE_BYTES", 1)
    np.testing.assert_array_equal(solve_rows(weights[::-1], factors, **SOLVER)[::-1], together)


def test_each_sweep_lowers_the_objective(random_history: Interactions) -> None:
    interest = random_history.matrix({"purchase": 1.0})
    interest.data[:] = 1.0
    counts = [np.diff(interest.indptr), np.bincount(interest.indices, minlength=45)]

    def objective(n_iterations: int) -> float:
        fitted = IALS(n_factors=5, n_iterations=n_iterations, random_state=1).fit(random_history)
        items = fitted.item_factors_.astype(np.float64)
        users = fitted._solve(interest, fitted.item_factors_).astype(np.float64)
        scores = users @ items.T
        met = interest.toarray() > 0
        ridges = [
            0.003 * (count + 0.1 * size) for count, size in zip(counts, (45, 60), strict=True)
        ]
        return float(
            ((1 - scores[met]) ** 2).sum()
            + 0.1 * (scores**2).sum()
            + (ridges[0][:, None] * users**2).sum()
            + (ridges[1][:, None] * items**2).sum()
        )

    found = [objective(n) for n in (1, 2, 4, 8)]
    assert found == sorted(found, reverse=True)


def test_items_nobody_met_are_not_listed(make_history: Callable[..., Interactions]) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("v", "a")], items=["a", "b", "c"])
    lists = IALS(n_factors=2).fit(history).recommend(history, 3)
    assert not (lists.items == 2).any()
    assert (lists.items[:, :2] >= 0).all()


def test_other_seed_gives_other_factors(random_history: Interactions) -> None:
    first, second = (IALS(n_factors=4, random_state=n).fit(random_history) for n in (0, 1))
    assert not np.array_equal(first.item_factors_, second.item_factors_)


def test_sweeps_go_on_towards_the_solution(weights: sparse.csr_array, factors: np.ndarray) -> None:
    solved = solve_rows(weights, factors, **SOLVER)
    before = near = solved + np.random.default_rng(5).normal(0.0, 0.3, (30, 6)).astype(np.float32)
    for _ in range(3):
        near = solve_rows(weights, factors, **SOLVER, start=near)
        far = np.linalg.norm(before[1:] - solved[1:], axis=1)
        assert (np.linalg.norm(near[1:] - solved[1:], axis=1) < np.maximum(0.5 * far, 1e-4)).all()
        before = near


def test_a_sweep_takes_three_steps_and_a_history_as_many_as_it_needs(
    weights: sparse.csr_array, factors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = np.zeros((30, 6), np.float32)
    swept = solve_rows(weights, factors, **SOLVER, start=nothing)
    solved = solve_rows(weights, factors, **SOLVER)
    assert np.abs(swept - solved).max() > 1e-4
    monkeypatch.setattr(ials_module, "MAX_STEPS", 3)
    np.testing.assert_array_equal(solve_rows(weights, factors, **SOLVER), swept)


def test_rows_without_entries_have_no_factors_wherever_they_begin(
    weights: sparse.csr_array, factors: np.ndarray
) -> None:
    solved = solve_rows(weights, factors, **SOLVER, start=np.ones((30, 6), np.float32))
    assert (np.diff(weights.indptr) == 0).tolist() == (~solved.any(axis=1)).tolist()
