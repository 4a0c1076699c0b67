from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.graph_filter import GraphFilter
from pipelines.models.kernels.signals import read_interest


def test_linear_filter_by_hand(make_history: Callable[..., Interactions]) -> None:
    # u took a and b, v took a: degrees of u, v are 2, 1, and of a, b 2, 1
    history = make_history([("u", "a"), ("u", "b"), ("v", "a")])
    fitted = GraphFilter(low_pass_weight=0.0).fit(history)
    # from a over u and v back to a, and over u to b, each step divided by √degree at both ends
    aa, ab = 1 / 2 / 2 + 1 / 1 / 2, 1 / 2 / np.sqrt(2 * 1)
    bb = 1 / 2 / 1
    expected = [[aa + ab, ab + bb], [aa, ab]]
    np.testing.assert_allclose(fitted.score(history), expected, rtol=1e-5)


def test_sharpening_takes_away_the_blur_of_the_scores(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("v", "a")])
    blurred, sharp = (
        GraphFilter(low_pass_weight=0.0, sharpening=share).fit(history).score(history)
        for share in (0.0, 0.5)
    )
    # P of the history by hand, as above
    ab = 1 / 2 / np.sqrt(2)
    p = np.array([[3 / 4, ab], [ab, 1 / 2]])
    np.testing.assert_allclose(sharp, blurred - 0.5 * blurred @ p, rtol=1e-5)


def test_popularity_exponent_multiplies_by_the_degree(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("v", "a")])
    plain, popular = (
        GraphFilter(popularity_exponent=exponent).fit(history).score(history)
        for exponent in (0.0, 2.0)
    )
    np.testing.assert_allclose(popular, plain * [2**2, 1], rtol=1e-5)


@pytest.mark.parametrize("half_life_days", [None, 30.0])
def test_scores_equal_the_dense_formula(
    random_history: Interactions, half_life_days: float | None
) -> None:
    fitted = GraphFilter(
        n_factors=6,
        low_pass_weight=0.7,
        user_exponent=0.6,
        item_exponent=0.4,
        sharpening=0.8,
        popularity_exponent=0.2,
        n_iterations=30,
        half_life_days=half_life_days,
    ).fit(random_history)
    found = fitted.score(random_history)

    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=half_life_days)
    x = interest.toarray().astype(np.float64)
    users, items = np.maximum(x.sum(axis=1), 1e-9), np.maximum(x.sum(axis=0), 1e-9)
    links = x / users[:, None] ** 0.3 / items**0.4
    _, values, rows = np.linalg.svd(links, full_matrices=False)
    linear = links.T @ links / values[0] ** 2
    ideal = np.diag(items**-0.4) @ rows[:6].T @ rows[:6] @ np.diag(items**0.4)
    blurred = x @ (linear + 0.7 * ideal)
    expected = (blurred - 0.8 * blurred @ linear) * items**0.2
    is_served = np.outer(x.any(axis=1), x.any(axis=0))
    assert is_served.any()
    np.testing.assert_allclose(found[is_served], expected[is_served], rtol=1e-3, atol=1e-4)
    assert (found[~is_served] == -np.inf).all()


def test_users_whose_items_nobody_met_get_no_list(
    make_history: Callable[..., Interactions],
) -> None:
    fitted = GraphFilter().fit(make_history([("u", "a"), ("v", "a")], items=["a", "b"]))
    lists = fitted.recommend(make_history([("w", "b")], items=["a", "b"]), 2)
    assert (lists.items == -1).all()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_factors", 0),
        ("low_pass_weight", -0.1),
        ("user_exponent", -1),
        ("item_exponent", -1),
        ("sharpening", -0.5),
        ("popularity_exponent", -1),
        ("n_iterations", -1),
        ("half_life_days", 0),
        ("clip", 0),
        ("random_state", -1),
    ],
)
def test_parameters_out_of_range_are_refused(
    name: str, value: float, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must be"):
        GraphFilter(**{name: value}).fit(random_history)
