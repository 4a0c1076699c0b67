from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.folds import Fold, cut_folds


def folds_of(history: Interactions, **options: object) -> list[Fold]:
    settings = {"horizon_days": 10, "n_folds": 3, "repeats": True, "max_users": 100, **options}
    return list(cut_folds(history, ["purchase"], **settings))


def test_truth_is_what_came_in_the_horizon_after_the_cut(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", "a", "purchase", 25), ("u", "b", "purchase", 11), ("u", "c", "purchase", 10)]
    history = make_history(rows)
    first, second = folds_of(history)

    assert first.past.cutoff == history.cutoff - timedelta(days=10)
    assert first.past.item.tolist() == [0, 1]
    assert first.past.age_days.tolist() == [15, 1]
    assert first.truth.toarray().tolist() == [[False, False, True]]  # c, the first day after
    assert second.past.item.tolist() == [0]
    assert second.truth.toarray().tolist() == [[False, True, False]]  # b, the last day


def test_last_day_of_the_history_is_in_the_first_truth(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a", "purchase", 11), ("u", "b", "purchase", 1)])
    (fold,) = folds_of(history)
    assert fold.truth.toarray().tolist() == [[False, True]]


def test_known_items_are_relevant_only_with_repeats(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", "a", "view", 12), ("u", "a"), ("u", "b"), ("v", "b", "purchase", 12), ("v", "b")]
    history = make_history(rows)
    (again,), (new,) = folds_of(history), folds_of(history, repeats=False)
    assert again.truth.toarray().tolist() == [[True, True], [False, True]]
    assert new.users.tolist() == [0]  # v has nothing new
    assert new.truth.toarray().tolist() == [[False, True]]


def test_users_without_past_or_truth_teach_nothing(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("gone", "a", "purchase", 15), ("new", "a"), ("u", "a", "purchase", 15), ("u", "b")]
    (fold,) = folds_of(
        make_history([*rows, ("viewer", "a", "purchase", 15), ("viewer", "b", "view")])
    )
    assert fold.users.tolist() == [2]


def test_a_user_without_rows_takes_none_of_the_one_before(
    make_history: Callable[..., Interactions],
) -> None:
    rows = [("u", "a", "purchase", 15), ("u", "b", "purchase", 35), ("zed", "a", "purchase", 1)]
    whole = make_history(rows)
    earlier = whole.before(whole.cutoff - timedelta(days=9))
    assert np.diff(earlier.row_starts).tolist() == [2, 0]
    (fold,) = folds_of(earlier)
    assert fold.users.tolist() == [0]
    assert fold.past.age_days.tolist() == [16]


def test_sample_of_users_is_the_same_whoever_else_is_there(
    make_history: Callable[..., Interactions],
) -> None:
    names = [f"u{n}" for n in range(20)]
    rows = [(name, "a", "purchase", age) for name in names for age in (1, 15)]
    history = make_history(rows)
    (few,) = folds_of(history, max_users=5)
    (fewer,) = folds_of(history, max_users=3)
    assert len(few.users) == 5
    assert set(fewer.users) < set(few.users)
    assert (np.diff(few.users) > 0).all()


def test_history_shorter_than_a_horizon_gives_no_fold(
    make_history: Callable[..., Interactions],
) -> None:
    assert folds_of(make_history([("u", "a", "purchase", 10), ("u", "b")])) == []


def test_past_of_the_users_to_learn_from_is_their_part_of_everybodys(
    random_history: Interactions,
) -> None:
    folds = folds_of(random_history, max_users=9)
    assert len(folds) == 3
    for fold in folds:
        assert fold.past.n_users == random_history.n_users
        asked = fold.past.select_users(fold.users)
        assert len(asked.user) and fold.past_of_users.content_hash() == asked.content_hash()


def test_truth_without_repeats_is_what_was_never_met_before(random_history: Interactions) -> None:
    for fold in folds_of(random_history, repeats=False, max_users=1000):
        before = {*zip(fold.past.user.tolist(), fold.past.item.tolist(), strict=True)}
        user, item = fold.truth.nonzero()
        found = {*zip(fold.users[user].tolist(), item.tolist(), strict=True)}
        (everything,) = [
            again
            for again in folds_of(random_history, max_users=1000)
            if again.cutoff == fold.cutoff
        ]
        user, item = everything.truth.nonzero()
        chosen = {*zip(everything.users[user].tolist(), item.tolist(), strict=True)}
        assert found == chosen - before and chosen & before
