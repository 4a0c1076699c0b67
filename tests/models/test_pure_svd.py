from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.kernels.signals import read_interest
from pipelines.models.pure_svd import PureSVD


def test_two_separate_tastes_by_hand(make_history: Callable[..., Interactions]) -> None:
    # a and b are bought together by three users, c and d by two: V is (a + b, c + d) / sqrt 2
    history = make_history(
        [(user, item) for user in "uvw" for item in "ab"]
        + [(user, item) for user in "xy" for item in "cd"]
    )
    fitted = PureSVD(n_factors=2).fit(history)
    lists = fitted.recommend(make_history([("z", "a")], items=list("abcd")), 2)
    assert lists.items.tolist() == [[0, 1]]
    np.testing.assert_allclose(lists.scores, [[1 / 2, 1 / 2]], rtol=1e-5)  # x V Vᵀ


def test_scores_equal_the_exact_decomposition(random_history: Interactions) -> None:
    fitted = PureSVD(n_factors=6, n_iterations=20, half_life_days=30.0).fit(random_history)
    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=30.0).toarray()
    vectors = np.linalg.svd(interest.astype(np.float64), full_matrices=False)[2][:6]
    has_history = interest.any(axis=1)
    found = fitted.score(random_history)[has_history]
    expected = (interest @ vectors.T @ vectors)[has_history]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_more_factors_than_the_matrix_has_directions(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([(user, item) for user in "uvw" for item in "abc"])  # rank 1
    fitted = PureSVD(n_factors=64).fit(history)
    assert fitted.item_factors_.shape == (3, 1)
    np.testing.assert_allclose(np.abs(fitted.item_factors_), 1 / np.sqrt(3), rtol=1e-5)


def test_another_seed_gives_other_bytes_and_the_same_space(random_history: Interactions) -> None:
    one, two = (
        PureSVD(n_factors=5, n_iterations=20, random_state=seed).fit(random_history).item_factors_
        for seed in (0, 1)
    )
    assert one.tobytes() != two.tobytes()
    np.testing.assert_allclose(one @ one.T, two @ two.T, atol=1e-3)
