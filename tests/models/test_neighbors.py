from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipelines.models.neighbors import keep_nearest, keep_nearest_of_columns, score_neighbors


def test_blocks_give_the_rows_of_one_matrix() -> None:
    similarity = np.array([[9, 3, 1], [3, 9, 2], [1, 2, 9]], dtype=np.float32)
    whole = keep_nearest(iter([(0, similarity.copy())]), 1)
    blocks = keep_nearest(iter([(0, similarity[:2].copy()), (2, similarity[2:].copy())]), 1)
    np.testing.assert_array_equal(whole.toarray(), [[0, 3, 0], [3, 0, 0], [0, 2, 0]])
    np.testing.assert_array_equal(blocks.toarray(), whole.toarray())


def test_negative_and_zero_similarities_are_not_kept() -> None:
    similarity = np.array([[1, -1], [0, 1]], dtype=np.float32)
    assert keep_nearest(iter([(0, similarity)]), 2).nnz == 0


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
