from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipelines.models.base import Exclusion
from pipelines.rules.pins import Pin, falling_scores, insert_pins

ITEMS = np.array([[0, 1, 2, 3], [4, 3, -1, -1], [-1, -1, -1, -1]], dtype=np.int32)
SCORES = np.where(ITEMS >= 0, 1.0 - np.arange(4) / 10, np.nan)


def pin(*pins, items=ITEMS, exclude=None):
    scores = np.where(items >= 0, 1.0 - np.arange(items.shape[1]) / 10, np.nan)
    pins = [Pin(rank, item) for rank, item in pins]
    return insert_pins(items, scores, pins, exclude or Exclusion())


def test_what_was_at_the_rank_moves_down():
    assert pin((2, 7)).items.tolist() == [[0, 7, 1, 2], [4, 7, 3, -1], [-1, -1, -1, -1]]


def test_an_item_of_the_list_moves_to_its_pin():
    assert pin((1, 3)).items.tolist() == [[3, 0, 1, 2], [3, 4, -1, -1], [-1] * 4]
    assert pin((4, 0)).items.tolist()[0] == [1, 2, 3, 0]


def test_a_shorter_list_gets_the_pin_at_its_end_and_an_empty_one_none():
    assert pin((4, 7)).items.tolist() == [[0, 1, 2, 7], [4, 3, 7, -1], [-1] * 4]


def test_a_pin_beyond_the_width_is_cut_off():
    assert pin((9, 7)).items.tolist() == [[0, 1, 2, 3], [4, 3, 7, -1], [-1] * 4]


def test_two_pins_stand_where_they_should_in_any_order_given():
    for pins in ([(1, 7), (3, 8)], [(3, 8), (1, 7)]):
        assert pin(*pins).items.tolist()[0] == [7, 0, 8, 1]


def test_nobody_is_shown_a_pin_that_is_kept_from_them():
    pairs = sparse.csr_array(([True], ([0], [7])), shape=(3, 9))

    assert pin((1, 7), exclude=Exclusion(pairs)).items.tolist()[:2] == [
        [0, 1, 2, 3],
        [7, 4, 3, -1],
    ]
    gone = Exclusion(items=np.arange(9) == 7)
    np.testing.assert_array_equal(pin((1, 7), exclude=gone).items, ITEMS)


def test_origin_tells_where_an_item_came_from_and_who_is_pinned():
    found = pin((2, 1))

    assert found.origin.tolist()[0] == [0, -1, 2, 3]
    assert found.is_pinned.tolist() == [
        [False, True, False, False],
        [False, True, False, False],
        [False] * 4,
    ]


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_scores_never_rise_and_are_numbers_where_there_is_an_item(rank):
    found = pin((rank, 7))

    assert np.isnan(found.scores[found.items < 0]).all()
    assert np.isfinite(found.scores[found.items >= 0]).all()
    steps = np.diff(found.scores, axis=1)
    assert (steps[~np.isnan(steps)] <= 0).all()


def test_inputs_are_not_changed():
    items, scores = ITEMS.copy(), SCORES.copy()

    insert_pins(items, scores, [Pin(1, 7)], Exclusion())

    np.testing.assert_array_equal(items, ITEMS)
    np.testing.assert_array_equal(scores, SCORES)


def test_an_item_without_a_score_at_the_end_carries_the_last_one():
    found = falling_scores(np.array([[1, 2, 3], [1, -1, -1]]), np.array([[2.0, 1, np.nan]] * 2))

    assert found[0].tolist() == [2, 1, 1]
    only = falling_scores(np.array([[1]]), np.array([[np.nan]]))
    assert only.tolist() == [[0]]


def test_random_lists_keep_every_other_item_in_its_order():
    rng = np.random.default_rng(0)
    items = rng.permuted(np.tile(np.arange(12, dtype=np.int32), (50, 1)), axis=1)[:, :8]
    items[np.arange(8) >= rng.integers(1, 9, 50)[:, None]] = -1

    found = pin((2, 3), (5, 11), items=items).items

    for before, after in zip(items.tolist(), found.tolist(), strict=True):
        rest = [item for item in before if item not in (-1, 3, 11)]
        expected = list(rest)
        for rank, item in ((2, 3), (5, 11)):
            expected.insert(min(rank - 1, len(expected)), item)
        assert after == (expected + [-1] * 8)[:8]
