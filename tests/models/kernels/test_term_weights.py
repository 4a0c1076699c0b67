from __future__ import annotations

import numpy as np
from scipy import sparse

from pipelines.models.kernels.term_weights import weigh_bm25, weigh_by_user, weigh_tf_idf

# user 0 met both items (the first four times as much), user 1 the second
INTEREST = sparse.csr_array(np.array([[4, 1], [0, 1]], dtype=np.float32))
IDF = np.log([3 / 3, 3 / 2])


def test_users_who_met_everything_say_nothing() -> None:
    np.testing.assert_allclose(weigh_by_user(INTEREST), IDF)


def test_tf_idf_is_the_root_of_the_value_times_the_weight_of_the_user() -> None:
    more = sparse.csr_array((INTEREST.data, INTEREST.indices, INTEREST.indptr), shape=(2, 5))
    idf = np.log([6 / 3, 6 / 2])
    expected = [[2 * idf[0], idf[0]], [0, idf[1]]]
    np.testing.assert_allclose(weigh_tf_idf(more).toarray()[:, :2], expected, rtol=1e-6)


def test_bm25_saturates_and_damps_items_longer_than_the_mean() -> None:
    wide = sparse.csr_array(np.array([[4, 1, 0], [0, 1, 0]], dtype=np.float32))
    idf = np.log([4 / 3, 4 / 2])
    mean = (4 + 2 + 0) / 3
    long, short = 2 * (0.5 + 0.5 * 4 / mean), 2 * (0.5 + 0.5 * 2 / mean)
    expected = [
        [idf[0] * 4 * 3 / (4 + long), idf[0] * 3 / (1 + short), 0],
        [0, idf[1] * 3 / (1 + short), 0],
    ]
    np.testing.assert_allclose(weigh_bm25(wide, k1=2.0, b=0.5).toarray(), expected, rtol=1e-6)


def test_a_matrix_without_entries_stays_as_it_is() -> None:
    empty = sparse.csr_array((2, 3), dtype=np.float32)
    assert weigh_bm25(empty).nnz == weigh_tf_idf(empty).nnz == 0
