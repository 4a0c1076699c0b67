"""The contract of every recommender in RECOMMENDERS."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from pipelines.base.errors import InvalidHistoryError
from pipelines.features.interactions import Interactions
from pipelines.models import base as base_module
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.candidates import RECOMMENDERS, Spec, recommender_class

#: Hyperparameters that suit histories of a few dozen rows, where the defaults do not.
PARAMS: dict[str, dict[str, Any]] = {
    "popularity": {"half_life_days": 20.0},
    "personal_frequency": {"popularity_half_life_days": 20.0},
    "personal_recency": {"popularity_half_life_days": 20.0},
    "item_knn": {"n_neighbors": 30, "shrinkage": 2.0, "half_life_days": 30.0},
    "rp3beta": {"n_neighbors": 30, "half_life_days": 30.0},
    "link_propagation": {"n_neighbors": 30, "half_life_days": 30.0},
    "graph_filter": {"n_factors": 8, "sharpening": 0.5, "half_life_days": 30.0},
    "ease": {"regularization": 5.0, "half_life_days": 30.0},
    "pure_svd": {"n_factors": 8, "half_life_days": 30.0},
    "ials": {"n_factors": 8, "n_iterations": 6, "half_life_days": 30.0},
    "segment_popularity": {"half_life_days": 20.0},
    "blend": {
        "parts": [
            {"recommender": "ease", "params": {"regularization": 5.0}, "weight": 2.0},
            {"recommender": "item_knn", "params": {"n_neighbors": 30, "shrinkage": 2.0}},
        ]
    },
    "item_content": {"half_life_days": 30.0, "popularity_weight": 0.01, "freshness_weight": 0.01},
    "item_rules": {"half_life_days": 30.0},
    "item_transitions": {"regularization": 1.0, "half_life_days": 30.0},
    "user_knn": {"n_neighbors": 10, "shrinkage": 1.0, "recent_half_life_days": 20.0},
    "ranker": {
        "parts": [
            {"recommender": "item_knn", "params": {"n_neighbors": 30, "shrinkage": 2.0}},
            {"recommender": "user_knn", "params": {"n_neighbors": 20, "shrinkage": 1.0}},
        ],
        "n_iterations": 10,
        "min_samples_leaf": 20,
    },
}
#: They know no other user's taste, so nothing tells them which half of the board is the user's.
CHECKERBOARD_NOT_SUPPORTED = {
    "popularity",
    "segment_popularity",
    "personal_frequency",
    "personal_recency",
}

every_recommender = pytest.mark.parametrize("key", sorted(RECOMMENDERS))


def make(key: str) -> Recommender:
    return recommender_class(key)(**PARAMS.get(key, {}))


def list_bytes(lists: TopN) -> tuple[bytes, bytes]:
    return lists.items.tobytes(), lists.scores.tobytes()


def learned(recommender: Recommender) -> dict[str, bytes]:
    """Every learned attribute as bytes."""
    found = {}
    for name, value in vars(recommender).items():
        if name.endswith("_"):
            found[name] = attribute_bytes(value)
    return found


def attribute_bytes(value: Any) -> bytes:
    if isinstance(value, tuple):  # the parts of a composed recommender
        return b"".join(value for part in value for _, value in sorted(learned(part).items()))
    arrays = (value.data, value.indices, value.indptr) if sparse.issparse(value) else (value,)
    return b"".join(np.asarray(array).tobytes() for array in arrays)


@every_recommender
def test_lists_have_shape_order_and_padding(key: str, random_history: Interactions) -> None:
    lists = make(key).fit(random_history).recommend(random_history, 12)

    assert lists.items.shape == lists.scores.shape == (random_history.n_users, 12)
    assert (lists.items.dtype, lists.scores.dtype) == (np.int32, np.float32)
    np.testing.assert_array_equal(lists.user_ids, random_history.user_ids)
    empty = lists.items < 0
    np.testing.assert_array_equal(empty, np.isnan(lists.scores))
    np.testing.assert_array_equal(empty, np.sort(empty, axis=1))  # padding is at the end only
    assert not empty.all()
    assert np.isfinite(lists.scores[~empty]).all()
    for items, scores in zip(lists.items, lists.scores, strict=True):
        listed = items >= 0
        assert len(set(items[listed])) == listed.sum()
        steps, columns = np.diff(scores[listed]), np.diff(items[listed])
        assert (steps <= 0).all()
        assert (columns[steps == 0] > 0).all()  # equal scores: lowest item_id first


@every_recommender
def test_excluded_items_are_never_listed(key: str, random_history: Interactions) -> None:
    gone = np.arange(random_history.n_items) % 3 == 0
    exclude = Exclusion(random_history.pairs(), gone)

    lists = make(key).fit(random_history).recommend(random_history, 45, exclude=exclude)

    users, _ = np.nonzero(lists.items >= 0)
    items = lists.items[lists.items >= 0]
    assert len(items)
    assert not gone[items].any()
    assert not exclude.pairs.toarray()[users, items].any()


@every_recommender
def test_excluding_everything_leaves_empty_lists(key: str, random_history: Interactions) -> None:
    exclude = Exclusion(items=np.ones(random_history.n_items, dtype=bool))
    lists = make(key).fit(random_history).recommend(random_history, 5, exclude=exclude)
    assert (lists.items == -1).all()


@every_recommender
def test_scores_and_lists_agree(key: str, random_history: Interactions) -> None:
    recommender = make(key).fit(random_history)
    lists = recommender.recommend(random_history, 10)
    scores = recommender.score(random_history)
    is_listed = lists.items >= 0
    by_score = np.take_along_axis(scores, np.maximum(lists.items, 0), axis=1)
    np.testing.assert_allclose(by_score[is_listed], lists.scores[is_listed], rtol=1e-4, atol=1e-5)
    for user, row in enumerate(scores):
        assert is_listed[user].sum() == min(10, np.isfinite(row).sum())


@every_recommender
def test_user_unseen_in_fit_gets_the_list_of_a_seen_one_with_the_same_history(
    key: str, random_history: Interactions
) -> None:
    recommender = make(key).fit(random_history)
    seen = random_history.select_users(np.array([3, 4]))
    stranger = Interactions(
        **{
            **{field.name: getattr(seen, field.name) for field in fields(seen)},
            "user_ids": np.array(["x1", "x2"]),
        }
    )
    expected, found = recommender.recommend(seen, 9), recommender.recommend(stranger, 9)
    assert list_bytes(found) == list_bytes(expected)
    assert found.user_ids.tolist() == ["x1", "x2"]


@every_recommender
def test_users_without_signal_all_get_a_list_or_none_does(
    key: str, random_history: Interactions, make_history: Callable[..., Interactions]
) -> None:
    silent = make_history(
        [("returner", "i01", "return"), ("viewer", "i02", "view")],
        users=["newcomer", "returner", "viewer"],
    )
    lists = make(key).fit(random_history).recommend(silent, 5)
    has_list = (lists.items >= 0).any(axis=1)
    assert has_list.all() or not has_list.any()


@every_recommender
def test_history_over_another_vocabulary_is_scored_over_the_fitted_one(
    key: str, make_history: Callable[..., Interactions], checkerboard: Any
) -> None:
    recommender = make(key).fit(checkerboard.history)
    rows = [("u", f"i{n:02}") for n in range(2, 20, 2)]
    expected = recommender.recommend(make_history(rows), 8)
    newer = make_history([*rows, ("u", "a-new-item"), ("u", "zz-new-item")])
    exclude = Exclusion(newer.pairs(), np.isin(newer.item_ids, ["i04", "zz-new-item"]))

    assert list_bytes(recommender.recommend(newer, 8)) == list_bytes(expected)
    lists = recommender.recommend(newer, 40, exclude=exclude)
    assert not set(lists.item_ids[lists.items[lists.items >= 0]]) & {item for _, item in rows}


@every_recommender
def test_no_users_give_no_lists(key: str, random_history: Interactions) -> None:
    recommender = make(key).fit(random_history)
    nobody = random_history.select_users(np.array([], dtype=int))
    assert recommender.recommend(nobody, 4).items.shape == (0, 4)


@every_recommender
def test_history_without_users_or_signal_can_be_fitted(
    key: str, make_history: Callable[..., Interactions]
) -> None:
    nobody = make_history([], users=[], items=["a", "b"])
    views_only = make_history([("u", "a", "view"), ("v", "b", "view")])
    buyer = make_history([("u", "a")], items=["a", "b"])
    for history in (nobody, views_only):
        lists = make(key).fit(history).recommend(buyer, 2)
        assert lists.items.shape == (1, 2)


@every_recommender
def test_one_item_can_be_fitted(key: str, make_history: Callable[..., Interactions]) -> None:
    history = make_history([("u", "a"), ("v", "a")])
    assert make(key).fit(history).recommend(history, 3).items.shape == (2, 3)


@every_recommender
def test_refit_equals_a_fresh_fit(
    key: str, random_history: Interactions, checkerboard: Any
) -> None:
    refitted = make(key).fit(checkerboard.history).fit(random_history)
    assert learned(refitted) == learned(make(key).fit(random_history))


@every_recommender
def test_same_bytes_on_every_run(key: str, random_history: Interactions) -> None:
    runs = [
        list_bytes(make(key).fit(random_history).recommend(random_history, 20)) for _ in range(3)
    ]
    assert runs[0] == runs[1] == runs[2]


@every_recommender
def test_lists_do_not_depend_on_the_block_size(
    key: str, random_history: Interactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    recommender = make(key).fit(random_history)
    exclude = Exclusion(random_history.pairs(["purchase"]))
    whole = recommender.recommend(random_history, 10, exclude=exclude)
    monkeypatch.setattr(base_module, "THREAD_BLOCK_BYTES", 4 * random_history.n_items * 7)
    assert list_bytes(recommender.recommend(random_history, 10, exclude=exclude)) == list_bytes(
        whole
    )


@every_recommender
def test_inputs_are_not_changed_and_not_kept(key: str, random_history: Interactions) -> None:
    before = random_history.content_hash()
    exclude = Exclusion(random_history.pairs(), np.zeros(random_history.n_items, dtype=bool))
    pairs_before = exclude.pairs.toarray()
    recommender = make(key).fit(random_history)
    recommender.recommend(random_history, 5, exclude=exclude)

    assert random_history.content_hash() == before
    np.testing.assert_array_equal(exclude.pairs.toarray(), pairs_before)
    assert not exclude.items.any()
    inputs = [
        getattr(owner, field.name)
        for owner in (random_history, random_history.item_attributes)
        for field in fields(owner)
    ]
    arrays = [array for array in inputs if isinstance(array, np.ndarray)]
    for value in vars(recommender).values():
        assert not isinstance(value, Interactions)
        if isinstance(value, np.ndarray):
            assert not any(np.shares_memory(value, array) for array in arrays)


@every_recommender
def test_scores_are_fresh_and_writable(key: str, random_history: Interactions) -> None:
    recommender = make(key).fit(random_history)
    scores = recommender.score(random_history)
    assert scores.dtype == np.float32
    assert scores.flags["C_CONTIGUOUS"]
    assert scores.flags["WRITEABLE"]
    before = learned(recommender)
    scores[:] = 0.0
    assert learned(recommender) == before


@every_recommender
def test_constructor_only_stores_and_clone_round_trips(key: str) -> None:
    recommender = make(key)
    parameters = inspect.signature(recommender_class(key).__init__).parameters
    kinds = {p.kind for name, p in parameters.items() if name != "self"}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert vars(recommender) == recommender.get_params()
    copy = clone(recommender)
    assert copy.get_params() == recommender.get_params()
    assert recommender.set_params(**copy.get_params()) is recommender


@every_recommender
def test_fit_does_not_change_parameters(key: str, random_history: Interactions) -> None:
    recommender = make(key)
    before = dict(recommender.get_params())
    assert recommender.fit(random_history) is recommender
    assert recommender.get_params() == before


@every_recommender
def test_event_weights_decide_what_counts(
    key: str, make_history: Callable[..., Interactions]
) -> None:
    did = [("a", "purchase"), ("b", "purchase"), ("c", "view"), ("d", "view")]
    history = make_history(
        [(f"u{user}", *what, age) for user in range(4) for what in did for age in (1, 20)]
    )
    viewer = make_history([("v", "c", "view")])
    bought = recommender_class(key)().fit(history).recommend(viewer, 4)
    viewed = recommender_class(key)(event_weights={"view": 1.0}).fit(history).recommend(viewer, 4)

    listed = {*viewed.item_ids[viewed.items[viewed.items >= 0]]}
    assert listed >= {"d"}
    assert not {*bought.item_ids[bought.items[bought.items >= 0]]} & {"c", "d"}


@every_recommender
def test_saved_recommender_gives_the_same_lists(
    key: str, random_history: Interactions, tmp_path: Path
) -> None:
    recommender = make(key).fit(random_history)
    spec = Spec("mine", key, PARAMS.get(key, {}), {"purchase": 1.0})
    save_recommender(recommender, spec, tmp_path)
    loaded = load_recommender(tmp_path)

    assert loaded.get_params() == recommender.get_params()
    assert learned(loaded) == learned(recommender)
    exclude = Exclusion(random_history.pairs())
    assert list_bytes(loaded.recommend(random_history, 7, exclude=exclude)) == list_bytes(
        recommender.recommend(random_history, 7, exclude=exclude)
    )


@every_recommender
def test_strategy_and_reason_are_said(key: str) -> None:
    assert recommender_class(key).strategy == key
    assert recommender_class(key).reason


def test_what_is_listed_by_name_is_a_recommender() -> None:
    assert {*PARAMS, *CHECKERBOARD_NOT_SUPPORTED} <= set(RECOMMENDERS)


@pytest.mark.parametrize("key", sorted(set(RECOMMENDERS) - CHECKERBOARD_NOT_SUPPORTED))
def test_every_user_of_the_checkerboard_gets_the_right_item_first(
    key: str, checkerboard: Any
) -> None:
    history = checkerboard.history
    lists = make(key).fit(history).recommend(history, 1, exclude=Exclusion(history.pairs()))
    assert lists.items[:, 0].tolist() == checkerboard.next_item.tolist()


@every_recommender
def test_recommend_before_fit_is_refused(key: str, random_history: Interactions) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        make(key).recommend(random_history, 5)


@every_recommender
def test_k_below_one_is_refused(key: str, random_history: Interactions) -> None:
    with pytest.raises(InvalidHistoryError, match="`k` must be at least 1. Got 0"):
        make(key).fit(random_history).recommend(random_history, 0)


@every_recommender
def test_empty_vocabulary_is_refused(key: str, make_history: Callable[..., Interactions]) -> None:
    with pytest.raises(InvalidHistoryError, match="at least one item"):
        make(key).fit(make_history([], users=["u"], items=[]))


def test_exclusion_moves_to_another_vocabulary() -> None:
    pairs = sparse.csr_array(np.array([[True, False, True], [False, True, False]]))
    rule = Exclusion(pairs, np.array([False, True, True]))

    moved = rule.with_items(np.array(["a", "b", "d"]), np.array(["b", "c", "d", "e"]))

    np.testing.assert_array_equal(
        moved.pairs.toarray(), [[False, False, True, False], [True, False, False, False]]
    )
    np.testing.assert_array_equal(moved.items, [True, False, True, False])


def test_exclusion_over_no_items_excludes_nothing_elsewhere() -> None:
    rule = Exclusion(sparse.csr_array((2, 0), dtype=bool), np.zeros(0, dtype=bool))
    moved = rule.with_items(np.array([], dtype=str), np.array(["a"]))
    assert (moved.pairs, moved.items) == (None, None)


def test_exclusion_selects_users() -> None:
    pairs = sparse.csr_array(np.eye(3, dtype=bool))
    chosen = Exclusion(pairs).select_users(slice(1, 3))
    np.testing.assert_array_equal(chosen.pairs.toarray(), np.eye(3, dtype=bool)[1:])


def test_lists_over_another_vocabulary_name_the_same_items() -> None:
    items = np.array([[1, 0, -1]], dtype=np.int32)
    lists = TopN(np.array(["u"]), np.array(["b", "d"]), items, np.ones((1, 3), np.float32))

    found = lists.over(np.array(["a", "b", "c", "d"]))

    assert found.items.tolist() == [[3, 1, -1]]
    assert found.items.dtype == np.int32
    assert lists.over(lists.item_ids) is lists


@every_recommender
def test_groups_of_users_are_shown_what_is_left_for_them(key, random_history):
    model = make(key).fit(random_history)
    groups = np.arange(random_history.n_users) % 2
    hidden = np.zeros((2, random_history.n_items), dtype=bool)
    hidden[1, ::2] = True
    lists = model.recommend(random_history, 5, exclude=Exclusion(groups=groups, group_items=hidden))
    for group in (0, 1):
        users = np.flatnonzero(groups == group)
        alone = model.recommend(
            random_history.select_users(users), 5, exclude=Exclusion(items=hidden[group])
        )
        assert lists.items[users].tolist() == alone.items.tolist()


@every_recommender
def test_a_history_that_must_not_be_used_is_as_if_there_were_none(key, random_history):
    model = make(key).fit(random_history)
    users = np.arange(random_history.n_users) == 0
    lists = model.recommend(random_history, 5, exclude=Exclusion(impersonal=users))
    empty = model.recommend(random_history.without_rows_of(users), 5)
    assert lists.items.tolist() == empty.items.tolist()


def test_an_exclusion_says_of_pairs_what_it_excludes():
    pairs = sparse.csr_array(np.array([[True, False, False], [False, False, False]]))
    rule = Exclusion(
        pairs,
        np.array([False, True, False]),
        groups=np.array([0, 1]),
        group_items=np.array([[False] * 3, [False, False, True]]),
    )
    users, items = np.divmod(np.arange(6), 3)
    assert rule.has(users, items).tolist() == [True, True, False, False, True, True]
    assert rule.has(users[:0], items[:0]).tolist() == []
    one = rule.select_users(np.array([1]))
    ((positions, plain),) = one.by_group()
    assert (positions.tolist(), plain.items.tolist()) == ([0], [False, True, True])
    wider = rule.with_items(np.array(["a", "b", "c"]), np.array(["b", "c", "d"]))
    assert wider.group_items.tolist() == [[False, False, True], [False, True, True]]
