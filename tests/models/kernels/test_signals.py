from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.kernels import signals
from pipelines.models.kernels.signals import (
    BLOCKS_AT_LEAST,
    dense_product,
    in_product_blocks,
    large_product,
    read_interest,
)

WEIGHTS = {"purchase": 1.0, "return": -1.0}


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    return make_history(
        [
            ("u", "a", "purchase", 20, 3),  # three purchases, two half-lives old: 3 / 4
            ("u", "b", "purchase", 10, 4),  # four purchases, one half-life old: 4 / 2
            ("u", "c", "purchase", 5, 1),  # bought and returned
            ("u", "c", "return", 5, 1),
            ("v", "a", "view", 1, 1),  # views weigh nothing
        ]
    )


def test_interest_is_binary_without_half_life(history: Interactions) -> None:
    assert read_interest(history, WEIGHTS).toarray().tolist() == [[1, 1, 0], [0, 0, 0]]


def test_interest_decays_and_is_clipped(history: Interactions) -> None:
    clipped = read_interest(history, WEIGHTS, half_life_days=10.0)
    assert clipped.toarray().tolist() == [[3 / 4, 1, 0], [0, 0, 0]]
    free = read_interest(history, WEIGHTS, half_life_days=10.0, clip=None)
    assert free.toarray().tolist() == [[3 / 4, 4 / 2, 0], [0, 0, 0]]


def test_blocks_make_up_the_gram_matrix(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    interest = read_interest(random_history, WEIGHTS)
    monkeypatch.setattr(signals, "PRODUCT_BLOCK_BYTES", 4 * random_history.n_items * 10)
    monkeypatch.setattr(signals, "BLOCKS_AT_LEAST", 1)
    by_item = interest.T.tocsr()
    starts = in_product_blocks(by_item, interest, lambda rows, block: (rows.start, len(block)))
    assert list(starts) == [(0, 10), (10, 10), (20, 10), (30, 10), (40, 5)]
    dense = interest.toarray()
    np.testing.assert_array_equal(large_product(by_item, interest), dense.T @ dense)


def test_every_thread_has_its_share_of_a_small_product(random_history: Interactions) -> None:
    interest = read_interest(random_history, WEIGHTS)
    blocks = in_product_blocks(interest.T.tocsr(), interest, lambda rows, _: rows)
    assert len(list(blocks)) >= BLOCKS_AT_LEAST


def test_dense_product_is_scipys_to_the_last_bit() -> None:
    rng = np.random.default_rng(5)
    sizes = ((30, 40), (40, 50))
    left, right = (
        sparse.random_array(
            size, density=0.3, dtype=np.float32, format="csr", rng=rng, data_sampler=rng.normal
        )
        for size in sizes
    )
    found = dense_product(left, right)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    assert found.tobytes() == (left @ right).toarray(order="C").tobytes()
    assert dense_product(left[:0], right).shape == (0, 50)
