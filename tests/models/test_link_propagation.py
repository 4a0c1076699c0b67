from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.kernels import signals
from pipelines.models.kernels.signals import read_interest
from pipelines.models.link_propagation import LinkPropagation

# a with b twice, a with c once
ROWS = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "c")]


def test_similarity_damps_both_items_and_the_user_between(
    make_history: Callable[..., Interactions],
) -> None:
    fitted = LinkPropagation(history_exponent=1.0, user_exponent=2.0, listed_exponent=0.5)
    # three users met a, two b, one c; every user met two items
    ab, ac = 2 / 2**2 / 3 / 2**0.5, 1 / 2**2 / 3 / 1
    ba, ca = 2 / 2**2 / 2 / 3**0.5, 1 / 2**2 / 1 / 3**0.5
    expected = [[0, ab, ac], [ba, 0, 0], [ca, 0, 0]]
    similarity = fitted.fit(make_history(ROWS)).similarity_
    np.testing.assert_allclose(similarity.toarray(), expected, rtol=1e-6)


def test_without_exponents_links_count_users_in_common(
    make_history: Callable[..., Interactions],
) -> None:
    plain = LinkPropagation(history_exponent=0, user_exponent=0, listed_exponent=0)
    similarity = plain.fit(make_history(ROWS)).similarity_
    np.testing.assert_array_equal(similarity.toarray(), [[0, 2, 1], [2, 0, 0], [1, 0, 0]])


def test_blocks_equal_the_dense_formula(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SPARSE_BLOCK_ENTRIES", random_history.n_items * 7)
    fitted = LinkPropagation(n_neighbors=45, half_life_days=30.0).fit(random_history)
    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=30.0)
    dense = interest.toarray().astype(np.float64)
    users, items = np.maximum(dense.sum(axis=1), 1e-9), np.maximum(dense.sum(axis=0), 1e-9)
    expected = dense.T @ (dense / users[:, None] ** 0.7) / np.outer(items**0.5, items**0.35)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-5, atol=1e-8)
