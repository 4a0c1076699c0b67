from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.models import base as base_module
from pipelines.models.base import Exclusion
from pipelines.models.popularity import Popularity
from pipelines.models.ranker import two_stage as ranker_module
from pipelines.models.ranker.features import read_item_facts
from pipelines.models.ranker.two_stage import TwoStageRanker

SMALL = {"n_iterations": 8, "min_samples_leaf": 10, "n_folds": 3}


def test_what_happens_every_fortnight_is_learned(make_history: Callable[..., Interactions]) -> None:
    """Everybody takes tea again and again, and a cup only once; cups are the more popular."""
    rows = [(f"u{n:02}", "tea", "purchase", age) for n in range(40) for age in range(7, 90, 14)]
    cups = [(f"u{n:02}", "cup", "purchase", 5 + n * 2, 9) for n in range(40)]
    history = make_history([*rows, *cups])
    parts = [{"recommender": "popularity", "params": {"user_cap": 100.0}}]
    assert first_items(TwoStageRanker(parts=parts, **SMALL), history) == {"tea"}
    assert first_items(TwoStageRanker(parts=parts, n_folds=1, horizon_days=90), history) == {"cup"}


def first_items(ranker: TwoStageRanker, history: Interactions) -> set[str]:
    lists = ranker.fit(history).recommend(history, 1)
    return set(lists.item_ids[lists.items[:, 0]].tolist())


def test_without_an_earlier_fold_reciprocal_ranks_are_summed(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "b"), ("v", "a"), ("w", "a")])
    parts = [{"recommender": "popularity"}, {"recommender": "personal_frequency"}]
    ranker = TwoStageRanker(parts=parts).fit(history)
    assert ranker.trees_.shape == (0, 9)
    lists = ranker.recommend(history, 2)
    # popularity ranks a, b; u's own frequency ranks b, a
    np.testing.assert_allclose(lists.scores[0], [1 / 61 + 1 / 62, 1 / 61 + 1 / 62], rtol=1e-6)
    assert lists.items[0].tolist() == [0, 1]


def test_last_day_of_the_history_teaches_the_newest_fold_only(
    random_history: Interactions,
) -> None:
    """Trees of a history cut a horizon earlier are those of all folds but the newest."""
    ranker = TwoStageRanker(**SMALL)
    folds = list(ranker._folds(random_history))
    earlier = list(ranker._folds(random_history.before(folds[0].past.cutoff)))
    assert folds[1].past.content_hash() == earlier[0].past.content_hash()
    assert all(fold.past.cutoff < random_history.cutoff for fold in folds)


def test_blocks_of_users_do_not_change_lists(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = TwoStageRanker(**SMALL).fit(random_history)
    rule = Exclusion(random_history.pairs(["purchase"]))
    whole = ranker.recommend(random_history, 9, exclude=rule)
    bytes_of_a_user = 4 * int(ranker.count_scores(random_history).max())
    monkeypatch.setattr(base_module, "THREAD_BLOCK_BYTES", 7 * bytes_of_a_user)
    blocks = ranker.recommend(random_history, 9, exclude=rule)
    assert blocks.items.tobytes() == whole.items.tobytes()
    assert blocks.scores.tobytes() == whole.scores.tobytes()


def test_user_without_a_choice_gets_no_list_and_moves_nobody_elses(
    make_history: Callable[..., Interactions],
) -> None:
    """The first of all users only looked; the others are ranked as if alone."""
    rng = np.random.default_rng(5)
    rows = [
        (f"u{user:02}", f"i{min(int(rng.pareto(0.9) * 4), 29):02}", "purchase", age)
        for user in range(30)
        for age in range(1 + user % 7, 60, 7)
    ]
    history = make_history([("a_looker", "i00", "view", 3), *rows])
    ranker = TwoStageRanker(**SMALL).fit(history)
    everybody = ranker.recommend(history, 9)
    others = ranker.recommend(history.select_users(np.arange(1, history.n_users)), 9)
    assert history.user_ids[0] == "a_looker" and (everybody.items[0] == -1).all()
    assert everybody.items[1:].tobytes() == others.items.tobytes()
    assert len({tuple(row) for row in others.items.tolist()}) > 10


def test_what_is_learned_from_has_its_own_features(random_history: Interactions) -> None:
    """Rows that are left out change nothing of those that stay, among them all relevant ones."""

    def learned(max_negatives: int) -> list[set[bytes]]:
        ranker = TwoStageRanker(**SMALL, max_negatives=max_negatives)
        rng = np.random.default_rng(0)
        rows = [
            row for fold in ranker._folds(random_history) for row in ranker._fold_rows(fold, rng)
        ]
        features = np.vstack([found for found, _, _ in rows]).round(4)  # BLAS rounds by block
        is_relevant = np.concatenate([found for _, found, _ in rows])
        return [{row.tobytes() for row in features[is_relevant == kind]} for kind in (True, False)]

    (relevant, others), (all_relevant, all_others) = learned(2), learned(1000)
    assert relevant == all_relevant and len(relevant) > 100
    assert others < all_others and not relevant & others


def test_negatives_are_sampled_by_user_and_positives_kept() -> None:
    user = np.repeat([0, 1], [6, 3])
    is_relevant = np.array([1, 0, 0, 0, 0, 1, 0, 0, 1], dtype=bool)
    kept = ranker_module._keep(user, is_relevant, 2, np.random.default_rng(0))
    assert (np.diff(kept) > 0).all()
    assert {0, 5, 8} <= set(kept)
    assert np.bincount(user[kept], ~is_relevant[kept]).tolist() == [2, 2]


def test_features_are_named_in_order(random_history: Interactions) -> None:
    ranker = TwoStageRanker(**SMALL).fit(random_history)
    users, found = ranker.list_first_stage(random_history, Exclusion())
    features = ranker.describe(found, random_history.select_users(users))
    assert features.shape == (len(found.user), len(ranker.feature_names))
    assert ranker.feature_names[:3] == (
        "part_1_personal_frequency_score",
        "part_1_personal_frequency_relative_score",
        "part_1_personal_frequency_rank",
    )


@pytest.mark.parametrize(
    ("params", "name"),
    [({"depth": 0}, "depth"), ({"n_folds": 0}, "n_folds"), ({"n_seeds": 0}, "n_seeds"),
     ({"horizon_days": 0}, "horizon_days"), ({"max_users": 0}, "max_users"),
     ({"max_negatives": 0}, "max_negatives"), ({"learning_rate": 0.0}, "learning_rate")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(
    params: dict, name: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must be"):
        TwoStageRanker(**params).fit(random_history)


def test_a_fold_learns_only_from_what_was_known_at_its_cut(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[Interactions, np.ndarray]] = []
    first_stage = TwoStageRanker._fit_first_stage

    def noted(ranker: TwoStageRanker, history: Interactions):
        parts, item_facts, titles = first_stage(ranker, history)
        learned.append((history, item_facts))
        return parts, item_facts, titles

    monkeypatch.setattr(TwoStageRanker, "_fit_first_stage", noted)
    ranker = TwoStageRanker(n_folds=2, n_iterations=2).fit(random_history)
    days = [(random_history.cutoff - history.cutoff).days for history, _ in learned]
    assert days == [0, 14, 28]
    for history, item_facts in learned:
        expected = read_item_facts(history, ranker.event_weights)
        np.testing.assert_array_equal(item_facts, expected)


# the first stage

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
    found = TwoStageRanker(parts=parts, depth=1).fit(history).list_candidates(history)
    # the most popular item and the user's own first: only dan has another
    assert [names_of(history, row) for row in found.toarray()] == [
        *(["milk"], ["milk"], ["milk"], ["milk", "tea"])
    ]


def test_an_excluded_item_makes_room_for_the_next_one(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(BOUGHT)
    ranker = TwoStageRanker(parts=[{"recommender": "popularity"}], depth=1).fit(history)
    found = ranker.list_candidates(history, exclude=Exclusion(history.pairs()))
    assert [names_of(history, row) for row in found.toarray()] == [
        *(["jam"], ["tea"], ["tea"], ["milk"])
    ]


def test_every_listed_item_is_a_candidate_and_every_candidate_can_be_listed(
    random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = TwoStageRanker(**SMALL).fit(random_history)
    rule = Exclusion(random_history.pairs(["purchase"]))
    lists = ranker.recommend(random_history, random_history.n_items, exclude=rule)
    bytes_of_a_user = 4 * int(ranker.count_scores(random_history).max())
    monkeypatch.setattr(base_module, "THREAD_BLOCK_BYTES", 7 * bytes_of_a_user)
    candidates = ranker.list_candidates(random_history, exclude=rule).toarray()
    for row, items in zip(candidates, lists.items, strict=True):
        assert np.flatnonzero(row).tolist() == sorted(items[items >= 0].tolist())


def test_candidates_are_in_the_columns_of_the_history_that_asks(
    make_history: Callable[..., Interactions],
) -> None:
    ranker = TwoStageRanker(parts=[{"recommender": "popularity"}], depth=1)
    ranker.fit(make_history(BOUGHT))
    later = make_history([("eve", "apple"), ("eve", "milk")], items=["apple", "milk", "rum"])
    assert names_of(later, ranker.list_candidates(later).toarray()[0]) == ["milk"]


def test_user_without_a_choice_has_no_candidates(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("abe", "tea", "view"), *BOUGHT])
    parts = [{"recommender": "personal_frequency", "params": {"popularity_half_life_days": 1.0}}]
    found = TwoStageRanker(parts=parts, depth=1).fit(history).list_candidates(history)
    assert [names_of(history, row) for row in found.toarray()] == [
        *([], ["milk"], ["milk"], ["milk"], ["tea"])
    ]


def test_recommender_of_one_stage_has_no_candidates_to_list(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history(BOUGHT)
    assert Popularity().fit(history).list_candidates(history) is None


# a sample to explain


@pytest.fixture(scope="module")
def weekly(make_history: Callable[..., Interactions]) -> Interactions:
    """Tea comes every fortnight and cups once: only what a user did tells them apart."""
    rows = [(f"u{n:02}", "tea", "purchase", age) for n in range(40) for age in range(7, 90, 14)]
    cups = [(f"u{n:02}", f"cup{n % 5}", "purchase", 5 + n * 2) for n in range(40)]
    return make_history([*rows, *cups, ("zoe", "tea", "view", 3)])


def test_sample_is_of_users_with_a_choice_and_the_same_every_time(
    weekly: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = TwoStageRanker(**SMALL, parts=[{"recommender": "popularity"}]).fit(weekly)
    rows, user_count = ranker.sample_candidates(weekly)
    assert (len(rows), user_count) == (40 * 6, 40)  # six items for each; zoe only looked
    monkeypatch.setattr(ranker_module, "SAMPLE_USERS", 10)
    monkeypatch.setattr(ranker_module, "SAMPLE_ROWS", 7)
    some, user_count = ranker.sample_candidates(weekly)
    assert (len(some), user_count) == (7, 10)
    np.testing.assert_array_equal(some, ranker.sample_candidates(weekly)[0])
    np.testing.assert_array_equal(some[[0, -1]], rows[[0, -1]])


def test_known_items_are_in_the_sample_only_where_repeats_are_candidates(
    weekly: Interactions,
) -> None:
    ranker = TwoStageRanker(**SMALL, parts=[{"recommender": "popularity"}], repeats=False)
    rows, _ = ranker.fit(weekly).sample_candidates(weekly)
    assert len(rows) == 40 * 4  # neither tea nor one's own cup
