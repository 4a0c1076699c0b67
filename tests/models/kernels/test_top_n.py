from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.base.errors import InvalidScoreError
from pipelines.models.kernels import top_n
from pipelines.models.kernels.top_n import top_n_of_factors, top_n_of_scores


def sort_whole_rows(
    scores: np.ndarray, k: int, pairs: np.ndarray, gone: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The slow way: a stable sort of every row."""
    allowed = np.where(pairs | gone, -np.inf, scores)
    items = np.full((len(scores), k), -1, dtype=np.int32)
    values = np.full((len(scores), k), np.nan, dtype=np.float32)
    for user, row in enumerate(allowed):
        order = [c for c in np.argsort(-row, kind="stable")[:k] if row[c] > -np.inf]
        items[user, : len(order)], values[user, : len(order)] = order, row[order]
    return items, values


def assert_same_lists(
    found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]
) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert (found[0].dtype, found[1].dtype) == (np.int32, np.float32)


@st.composite
def score_cases(draw: st.DrawFn) -> tuple[np.ndarray, int, np.ndarray, np.ndarray]:
    """Few distinct scores, so ties are the rule; k may be larger than the catalogue."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_users, n_items = draw(st.integers(0, 6)), draw(st.integers(0, 40))
    levels = draw(st.sampled_from([1, 2, 5, 1000]))
    scores = rng.integers(-levels, levels + 1, (n_users, n_items)).astype(np.float32)
    scores[rng.random(scores.shape) < draw(st.sampled_from([0.0, 0.3, 1.0]))] = -np.inf
    pairs = rng.random(scores.shape) < draw(st.sampled_from([0.0, 0.2, 0.9, 1.0]))
    gone = rng.random(n_items) < draw(st.sampled_from([0.0, 0.3, 1.0]))
    return scores, draw(st.integers(1, 50)), pairs, gone


@given(score_cases())
@settings(max_examples=150, deadline=None)
def test_scores_equal_a_full_stable_sort(
    case: tuple[np.ndarray, int, np.ndarray, np.ndarray],
) -> None:
    scores, k, pairs, gone = case
    found = top_n_of_scores(scores, k, exclude_pairs=sparse.csr_array(pairs), exclude_items=gone)
    assert_same_lists(found, sort_whole_rows(scores, k, pairs, gone))


@given(
    seed=st.integers(0, 2**32 - 1),
    n_users=st.sampled_from([0, 1, 7, 30]),
    n_items=st.sampled_from([0, 1, 20, 70]),
    k=st.integers(1, 90),
    share=st.sampled_from([0.0, 0.3, 1.0]),
)
@settings(max_examples=150, deadline=None)
def test_factors_equal_a_full_stable_sort_across_tiles(
    seed: int, n_users: int, n_items: int, k: int, share: float
) -> None:
    rng = np.random.default_rng(seed)
    users = rng.integers(-2, 3, (n_users, 3)).astype(np.float32)  # whole numbers: exact products
    items = rng.integers(-2, 3, (n_items, 3)).astype(np.float32)
    pairs = rng.random((n_users, n_items)) < rng.random((n_users, 1))
    gone = rng.random(n_items) < share
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_n, "TILE_USERS", 8)
        patch.setattr(top_n, "TILE_ITEMS", 16)
        found = top_n_of_factors(
            users, items, k, exclude_pairs=sparse.csr_array(pairs), exclude_items=gone
        )
    assert_same_lists(found, sort_whole_rows(users @ items.T, k, pairs, gone))


def test_factors_of_real_numbers_match_float64_scores() -> None:
    rng = np.random.default_rng(0)
    users = rng.standard_normal((700, 16), dtype=np.float32)
    items = rng.standard_normal((2500, 16), dtype=np.float32)

    found, scores = top_n_of_factors(users, items, 20)

    exact = users.astype(np.float64) @ items.T.astype(np.float64)
    np.testing.assert_allclose(scores, -np.sort(-exact, axis=1)[:, :20], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.take_along_axis(exact, found, 1), scores, rtol=1e-4, atol=1e-5)


def test_factors_give_the_same_bytes_on_one_thread_and_many() -> None:
    rng = np.random.default_rng(1)
    users = rng.standard_normal((1300, 24), dtype=np.float32)
    items = rng.standard_normal((3000, 24), dtype=np.float32)
    many = top_n_of_factors(users, items, 30)
    threads = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(1)
        one = top_n_of_factors(users, items, 30)
    finally:
        faiss.omp_set_num_threads(threads)
    assert [part.tobytes() for part in one] == [part.tobytes() for part in many]


def test_identical_item_factors_are_ordered_by_position_across_tiles() -> None:
    rng = np.random.default_rng(2)
    # Small whole numbers: their products and sums are exact in float32, in whatever order.
    one_item = rng.integers(-9, 10, (1, 33)).astype(np.float32)
    items = np.tile(one_item, (top_n.TILE_ITEMS + 300, 1))
    users = rng.integers(-9, 10, (3, 33)).astype(np.float32)
    k = top_n.TILE_ITEMS + 200
    found, _ = top_n_of_factors(users, items, k)
    np.testing.assert_array_equal(found, np.tile(np.arange(k), (3, 1)))


def test_scores_are_left_alone_unless_they_may_be_overwritten() -> None:
    scores = np.array([[1.0, 2.0]], dtype=np.float32)
    gone = np.array([False, True])
    top_n_of_scores(scores, 1, exclude_items=gone)
    np.testing.assert_array_equal(scores, [[1.0, 2.0]])
    top_n_of_scores(scores, 1, exclude_items=gone, overwrite_scores=True)
    np.testing.assert_array_equal(scores, [[1.0, -np.inf]])


def test_nan_scores_are_refused() -> None:
    scores = np.array([[1.0, np.nan, -np.inf]], dtype=np.float32)
    with pytest.raises(InvalidScoreError, match="Found NaN"):
        top_n_of_scores(scores, 1)


def test_infinite_scores_are_refused() -> None:
    with pytest.raises(InvalidScoreError, match=r"Found \+inf"):
        top_n_of_scores(np.array([[1.0, np.inf]], dtype=np.float32), 1)


def test_factors_that_may_overflow_are_refused() -> None:
    huge = np.full((1, 2), 1e19, dtype=np.float32)
    with pytest.raises(InvalidScoreError, match=r"magnitudes up to 1e\+19"):
        top_n_of_factors(huge, 10 * huge, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_factors_that_are_not_finite_are_refused(bad: float) -> None:
    good = np.ones((2, 2), dtype=np.float32)
    with pytest.raises(InvalidScoreError, match="Factors must be finite"):
        top_n_of_factors(good, np.array([[1.0, bad]], dtype=np.float32), 1)
    with pytest.raises(InvalidScoreError, match="Factors must be finite"):
        top_n_of_factors(np.array([[bad, 0.0]], dtype=np.float32), good, 1)


def test_a_user_served_alone_gets_the_list_of_the_batch() -> None:
    rng = np.random.default_rng(3)
    users = rng.standard_normal((517, 21), dtype=np.float32)
    items = rng.standard_normal((1500, 21), dtype=np.float32)
    batch = top_n_of_factors(users, items, 12)
    for user in (0, 300, 516):
        alone = top_n_of_factors(users[user : user + 1], items, 12)
        assert_same_lists(alone, (batch[0][user : user + 1], batch[1][user : user + 1]))


def test_users_for_whom_the_guess_is_too_high_are_ranked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(4)
    users = rng.standard_normal((20, 5), dtype=np.float32)
    items = rng.standard_normal((130, 5), dtype=np.float32)
    monkeypatch.setattr(top_n, "TILE_USERS", 8)
    monkeypatch.setattr(top_n, "TILE_ITEMS", 32)
    expected = top_n_of_factors(users, items, 20)
    monkeypatch.setattr(top_n, "GUESS_DEVIATIONS", -9.0)  # the sample's best score
    assert_same_lists(top_n_of_factors(users, items, 20), expected)
    assert (expected[0] >= 0).all()


def test_users_without_factors_get_the_first_items() -> None:
    items = np.random.default_rng(5).standard_normal((top_n.TILE_ITEMS + 9, 4), dtype=np.float32)
    found, scores = top_n_of_factors(np.zeros((700, 4), dtype=np.float32), items, 6)
    np.testing.assert_array_equal(found, np.tile(np.arange(6), (700, 1)))
    assert (scores == 0).all()


def test_more_items_than_a_sorting_key_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(top_n, "MAX_ITEMS", 2)
    with pytest.raises(InvalidScoreError, match="At most 2 items"):
        top_n_of_factors(np.ones((1, 1), np.float32), np.ones((3, 1), np.float32), 1)
