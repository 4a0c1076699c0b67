from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.item_knn import ItemKNN
from pipelines.models.kernels import signals
from pipelines.models.kernels.signals import read_interest
from pipelines.models.kernels.term_weights import weigh_bm25, weigh_tf_idf

# a with b twice, a with c once
ROWS = [("u", "a"), ("u", "b"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "c")]


def test_similarity_is_the_shrunk_cosine(make_history: Callable[..., Interactions]) -> None:
    fitted = ItemKNN(shrinkage=2.0).fit(make_history(ROWS))
    ab, ac = 2 / (np.sqrt(3 * 2) + 2), 1 / (np.sqrt(3 * 1) + 2)
    expected = [[0, ab, ac], [ab, 0, 0], [ac, 0, 0]]
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-6)


def test_only_items_with_a_positive_score_are_listed(
    make_history: Callable[..., Interactions],
) -> None:
    fitted = ItemKNN(shrinkage=0.0).fit(make_history(ROWS))
    lists = fitted.recommend(make_history([("x", "b")], items=["a", "b", "c"]), 3)
    assert lists.items.tolist() == [[0, -1, -1]]
    assert lists.scores[0, 0] == pytest.approx(2 / np.sqrt(3 * 2))


def test_fewer_neighbors_keep_the_nearest_and_ties_the_lowest_item_id(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", item) for item in "abcd"]
    fitted = ItemKNN(n_neighbors=1, shrinkage=0.0).fit(make_history(rows))
    expected = [[0, 1, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-6)


def test_blocks_of_the_gram_matrix_equal_the_dense_formula(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "SPARSE_BLOCK_ENTRIES", random_history.n_items * 7)
    fitted = ItemKNN(n_neighbors=45, shrinkage=3.0, half_life_days=30.0).fit(random_history)
    interest = read_interest(random_history, {"purchase": 1.0}, half_life_days=30.0)
    dense = interest.toarray().astype(np.float64)
    norm = np.sqrt((dense**2).sum(axis=0))
    expected = dense.T @ dense / (np.outer(norm, norm) + 3.0)
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-5, atol=1e-7)


def test_dot_similarity_counts_users_in_common(make_history: Callable[..., Interactions]) -> None:
    fitted = ItemKNN(similarity="dot").fit(make_history(ROWS))
    np.testing.assert_array_equal(fitted.similarity_.toarray(), [[0, 2, 1], [2, 0, 0], [1, 0, 0]])


def test_neighbors_of_listed_items_are_kept_by_column(
    make_history: Callable[..., Interactions],
) -> None:
    fitted = ItemKNN(similarity="dot", n_neighbors=1, neighbors_of="listed")
    kept = fitted.fit(make_history(ROWS)).similarity_.toarray()
    np.testing.assert_array_equal(kept, [[0, 2, 1], [2, 0, 0], [0, 0, 0]])


@pytest.mark.parametrize(("weighting", "weigh"), [("tf_idf", weigh_tf_idf), ("bm25", weigh_bm25)])
def test_weights_go_into_the_similarity(
    weighting: str,
    weigh: Callable[[sparse.csr_array], sparse.csr_array],
    random_history: Interactions,
) -> None:
    fitted = ItemKNN(n_neighbors=45, similarity="dot", weighting=weighting).fit(random_history)
    weighted = weigh(read_interest(random_history, {"purchase": 1.0})).toarray()
    expected = weighted.T @ weighted
    np.fill_diagonal(expected, 0.0)
    np.testing.assert_allclose(fitted.similarity_.toarray(), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"similarity": "sine"}, "`similarity` must be one of cosine, dot. Got 'sine'"),
        ({"weighting": "tf"}, "`weighting` must be one of none, tf_idf, bm25. Got 'tf'"),
        ({"neighbors_of": "rows"}, "`neighbors_of` must be one of history, listed. Got 'rows'"),
        ({"bm25_b": 1.5}, "`bm25_b` must be a number from 0 to 1. Got 1.5"),
    ],
)
def test_parameters_out_of_range_are_refused(
    parameters: dict[str, Any], message: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=message):
        ItemKNN(**parameters).fit(random_history)
