from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.models.kernels import signals
from pipelines.models.kernels.neighbors import (
    keep_nearest_of_columns,
    nearest_of_product,
)
from pipelines.models.kernels.signals import dense_product
from pipelines.models.kernels.top_n import top_n_of_scores


def as_they_are(row: np.ndarray, column: np.ndarray, product: np.ndarray) -> None:
    """The product itself is the similarity."""


def nearest_of(similarity: list[list[float]], n_neighbors: int) -> list[list[float]]:
    matrix = sparse.csr_array(np.array(similarity, dtype=np.float32))
    same = sparse.csr_array(np.eye(matrix.shape[1], dtype=np.float32))
    return nearest_of_product(matrix, same, n_neighbors, as_they_are).toarray().tolist()


@pytest.mark.parametrize("blocks", [1, 3])
def test_every_row_keeps_its_largest_but_not_itself(
    blocks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "BLOCKS_AT_LEAST", blocks)
    assert nearest_of([[9, 3, 1], [3, 9, 2], [1, 2, 9]], 1) == [[0, 3, 0], [3, 0, 0], [0, 2, 0]]


def test_equal_similarities_are_kept_by_the_lowest_column() -> None:
    assert nearest_of([[9, 2, 2], [2, 9, 0], [2, 0, 9]], 1) == [[0, 2, 0], [2, 0, 0], [2, 0, 0]]


def test_negative_and_zero_similarities_are_not_kept() -> None:
    assert nearest_of([[1, -1], [0, 1]], 2) == [[0, 0], [0, 0]]


def test_every_block_is_weighed_in_its_own_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "BLOCKS_AT_LEAST", 3)
    ones = sparse.csr_array(np.ones((3, 1), dtype=np.float32))

    def weigh(row: np.ndarray, column: np.ndarray, product: np.ndarray) -> None:
        product *= row + 1

    kept = nearest_of_product(ones, ones.T.tocsr(), 2, weigh)
    assert kept.toarray().tolist() == [[0, 1, 1], [2, 0, 2], [3, 3, 0]]


def test_columns_keep_their_largest_and_of_equal_ones_the_lowest_row() -> None:
    matrix = sparse.csr_array(np.array([[0, 2, 0], [1, 0, 5], [1, 3, 0]], dtype=np.float32))
    kept = keep_nearest_of_columns(matrix, 1)
    np.testing.assert_array_equal(kept.toarray(), [[0, 0, 0], [1, 0, 5], [0, 3, 0]])
    assert matrix.nnz == 5


def test_a_row_may_keep_itself_where_it_is_no_item() -> None:
    same = sparse.csr_array(np.eye(2, dtype=np.float32))
    kept = nearest_of_product(same, same, 1, as_they_are, keep_itself=True)
    assert kept.toarray().tolist() == [[1, 0], [0, 1]]


@given(
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.0, 0.05, 0.4, 1.0]),
    n_neighbors=st.integers(1, 60),
    entries=st.sampled_from([1, 300, 10**6]),
)
@settings(max_examples=60, deadline=None)
def test_neighbours_are_those_of_dense_rows_to_the_last_bit(
    seed: int, density: float, n_neighbors: int, entries: int
) -> None:
    rng = np.random.default_rng(seed)
    interest = sparse.random_array(
        (30, 50), density=density, dtype=np.float32, format="csr", rng=rng,
        data_sampler=lambda size: rng.choice(np.array([0.1, 0.5, 1.0]), size),
    )  # fmt: skip
    damping = rng.choice(np.array([0.3, 1.0], np.float32), 50)

    def weigh(row: np.ndarray, column: np.ndarray, product: np.ndarray) -> None:
        product *= damping[column]

    by_item = interest.T.tocsr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signals, "SPARSE_BLOCK_ENTRIES", entries)
        found = nearest_of_product(by_item, interest, n_neighbors, weigh)
    dense = dense_product(by_item, interest) * damping
    np.fill_diagonal(dense, -np.inf)
    items, scores = top_n_of_scores(np.where(dense > 0, dense, -np.inf), n_neighbors)
    row, place = np.nonzero(items >= 0)
    expected = sparse.csr_array((scores[row, place], (row, items[row, place])), found.shape)
    assert found.indices.tolist() == expected.indices.tolist()
    assert found.indptr.tolist() == expected.indptr.tolist()
    assert found.data.tobytes() == expected.data.tobytes()
