from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from pipelines.rules import rerank as rerank_module
from pipelines.rules.rerank import item_categories, item_similarity, rerank, similarity_of


def lists(*rows):
    width = max(map(len, rows))
    return np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int32)


def in_new_order(items, depth, **rules):
    return np.take_along_axis(items, rerank(items, depth, **rules), axis=1)


def slow_mmr(row, depth, *, similarity, diversity, categories, most):
    """One list, item by item, from the definition."""
    relevance = {item: 1 - rank / len(row) for rank, item in enumerate(row)}
    chosen, left = [], list(row)
    while left and len(chosen) < depth:
        used = [code for item in chosen for code in categories[item] if code >= 0]
        allowed = [
            item
            for item in left
            if all(used.count(code) < most for code in categories[item] if code >= 0)
        ]
        best = max(
            allowed or left,
            key=lambda item: (
                (1 - diversity) * relevance[item]
                - diversity * max([similarity[item, one] for one in chosen], default=0.0)
            ),
        )
        chosen.append(best)
        left.remove(best)
    return chosen + left


# categories


def test_a_category_has_no_more_items_in_the_first_ranks_than_the_cap():
    categories = np.array([[0], [0], [0], [1], [0], [1]], dtype=np.int32)

    found = in_new_order(lists([0, 1, 2, 3, 4, 5]), 4, categories=categories, max_per_category=2)

    assert found.tolist() == [[0, 1, 3, 5, 2, 4]]


def test_an_item_of_two_categories_counts_for_both():
    categories = np.array([[0, 1], [0, -1], [1, -1], [2, -1]], dtype=np.int32)

    found = in_new_order(lists([0, 1, 2, 3]), 2, categories=categories, max_per_category=1)

    assert found.tolist() == [[0, 3, 1, 2]]


def test_items_without_a_category_are_not_capped():
    categories = np.full((4, 1), -1, dtype=np.int32)

    found = in_new_order(lists([3, 1, 2, 0]), 4, categories=categories, max_per_category=1)

    assert found.tolist() == [[3, 1, 2, 0]]


def test_the_cap_gives_way_rather_than_shorten_a_list():
    categories = np.array([[0], [0], [0]], dtype=np.int32)

    found = in_new_order(lists([2, 0, 1]), 3, categories=categories, max_per_category=1)

    assert found.tolist() == [[2, 0, 1]]


def test_categories_are_split_at_the_bar_and_missing_ones_are_none():
    found = item_categories(
        np.array(["a", "b", "c", "d"]), {"a": "Drama|Comedy", "b": None, "c": "Comedy | Comedy"}
    )

    assert found.tolist() == [[0, 1], [-1, -1], [0, -1], [-1, -1]]


# diversification


def test_a_twin_of_the_first_item_makes_room_for_another():
    similarity = similarity_of(sparse.csr_array(np.array([[0, 1.0, 0], [1.0, 0, 0], [0, 0, 0]])))

    found = in_new_order(lists([0, 1, 2]), 3, similarity=similarity, diversity=0.5)

    # after 0: item 1 is worth .5 * 2/3 - .5 * 1, item 2 .5 * 1/3
    assert found.tolist() == [[0, 2, 1]]


def test_no_diversity_keeps_the_order():
    rng = np.random.default_rng(0)
    similarity = similarity_of(sparse.csr_array(rng.random((9, 9))))
    items = rng.permuted(np.tile(np.arange(9, dtype=np.int32), (5, 1)), axis=1)

    np.testing.assert_array_equal(in_new_order(items, 9, similarity=similarity), items)


def test_similarity_is_the_cosine_of_the_histories(make_history):
    history = make_history([("u", "a"), ("u", "b"), ("v", "a"), ("w", "c"), ("v", "c", "view")])

    similarity = item_similarity(history)

    # a was met by u and v, b by u, c by v and w
    first, second = np.array([0, 1, 0, 1]), np.array([1, 0, 2, 2])
    expected = [1 / np.sqrt(2), 1 / np.sqrt(2), 1 / 2, 0]
    np.testing.assert_allclose(similarity.of(first, second), expected, rtol=1e-6)


def test_a_catalogue_nobody_met_is_all_unlike():
    none = similarity_of(sparse.csr_array((3, 3)))

    assert none.of(np.array([0, 1]), np.array([1, 2])).tolist() == [0, 0]


# both


@pytest.mark.parametrize(("diversity", "most"), [(0.0, 1), (0.3, 99), (0.7, 2), (0.95, 1)])
def test_every_list_equals_the_slow_definition(diversity, most, monkeypatch):
    rng = np.random.default_rng(3)
    monkeypatch.setattr(rerank_module, "BLOCK_USERS", 7)
    cosines = np.triu(rng.random((30, 30)) * (rng.random((30, 30)) < 0.4), 1)
    cosines = (cosines + cosines.T).astype(np.float32)
    categories = rng.integers(-1, 4, (30, 2)).astype(np.int32)
    categories[:, 1] = np.where(categories[:, 1] == categories[:, 0], -1, categories[:, 1])
    rows = [rng.permutation(30)[: rng.integers(0, 25)].tolist() for _ in range(40)]

    found = in_new_order(
        lists(*rows),
        6,
        categories=categories,
        max_per_category=most,
        similarity=similarity_of(sparse.csr_array(cosines)),
        diversity=diversity,
    )

    for row, new in zip(rows, found.tolist(), strict=True):
        wanted = slow_mmr(
            row,
            6,
            similarity=cosines,
            diversity=diversity,
            categories=categories.tolist(),
            most=most,
        )
        assert new == wanted + [-1] * (len(new) - len(wanted))


def test_a_list_is_put_in_order_the_same_whoever_else_is_in_the_block():
    rng = np.random.default_rng(1)
    similarity = similarity_of(sparse.csr_array(rng.random((20, 20))))
    items = rng.permuted(np.tile(np.arange(20, dtype=np.int32), (9, 1)), axis=1)

    together = in_new_order(items, 5, similarity=similarity, diversity=0.6)

    for row, alone in zip(items, together, strict=True):
        found = in_new_order(row[None, :], 5, similarity=similarity, diversity=0.6)
        np.testing.assert_array_equal(found[0], alone)
