from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest
from scipy import sparse

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.item_transitions import ItemTransitions, solve_ridge

WEIGHTS = {"purchase": 1.0}


def test_what_followed_is_listed_and_what_came_before_is_not(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [(user, item, "purchase", age) for user in "uvw" for item, age in (("a", 20), ("b", 3))]
    history = make_history([*rows, ("asks_a", "a"), ("asks_b", "b")])
    lists = ItemTransitions(regularization=0.1).fit(history).recommend(history, 2)
    by_user = dict(zip(lists.user_ids, lists.items.tolist(), strict=True))

    assert by_user["asks_a"][0] == 1  # b followed a three times
    assert by_user["asks_b"] == [-1, -1]  # nothing followed b


def test_items_chosen_again_are_on_the_diagonal(make_history: Callable[..., Interactions]) -> None:
    rows = [(user, "a", "purchase", age) for user in "uvw" for age in (3, 20)]
    rows += [(user, "b", "purchase", 20) for user in "uvw"]
    weights = ItemTransitions(regularization=0.1).fit(make_history(rows)).weights_
    assert weights[0, 0] > 0
    np.testing.assert_array_equal(weights[:, 1], 0.0)  # b was never chosen later


def test_weights_are_those_of_the_normal_equations_in_float64(
    random_history: Interactions,
) -> None:
    fitted = ItemTransitions(
        regularization=2.0,
        half_life_days=30.0,
        horizon_days=10,
        step_days=5,
        n_windows=4,
        window_half_life_days=20.0,
    ).fit(random_history)
    gram = 2.0 * np.eye(random_history.n_items)
    cross = np.zeros_like(gram)
    for age in (0, 5, 10, 15):
        for x, y in windows(random_history, age):
            v = 2.0 ** (-age / 20.0) / np.sqrt(y.sum())
            gram += v * np.outer(x, x)
            cross += v * np.outer(x, y)
    np.testing.assert_allclose(fitted.weights_, np.linalg.solve(gram, cross), atol=2e-5)


def windows(history: Interactions, age: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """x and y of the users of one window, with plain loops."""
    past = history.before(history.cutoff - timedelta(days=age + 10))
    interest = np.minimum(past.matrix(WEIGHTS, half_life_days=30.0).toarray(), 1.0)
    found = []
    for user in range(history.n_users):
        rows = (history.user == user) & (history.event_type == 0)
        rows &= (history.age_days > age) & (history.age_days <= age + 10)
        y = np.zeros(history.n_items)
        y[history.item[rows]] = 1.0
        if y.any() and (past.user == user).any():
            x = interest[user].astype(np.float64)
            length = np.sqrt((x**2).sum())
            found.append((x / np.sqrt(length) if length else x, y))
    return found


def test_history_of_one_day_teaches_nothing_and_lists_nothing(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("v", "a")])
    assert (ItemTransitions().fit(history).recommend(history, 3).items == -1).all()


def test_cap_keeps_the_most_popular_items(make_history: Callable[..., Interactions]) -> None:
    rows = [(user, item, "purchase", age) for user in "uv" for item, age in (("b", 20), ("c", 3))]
    fitted = ItemTransitions(max_items=2).fit(make_history([*rows, ("u", "a")]))
    assert fitted.item_ids_.tolist() == ["b", "c"]
    assert fitted.weights_.shape == (2, 2)


def test_regularization_too_small_for_float32_is_refused() -> None:
    twice = sparse.csr_array(np.ones((3, 2), dtype=np.float32) * np.float32(1e4))
    with pytest.raises(SettingsError, match="positive definite in float32"):
        solve_ridge(twice, twice, 1e-6)


def test_target_events_must_be_a_list(make_history: Callable[..., Interactions]) -> None:
    with pytest.raises(SettingsError, match="`target_events` must be a list. Got 'purchase'"):
        ItemTransitions(target_events="purchase").fit(make_history([("u", "a")]))
