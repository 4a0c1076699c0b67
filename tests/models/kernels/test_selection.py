from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.models.kernels import selection
from pipelines.models.kernels.selection import Selection


def select(
    scores: np.ndarray, positions: np.ndarray, tile_rows: int, k: int, floor: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Best of `scores` of shape (n_rows, n_users), offered tile by tile."""
    selected = Selection(positions, scores.shape[1], k)
    if floor is not None:
        selected.raise_floor(floor)
    for first in range(0, len(scores), tile_rows):
        selected.add(np.ascontiguousarray(scores[first : first + tile_rows]), first)
    return selected.finish()


def sort_users(scores: np.ndarray, positions: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The slow way: sort every user's scores, then cut."""
    found = np.full((scores.shape[1], k), -1, dtype=np.int64)
    values = np.full((scores.shape[1], k), np.nan, dtype=np.float32)
    for user, column in enumerate(scores.T):
        order = [row for row in np.lexsort((positions, -column)) if column[row] > -np.inf][:k]
        found[user, : len(order)], values[user, : len(order)] = positions[order], column[order]
    return found, values


@given(
    seed=st.integers(0, 2**32 - 1),
    levels=st.sampled_from([0, 1, 3, 1000]),
    tile_rows=st.sampled_from([1, 8, 24, 60]),
    k=st.integers(1, 30),
    per_place=st.sampled_from([0, 1, 4]),
)
@settings(max_examples=150, deadline=None)
def test_selection_equals_a_full_sort_however_often_candidates_are_cut(
    seed: int, levels: int, tile_rows: int, k: int, per_place: int
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(-levels, levels + 1, (60, 16)).astype(np.float32) / 7
    scores[rng.random(scores.shape) < 0.2] = -np.inf
    # The first tile is a sample of all positions, later ones ascend.
    sampled = np.sort(rng.choice(60, min(tile_rows, 60), replace=False))
    positions = np.concatenate([sampled, np.setdiff1d(np.arange(60), sampled)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(selection, "CANDIDATES_PER_PLACE", per_place)
        found = select(scores, positions, tile_rows, k, None)
    for part, expected in zip(found, sort_users(scores, positions, k), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_scores_below_the_floor_are_not_selected() -> None:
    scores = np.tile(np.array([[3.0], [1.0], [2.0]], dtype=np.float32), (1, 8))
    floor = np.array([2.0, 4.0, -5.0, np.inf, 1.0, 1.5, 3.0, 2.5], dtype=np.float32)
    positions, _ = select(scores, np.arange(3), 3, 3, floor)
    assert (positions >= 0).sum(axis=1).tolist() == [2, 0, 3, 0, 3, 2, 1, 1]


def test_negative_zero_ties_with_zero() -> None:
    scores = np.tile(np.array([[0.0], [-0.0], [0.0]], dtype=np.float32), (1, 8))
    positions, _ = select(scores, np.arange(3), 1, 3, None)
    np.testing.assert_array_equal(positions, np.tile(np.arange(3), (8, 1)))


def test_extreme_scores_keep_every_bit() -> None:
    info = np.finfo(np.float32)
    column = np.array([info.min, -1.5, -info.tiny, 0.0, info.tiny, 1.5, info.max], np.float32)
    positions, scores = select(np.tile(column[:, None], (1, 8)), np.arange(7), 7, 7, None)
    np.testing.assert_array_equal(scores[0], column[::-1])
    np.testing.assert_array_equal(positions[0], np.arange(7)[::-1])


def test_largest_position_fits_a_key() -> None:
    last = selection.MAX_ITEMS - 1
    positions, _ = select(np.ones((2, 8), np.float32), np.array([0, last]), 2, 2, None)
    assert positions[7].tolist() == [0, last]
