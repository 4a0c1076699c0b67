from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models import ranker as ranker_module
from pipelines.models.base import Exclusion
from pipelines.models.first_stage import list_candidates
from pipelines.models.popularity import Popularity
from pipelines.models.ranker import TwoStageRanker

SMALL = {"n_iterations": 4, "min_samples_leaf": 10, "n_folds": 2, "depth": 5}
#: Popularity: milk 3, jam 2, tea 1; milk is the first choice of all but dan.
BOUGHT = [
    *(("ann", "milk"), ("bob", "milk"), ("bob", "jam"), ("cid", "milk"), ("cid", "jam")),
    *(("dan", "tea"),),
]


def names_of(history: Interactions, row: np.ndarray) -> list[str]:
    return history.item_ids[row].tolist()


def test_candidates_are_the_union_of_what_the_parts_list(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(BOUGHT)
    parts = [{"recommender": "popularity"}, {"recommender": "personal_frequency"}]
    found = list_candidates(TwoStageRanker(parts=parts, depth=1).fit(history), history)
    # the most popular item and the user's own first: only dan has another
    assert [names_of(history, row) for row in found.toarray()] == [
        *(["milk"], ["milk"], ["milk"], ["milk", "tea"])
    ]


def test_an_excluded_item_makes_room_for_the_next_one(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(BOUGHT)
    ranker = TwoStageRanker(parts=[{"recommender": "popularity"}], depth=1).fit(history)
    found = list_candidates(ranker, history, exclude=Exclusion(history.pairs()))
    assert [names_of(history, row) for row in found.toarray()] == [
        *(["jam"], ["tea"], ["tea"], ["milk"])
    ]


def test_every_listed_item_is_a_candidate_and_every_candidate_can_be_listed(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = TwoStageRanker(**SMALL).fit(random_history)
    rule = Exclusion(random_history.pairs(["purchase"]))
    lists = ranker.recommend(random_history, random_history.n_items, exclude=rule)
    monkeypatch.setattr(ranker_module, "THREAD_BLOCK_BYTES", 7 * 12 * random_history.n_items)
    candidates = list_candidates(ranker, random_history, exclude=rule).toarray()
    for row, items in zip(candidates, lists.items, strict=True):
        assert np.flatnonzero(row).tolist() == sorted(items[items >= 0].tolist())


def test_candidates_are_in_the_columns_of_the_history_that_asks(
    make_history: Callable[..., Interactions],
) -> None:
    ranker = TwoStageRanker(parts=[{"recommender": "popularity"}], depth=1)
    ranker.fit(make_history(BOUGHT))
    later = make_history([("eve", "apple"), ("eve", "milk")], items=["apple", "milk", "rum"])
    assert names_of(later, list_candidates(ranker, later).toarray()[0]) == ["milk"]


def test_user_without_a_choice_has_no_candidates(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("abe", "tea", "view"), *BOUGHT])
    parts = [{"recommender": "personal_frequency", "params": {"popularity_half_life_days": 1.0}}]
    found = list_candidates(TwoStageRanker(parts=parts, depth=1).fit(history), history)
    assert [names_of(history, row) for row in found.toarray()] == [
        *([], ["milk"], ["milk"], ["milk"], ["tea"])
    ]


def test_recommender_of_one_stage_has_no_candidates_to_list(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(BOUGHT)
    assert list_candidates(Popularity().fit(history), history) is None
