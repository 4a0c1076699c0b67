from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models import base
from pipelines.models.block_recommenders import count_reached
from pipelines.models.item_knn import ItemKNN


def test_reached_items_are_added_up_by_user_up_to_all(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("u", "b"), ("w", "a")], users=["u", "v", "w"])
    # a leads to one item, b to five; there are two
    assert count_reached(history, np.array([1, 5])).tolist() == [2 * 2, 0, 2 * 1]


def test_a_user_who_fills_a_block_is_ranked_alone(random_history: Interactions) -> None:
    recommender = ItemKNN(shrinkage=1.0).fit(random_history)
    counts = recommender.count_scores(random_history)
    whole = recommender.recommend(random_history, 5)
    first = recommender.recommend(random_history.select_users(np.array([7])), 5)
    assert first.items.tobytes() == whole.items[7:8].tobytes()
    blocks = list(base.user_blocks(counts * base.THREAD_BLOCK_BYTES))
    assert len(blocks) == random_history.n_users
