from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipelines.models.kernels import signals
from pipelines.models.kernels.neighbors import (
    keep_nearest_of_columns,
    nearest_of_product,
    score_neighbors,
)


def as_they_are(rows: slice, block: np.ndarray) -> None:
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

    def weigh(rows: slice, block: np.ndarray) -> None:
        block *= np.arange(3, dtype=np.float32)[rows, None] + 1

    kept = nearest_of_product(ones, ones.T.tocsr(), 2, weigh)
    assert kept.toarray().tolist() == [[0, 1, 1], [2, 0, 2], [3, 3, 0]]


def test_columns_keep_their_largest_and_of_equal_ones_the_lowest_row() -> None:
    matrix = sparse.csr_array(np.array([[0, 2, 0], [1, 0, 5], [1, 3, 0]], dtype=np.float32))
    kept = keep_nearest_of_columns(matrix, 1)
    np.testing.assert_array_equal(kept.toarray(), [[0, 0, 0], [1, 0, 5], [0, 3, 0]])
    assert matrix.nnz == 5


def test_scores_are_sums_of_similarities_and_nothing_is_minus_infinity() -> None:
    nearest = sparse.csr_array(np.array([[0, 0.5, 0], [0, 0, 0], [0, 0.25, 0]], np.float32))
    interest = sparse.csr_array(np.array([[1, 0, 2]], dtype=np.float32))
    scores = score_neighbors(interest, nearest)
    assert scores.tolist() == [[-np.inf, pytest.approx(1.0), -np.inf]]
