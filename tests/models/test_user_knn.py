from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models.kernels import signals
from pipelines.models.user_knn import UserKNN


def test_score_is_the_sum_of_similarities_to_users_who_chose(
    make_history: Callable[..., Interactions],
) -> None:
    learned = make_history([("v", "a"), ("v", "b"), ("w", "c")])
    recommender = UserKNN(shrinkage=1.0).fit(learned)
    lists = recommender.recommend(make_history([("u", "a")]), 3)
    # each item is chosen once: x_u = (1, 0, 0), x_v = (1, 1, 0), 1 / (1 * √2 + 1)
    assert lists.items[0].tolist() == [0, 1, -1]
    np.testing.assert_allclose(lists.scores[0, :2], 1 / (np.sqrt(2) + 1), rtol=1e-6)


def test_only_the_nearest_users_are_asked(make_history: Callable[..., Interactions]) -> None:
    learned = make_history([("near", "a"), ("near", "x"), *(("far", item) for item in "abcdy")])
    lists = UserKNN(n_neighbors=1).fit(learned).recommend(make_history([("u", "a")]), 5)
    assert set(lists.item_ids[lists.items[lists.items >= 0]]) == {"a", "x"}


def test_recent_choices_of_neighbors_count_more(make_history: Callable[..., Interactions]) -> None:
    learned = make_history([("v", "a"), ("v", "old", "purchase", 11), ("v", "young")])
    recommender = UserKNN(recent_half_life_days=10.0).fit(learned)
    scores = recommender.recommend(make_history([("u", "a")]), 3).scores[0]
    assert scores[-1] / scores[0] == pytest.approx(1 / 2)  # ten days older


def test_blocks_of_similarities_do_not_change_scores(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = UserKNN(n_neighbors=7).fit(random_history)
    whole = recommender.score(random_history)
    monkeypatch.setattr(signals, "SPARSE_BLOCK_ENTRIES", random_history.n_users * 7)
    np.testing.assert_array_equal(recommender.score(random_history), whole)


def test_only_so_many_users_may_be_neighbours(random_history: Interactions) -> None:
    few = UserKNN(n_neighbors=1, max_users=7).fit(random_history)
    every = UserKNN(n_neighbors=1).fit(random_history)
    assert len(few.norm_) == few.users_by_item_.shape[1] == few.recent_.shape[0] == 7
    assert len(every.norm_) > 50
    assert (
        few.recommend(random_history, 5).items != every.recommend(random_history, 5).items
    ).any()


@pytest.mark.parametrize(
    ("params", "name"),
    [({"n_neighbors": 0}, "n_neighbors"), ({"max_users": 0}, "max_users"), ({"shrinkage": -1.0}, "shrinkage"),
     ({"half_life_days": 0.0}, "half_life_days"),
     ({"recent_half_life_days": 0.0}, "recent_half_life_days")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(
    params: dict, name: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must be"):
        UserKNN(**params).fit(random_history)


def test_a_neighbour_counts_an_item_once(make_history):
    rows = [("u", "a"), ("v", "a"), ("v", "b"), ("w", "a"), ("w", "b")]
    bulk = [("x", "a"), ("x", "c", "purchase", 1, 100_000)]
    history = make_history([*rows, *bulk])
    lists = UserKNN().fit(history).recommend(history.select_users(np.array([0])), 3)
    assert lists.item_ids[lists.items[0, 1:]].tolist() == ["b", "c"]  # of two, and of one
