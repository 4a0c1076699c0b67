from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.base.errors import InvalidScoreError
from pipelines.models.kernels import sparse_top_n
from pipelines.models.kernels.sparse_top_n import merge_lists, nearest_of_rows, top_n_of_sparse
from pipelines.models.kernels.top_n import top_n_of_scores


@st.composite
def score_cases(draw: st.DrawFn) -> tuple[np.ndarray, sparse.csr_array, np.ndarray, int]:
    """Scores with many ties, excluded pairs and items; k may be larger than the catalogue."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.integers(0, 9)), draw(st.integers(1, 60))
    levels = draw(st.sampled_from([1, 3, 1000]))
    scores = rng.integers(-levels, levels + 1, shape).astype(np.float32)
    scores[rng.random(shape) < draw(st.sampled_from([0.0, 0.6, 1.0]))] = -np.inf
    pairs = rng.random(shape) < draw(st.sampled_from([0.0, 0.2, 0.9, 1.0])) * rng.random(
        (shape[0], 1)
    )
    gone = rng.random(shape[1]) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return scores, sparse.csr_array(pairs), gone, draw(st.integers(1, 70))


def in_any_order(scores: np.ndarray, seed: int = 0) -> sparse.csr_array:
    """What is listed, stored with the columns of a row shuffled."""
    rng = np.random.default_rng(seed)
    row, column = np.nonzero(scores > -np.inf)
    order = np.lexsort((rng.random(len(row)), row))
    starts = np.concatenate([[0], np.cumsum((scores > -np.inf).sum(axis=1))])
    return sparse.csr_array((scores[row, column][order], column[order], starts), scores.shape)


@given(score_cases(), st.sampled_from([1, 2**16]))
@settings(max_examples=200, deadline=None)
def test_lists_are_those_of_dense_scores_to_the_last_bit(
    case: tuple[np.ndarray, sparse.csr_array, np.ndarray, int], cells: int
) -> None:
    scores, pairs, gone, k = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparse_top_n, "KEY_CELLS", cells)
        for rules in (
            {},
            {"exclude_pairs": pairs},
            {"exclude_pairs": pairs, "exclude_items": gone},
        ):
            found = top_n_of_sparse(in_any_order(scores), k, **rules)
            expected = top_n_of_scores(scores, k, **rules)
            assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


@given(score_cases(), st.integers(0, 60))
@settings(max_examples=100, deadline=None)
def test_rankings_of_two_halves_merge_into_that_of_the_whole(
    case: tuple[np.ndarray, sparse.csr_array, np.ndarray, int], cut: int
) -> None:
    scores, _, _, k = case
    is_first = np.arange(scores.shape[1]) < cut
    halves = [
        top_n_of_scores(scores, k, exclude_items=is_first),
        top_n_of_scores(scores, k, exclude_items=~is_first),
    ]
    found, expected = merge_lists(*halves), top_n_of_scores(scores, k)
    assert [part.tobytes() for part in found] == [part.tobytes() for part in expected]


@given(score_cases())
@settings(max_examples=100, deadline=None)
def test_kept_entries_are_the_listed_ones_by_column(
    case: tuple[np.ndarray, sparse.csr_array, np.ndarray, int],
) -> None:
    scores, _, _, k = case
    counts, columns, values = nearest_of_rows(in_any_order(scores), k)
    items, _ = top_n_of_scores(scores, k)
    kept = [np.sort(row[row >= 0]) for row in items]
    assert counts.tolist() == [len(row) for row in kept]
    assert columns.tolist() == [column for row in kept for column in row.tolist()]
    assert values.tolist() == [
        scores[row, column] for row, own in enumerate(kept) for column in own
    ]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_numbers_are_refused(bad: float) -> None:
    with pytest.raises(InvalidScoreError, match=r"Found NaN or \+inf"):
        top_n_of_sparse(sparse.csr_array(np.array([[1.0, bad]], dtype=np.float32)), 1)


def test_excluded_pairs_may_come_in_any_order() -> None:
    scores = sparse.csr_array(np.array([[4.0, 3.0, 2.0]], dtype=np.float32))
    pairs = sparse.csr_array((np.ones(2, dtype=bool), [1, 0], [0, 2]), shape=(1, 3))
    items, _ = top_n_of_sparse(scores, 2, exclude_pairs=pairs)
    assert items.tolist() == [[2, -1]]
