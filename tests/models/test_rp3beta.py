from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.kernels.signals import read_interest
from pipelines.models.rp3beta import RP3Beta

# a with b twice, a with c once
ROWS = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "c")]


def test_similarity_is_the_probability_of_the_walk_over_popularity(
    make_history: Callable[..., Interactions],
) -> None:
    fitted = RP3Beta(alpha=1.0, beta=0.5, normalize=False).fit(make_history(ROWS))
    # from a: one of three users, then one of that user's two items
    ab, ac = 2 / 3 * 1 / 2 / 2**0.5, 1 / 3 * 1 / 2
    ba, ca = 1 / 2 / 3**0.5, 1 / 2 / 3**0.5
    expected = [[0, ab, ac], [ba, 0, 0], [ca, 0, 0]]
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-6)


def test_normalized_rows_sum_to_one_after_pruning(random_history: Interactions) -> None:
    similarity = RP3Beta(n_neighbors=5).fit(random_history).similarity_
    counts = np.diff(similarity.indptr)
    assert counts.max() == 5
    np.testing.assert_allclose(similarity.sum(axis=1)[counts > 0], 1.0, rtol=1e-5)


def test_pruning_both_sides_leaves_at_most_n_neighbors_a_column(
    random_history: Interactions,
) -> None:
    one = RP3Beta(n_neighbors=5).fit(random_history).similarity_
    both = RP3Beta(n_neighbors=5, neighbors_of="both").fit(random_history).similarity_
    assert np.bincount(one.indices).max() > 5
    assert np.bincount(both.indices).max() == 5
    kept = both.toarray() > 0
    np.testing.assert_array_equal(both.toarray()[kept], one.toarray()[kept])


def test_blocks_equal_the_dense_formula(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.models.kernels.signals.SPARSE_BLOCK_ENTRIES", 45 * 7)
    fitted = RP3Beta(alpha=0.6, beta=0.3, n_neighbors=45, normalize=False, half_life_days=30.0)
    fitted.fit(random_history)
    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=30.0)
    dense = interest.toarray().astype(np.float64)
    with np.errstate(invalid="ignore"):
        to_items = np.nan_to_num((dense / dense.sum(axis=1, keepdims=True)) ** 0.6)
        to_users = np.nan_to_num((dense / dense.sum(axis=0)) ** 0.6).T
    expected = to_users @ to_items / np.maximum((dense > 0).sum(axis=0), 1) ** 0.3
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-5, atol=1e-8)


def test_unknown_pruning_is_refused(random_history: Interactions) -> None:
    with pytest.raises(SettingsError, match="must be one of history, both. Got 'rows'"):
        RP3Beta(neighbors_of="rows").fit(random_history)
