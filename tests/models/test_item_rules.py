from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.item_rules import ItemRules
from pipelines.models.kernels import signals


def test_rules_count_pairs_of_one_basket_and_of_baskets_after_it(
    make_history: Callable[..., Interactions],
) -> None:
    # u: {a, b}, then {c}, then {d}
    history = make_history([("u", "a", "purchase", 9), ("u", "b", "purchase", 9),
                            ("u", "c", "purchase", 5), ("u", "d", "purchase", 1)])  # fmt: skip
    rules = ItemRules(max_gap=2, together_weight=3.0).fit(history).rules_.toarray()
    # every item is in one basket, so nothing divides
    assert rules.tolist() == [[0, 3, 1, 1 / 2], [3, 0, 1, 1 / 2], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_rules_are_divided_by_the_counts_of_both_items(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", "a", "purchase", 9), ("u", "b", "purchase", 1)]
    history = make_history([*rows, ("v", "a"), ("w", "b"), ("x", "b"), ("y", "b")])
    rules = ItemRules(popularity_exponent=0.5).fit(history).rules_.toarray()
    # a is in 2 baskets, b in 4: 1 / (2 * √4)
    np.testing.assert_allclose(rules, [[0, 1 / 4], [0, 0]])


def test_older_pairs_of_baskets_count_less(make_history: Callable[..., Interactions]) -> None:
    history = make_history(
        [("u", "a", "purchase", 10), ("u", "b", "purchase", 10), ("v", "c"), ("v", "d")]
    )
    rules = ItemRules(half_life_days=9.0).fit(history).rules_.toarray()
    assert rules[0, 1] / rules[2, 3] == pytest.approx(1 / 2)  # nine days older


def test_last_basket_counts_most(make_history: Callable[..., Interactions]) -> None:
    learned = make_history([("p", "a"), ("p", "x"), ("q", "b"), ("q", "y")])
    rules = ItemRules(basket_decay=0.5).fit(learned)
    reader = make_history([("u", "a", "purchase", 8), ("u", "b", "purchase", 1)])
    lists = rules.recommend(reader, 2)
    assert lists.item_ids[lists.items[0]].tolist() == ["y", "x"]
    np.testing.assert_allclose(lists.scores[0], [1.0, 0.5])


def test_strongest_rules_of_each_item_are_kept(random_history: Interactions) -> None:
    """Of equal ones, those that lead to the first items."""
    everything = ItemRules().fit(random_history).rules_.toarray()
    cut = ItemRules(n_neighbors=4).fit(random_history).rules_.toarray()
    for row, kept in zip(everything, cut, strict=True):
        strongest = [item for item in np.argsort(-row, kind="stable")[:4] if row[item] > 0]
        assert np.flatnonzero(kept).tolist() == sorted(strongest)
        assert kept[strongest].tolist() == row[strongest].tolist()


def test_blocks_of_items_do_not_change_rules(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = ItemRules(half_life_days=20.0).fit(random_history).rules_
    monkeypatch.setattr(signals, "SPARSE_BLOCK_ENTRIES", 7)
    blocks = ItemRules(half_life_days=20.0).fit(random_history).rules_
    for name in ("indptr", "indices", "data"):
        assert getattr(blocks, name).tobytes() == getattr(whole, name).tobytes()


@pytest.mark.parametrize(
    ("params", "name"),
    [({"n_neighbors": 0}, "n_neighbors"), ({"max_gap": -1}, "max_gap"), ({"together_weight": -1.0}, "together_weight"),
     ({"popularity_exponent": -0.1}, "popularity_exponent"), ({"basket_decay": 0.0}, "basket_decay"),
     ({"half_life_days": 0.0}, "half_life_days")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(
    params: dict, name: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must be"):
        ItemRules(**params).fit(random_history)
