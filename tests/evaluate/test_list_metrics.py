from __future__ import annotations

import itertools
import json
from math import log2, sqrt
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from pipelines.evaluate import list_metrics
from pipelines.evaluate.list_metrics import (
    coverage,
    gini,
    intra_list_diversity,
    item_vectors,
    mean_popularity,
    novelty,
    personalisation,
    profile_popularity,
)

CASE = json.loads((Path(__file__).parent / "cases" / "coverage_diversity.json").read_text())


def fixture_of_recommenders() -> tuple[np.ndarray, sparse.csr_array]:
    """Lists and history of the published case; item 1 is column 0."""
    pairs = zip(CASE["lists"]["user"], CASE["lists"]["item"], strict=True)
    lists = [[item - 1 for _, item in rows] for _, rows in itertools.groupby(pairs, lambda p: p[0])]
    user, item = (np.array(CASE["history"][key]) - 1 for key in ("user", "item"))
    history = sparse.csr_array((np.ones(len(user), dtype=bool), (user, item)), shape=(3, 5))
    return np.array(lists, dtype=np.int32), history


def array(*rows: list[int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32)


# published case


def test_coverage_of_the_recommenders_fixture() -> None:
    lists, history = fixture_of_recommenders()

    assert coverage(lists, history.shape[1]) == CASE["coverage"]


def test_novelty_of_the_recommenders_fixture() -> None:
    lists, history = fixture_of_recommenders()

    found = novelty(lists, np.bincount(history.indices, minlength=5))

    assert found.mean() == pytest.approx(CASE["novelty"], abs=CASE["tolerance"])


def test_diversity_of_the_recommenders_fixture() -> None:
    lists, history = fixture_of_recommenders()

    found = intra_list_diversity(lists, item_vectors(history))

    assert found == pytest.approx(list(CASE["user_diversity"].values()), abs=CASE["tolerance"])
    assert found.mean() == pytest.approx(CASE["diversity"], abs=CASE["tolerance"])


# coverage and Gini


def test_coverage_counts_padding_as_nothing() -> None:
    assert coverage(array([0, -1], [-1, -1]), n_items=4) == 1 / 4


def test_gini_is_zero_when_all_items_are_shown_equally() -> None:
    assert gini(array([0, 1], [2, 3]), n_items=4) == 0


def test_gini_of_one_item_everywhere() -> None:
    # counts 0, 0, 0, 3 sorted: (2*4 - 4 - 1) * 3 / (4 * 3) = 3/4
    assert gini(array([1], [1], [1]), n_items=4) == 3 / 4


def test_gini_equals_mean_absolute_difference_over_twice_the_mean() -> None:
    lists = np.random.default_rng(1).integers(0, 9, (30, 4), dtype=np.int32)
    counts = np.bincount(lists.ravel(), minlength=9)

    expected = np.abs(counts[:, None] - counts).mean() / (2 * counts.mean())

    assert gini(lists, n_items=9) == pytest.approx(expected, abs=1e-12)


def test_gini_without_any_list_is_zero() -> None:
    assert gini(array([-1, -1]), n_items=3) == 0


# personalisation


def test_personalisation_is_zero_for_equal_lists_and_one_for_disjoint() -> None:
    assert personalisation(array([0, 1], [1, 0])) == 0
    assert personalisation(array([0, 1], [2, 3])) == 1


def test_personalisation_of_fewer_than_two_lists_is_none() -> None:
    assert personalisation(array([0, 1], [-1, -1])) is None


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.integers(1, 5), st.integers(0, 10**6))
def test_personalisation_equals_the_mean_over_all_pairs(n_lists: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lists = np.argsort(rng.random((n_lists, 9)), axis=1)[:, :k].astype(np.int32)

    pairs = itertools.combinations([set(row.tolist()) for row in lists], 2)
    expected = 1 - np.mean([len(a & b) / k for a, b in pairs])

    assert personalisation(lists) == pytest.approx(expected, abs=1e-12)


# popularity, novelty, diversity


def test_mean_popularity_is_the_share_of_users_who_met_the_items() -> None:
    found = mean_popularity(array([0, 1], [1, -1], [-1, -1]), np.array([8, 2]), n_users=10)

    assert found == pytest.approx([(0.8 + 0.2) / 2, 0.2])


def test_novelty_of_an_item_nobody_met_is_that_of_one_user() -> None:
    found = novelty(array([0, -1], [1, -1]), np.array([0, 8]))

    assert found == pytest.approx([-log2(1 / 8), -log2(8 / 8)])


def test_diversity_of_items_met_by_the_same_and_by_other_users() -> None:
    # users: a met 0, 1, 2; b met 0, 1; item 3 nobody
    history = sparse.csr_array(np.array([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=bool))

    found = intra_list_diversity(
        array([0, 1, -1], [0, 1, 2], [0, 3, -1], [0, -1, -1]), item_vectors(history)
    )

    similar = 1 / sqrt(2)  # one shared user, over the roots of 2 and 1
    assert found == pytest.approx([0, 1 - (1 + similar + similar) / 3, 1], abs=1e-12)


def test_diversity_of_many_lists_is_measured_on_evenly_spaced_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(list_metrics, "MAX_DIVERSITY_LISTS", 2)
    history = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 1]], dtype=bool))

    found = intra_list_diversity(array([0, 1], [0, 2], [0, 2], [1, 2]), item_vectors(history))

    np.testing.assert_allclose(found, [0, 1], atol=1e-12)  # the first and the last


def test_diversity_by_some_of_the_users_is_that_of_all_on_average(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(3)
    history = sparse.csr_array(rng.random((400, 12)) < rng.random(12) * 0.6)
    lists = np.argsort(rng.random((30, 12)), axis=1)[:, :5].astype(np.int32)
    of_all = intra_list_diversity(lists, item_vectors(history))

    monkeypatch.setattr(list_metrics, "MAX_DIVERSITY_USERS", 100)
    shuffled = [history[rng.permutation(400)] for _ in range(200)]
    of_some = np.mean(
        [intra_list_diversity(lists, item_vectors(users)) for users in shuffled], axis=0
    )

    np.testing.assert_allclose(of_some, of_all, atol=0.015)
    assert not np.array_equal(intra_list_diversity(lists, item_vectors(shuffled[0])), of_all)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_diversity_equals_pair_by_pair_cosines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    dense = rng.random((6, 8)) < 0.5
    lists = np.argsort(rng.random((3, 8)), axis=1)[:, :4].astype(np.int32)

    def cosine(a: int, b: int) -> float:
        norm = sqrt(dense[:, a].sum() * dense[:, b].sum())
        return float((dense[:, a] & dense[:, b]).sum() / norm) if norm else 0.0

    expected = [
        1 - np.mean([cosine(a, b) for a, b in itertools.combinations(row.tolist(), 2)])
        for row in lists
    ]
    found = intra_list_diversity(lists, item_vectors(sparse.csr_array(dense)))
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_profile_popularity_of_a_user_without_history_is_zero() -> None:
    own = sparse.csr_array(np.array([[0, 0], [1, 1]], dtype=bool))

    assert profile_popularity(own, np.array([3, 1]), n_users=4).tolist() == [0, (3 + 1) / 8]
