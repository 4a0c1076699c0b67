from __future__ import annotations

from math import log2

import numpy as np
import pytest
from scipy import sparse

from pipelines.evaluate.metrics import gain_matrix, ranking_metrics
from pipelines.evaluate.ndcg_parts import head_items, ndcg_parts, part_column

ITEMS = np.array([[0, 1, 2], [3, -1, -1], [-1, -1, -1]], dtype=np.int32)
TRUTH = sparse.csr_array(np.array([[1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 0, 0]], dtype=bool))
OWN = sparse.csr_array(np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]], dtype=bool))


def test_a_hit_on_an_item_of_the_history_is_a_repeat() -> None:
    found = ndcg_parts(ITEMS, TRUTH, OWN, np.zeros(4, dtype=bool), k=3)

    # the first user repeats item 0, at rank 1; item 2, at rank 3, is new
    ideal = 1 + 1 / log2(3)
    assert found[part_column(3, "repeats")].tolist() == [pytest.approx(1 / ideal), 0, 0]
    assert found[part_column(3, "head")].tolist() == [0, 0, 0]


def test_a_hit_on_the_head_counts_for_the_head() -> None:
    found = ndcg_parts(ITEMS, TRUTH, OWN, np.array([False, True, False, True]), k=3)

    assert found[part_column(3, "head")].tolist() == [0, 1, 0]


def test_parts_and_the_rest_are_the_ndcg_exactly() -> None:
    rng = np.random.default_rng(0)
    items = rng.permuted(np.tile(np.arange(30, dtype=np.int32), (200, 1)), axis=1)[:, :20]
    truth = sparse.csr_array(rng.random((200, 35)) < 0.1)  # five items that no list can hold
    own = sparse.csr_array(rng.random((200, 30)) < 0.2)
    head = rng.random(30) < 0.1

    found = ndcg_parts(items, truth, own, head, k=10)
    opposite = ndcg_parts(items, truth, sparse.csr_array(~own.toarray()), ~head, k=10)

    ndcg = ranking_metrics(items, truth, ks=[10])["ndcg_at_10"]
    for column, values in found.items():
        np.testing.assert_allclose(values + opposite[column], ndcg, atol=1e-14)
    np.testing.assert_allclose(gain_matrix(items, truth, 10).sum(axis=1), ndcg, atol=1e-14)


def test_the_head_is_a_tenth_of_the_items_somebody_met() -> None:
    met = np.zeros((30, 40), dtype=bool)
    met[:, :11] = np.arange(30)[:, None] < np.arange(11) + 5  # item 10 was met most, then 9

    head = head_items(sparse.csr_array(met))

    assert np.flatnonzero(head).tolist() == [9, 10]  # a tenth of 11 is 2, rounded up


def test_nobody_met_anything_leaves_no_head() -> None:
    assert not head_items(sparse.csr_array((3, 4), dtype=bool)).any()
