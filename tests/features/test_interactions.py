from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.base.errors import InvalidHistoryError
from pipelines.features.interactions import Interactions
from pipelines.features.item_versions import ItemVersions

KINDS = ("purchase", "return", "view")


def make_history(rows, users=("ann", "bob", "cid"), items=("cup", "pot", "tea")):
    """Histories from (user, item, event type, age, count), positions into the tuples above."""
    rows = sorted(rows, key=lambda row: (*row[:3], -row[3]))
    columns = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return Interactions(
        cutoff=date(2024, 2, 5),
        user_ids=np.array(users),
        item_ids=np.array(items),
        event_types=KINDS,
        user=columns[0].astype(np.int32),
        item=columns[1].astype(np.int32),
        event_type=columns[2].astype(np.int8),
        age_days=columns[3].astype(np.int32),
        event_count=columns[4].astype(np.float32),
        last_event_at=np.datetime64("2024-02-05", "us") - columns[3].astype("timedelta64[D]"),
    )


ROWS = [
    (0, 0, 0, 10, 2),  # ann bought two cups 10 days before the cutoff
    (0, 0, 2, 3, 1),  # and looked at one 3 days before
    (0, 2, 0, 20, 1),  # ann bought tea
    (0, 2, 1, 19, 1),  # and returned it
    (2, 1, 0, 1, 4),  # cid bought four pots; bob did nothing
]
HISTORIES = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(1, 30),
        st.integers(1, 5),
    ),
    max_size=20,
    unique_by=lambda row: row[:4],
).map(make_history)


def test_matrix_sums_weighted_events():
    matrix = make_history(ROWS).matrix({"purchase": 5.0, "view": 1.0})
    assert matrix.toarray().tolist() == [[11, 0, 5], [0, 0, 0], [0, 20, 0]]
    assert matrix.dtype == np.float32


def test_matrix_leaves_out_pairs_whose_sum_is_not_positive():
    matrix = make_history(ROWS).matrix({"purchase": 5.0, "return": -5.0})
    assert matrix.toarray().tolist() == [[10, 0, 0], [0, 0, 0], [0, 20, 0]]
    assert matrix.nnz == 2


def test_matrix_halves_an_event_at_the_half_life():
    matrix = make_history(ROWS).matrix({"purchase": 1.0}, half_life_days=10.0)
    assert matrix[[0], [0]].tolist() == [2 * 0.5]
    assert matrix[[0], [2]].tolist() == [0.25]


def test_matrix_of_no_rows_is_empty():
    empty = make_history([])
    assert empty.matrix({"purchase": 1.0}).shape == (3, 3)
    assert replace(empty, event_types=()).matrix({"purchase": 1.0}).nnz == 0


def test_pairs_are_all_items_a_user_met():
    pairs = make_history(ROWS).pairs()
    assert pairs.toarray().tolist() == [
        [True, False, True],
        [False, False, False],
        [False, True, False],
    ]


def test_pairs_take_only_the_types_and_days_asked_for():
    history = make_history(ROWS)
    assert history.pairs(["view"]).nnz == 1
    assert history.pairs(["purchase"], within_days=10).toarray().tolist() == [
        [True, False, False],
        [False, False, False],
        [False, True, False],
    ]
    assert history.pairs(["purchase"], within_days=9).nnz == 1
    assert history.pairs(["gift"]).nnz == 0


def test_select_users_keeps_the_order_asked_for():
    chosen = make_history(ROWS).select_users(np.array([2, 0]))
    assert chosen.user_ids.tolist() == ["cid", "ann"]
    assert chosen.user.tolist() == [0, 1, 1, 1, 1]
    assert chosen.matrix({"purchase": 1.0}).toarray().tolist() == [[0, 4, 0], [2, 0, 1]]


def test_with_items_drops_items_outside_and_shifts_the_rest():
    other = make_history(ROWS).with_items(np.array(["jar", "pot", "tea", "urn"]))
    assert other.matrix({"purchase": 1.0}).toarray().tolist() == [
        [0, 0, 1, 0],
        [0, 0, 0, 0],
        [0, 4, 0, 0],
    ]


def test_with_items_of_the_same_vocabulary_is_the_same_history():
    history = make_history(ROWS)
    assert history.with_items(history.item_ids) is history


def test_with_items_of_an_empty_vocabulary_is_refused():
    with pytest.raises(InvalidHistoryError, match="at least one item"):
        make_history(ROWS).with_items(np.array([], dtype=str))


def test_content_hash_differs_by_any_row_and_by_any_id():
    history = make_history(ROWS)
    assert history.content_hash() == make_history(ROWS).content_hash()
    others = [
        make_history(ROWS[1:]),
        make_history(ROWS, users=("ann", "bob", "dan")),
        make_history([(0, 0, 0, 11, 2), *ROWS[1:]]),
        replace(history, cutoff=date(2024, 2, 6)),
    ]
    assert len({other.content_hash() for other in (history, *others)}) == 5


@given(HISTORIES, st.permutations(range(3)))
def test_selecting_users_permutes_the_rows_of_every_matrix(history, order):
    weights = {"purchase": 5.0, "return": -2.0, "view": 1.0}
    chosen = history.select_users(np.array(order))
    assert np.array_equal(
        chosen.matrix(weights).toarray(), history.matrix(weights).toarray()[list(order)]
    )
    assert np.array_equal(chosen.pairs().toarray(), history.pairs().toarray()[list(order)])


@given(HISTORIES, st.slices(3))
def test_selecting_by_slice_and_by_positions_is_the_same(history, part):
    positions = np.arange(3)[part]
    assert (
        history.select_users(part).content_hash() == history.select_users(positions).content_hash()
    )


@given(HISTORIES, st.sets(st.sampled_from(["a", "cup", "pot", "tea", "z"]), min_size=1))
def test_with_items_keeps_the_columns_it_shares_and_nothing_else(history, vocabulary):
    items = np.array(sorted(vocabulary))
    other = history.with_items(items)
    before, after = history.pairs().toarray(), other.pairs().toarray()
    for column, item in enumerate(items):
        known = np.flatnonzero(history.item_ids == item)
        expected = before[:, known[0]] if len(known) else np.zeros(3, dtype=bool)
        assert np.array_equal(after[:, column], expected)


@given(HISTORIES, st.floats(0.5, 50))
def test_decay_never_adds_weight(history, half_life_days):
    full = history.matrix({"purchase": 1.0, "view": 1.0}).toarray()
    decayed = history.matrix(
        {"purchase": 1.0, "view": 1.0}, half_life_days=half_life_days
    ).toarray()
    assert (decayed <= full).all() and (decayed >= 0).all()


def test_before_is_the_history_as_of_an_earlier_cutoff():
    past = make_history(ROWS).before(date(2024, 2, 2))  # three days earlier
    assert past.cutoff == date(2024, 2, 2)
    assert past.age_days.tolist() == [7, 17, 16]  # the view of that day is not known
    assert past.n_users == 3  # cid stays, without rows
    assert past.item_ids.tolist() == ["cup", "pot", "tea"]


def test_before_the_own_cutoff_nothing_changes():
    history = make_history(ROWS)
    assert history.before(history.cutoff).content_hash() == history.content_hash()


def with_titles(history):
    """The cup was called "Mug" until two days before the cutoff, when it became "Cup"."""
    versions = ItemVersions(
        item=np.array([0, 0, 2], dtype=np.int32),
        known_age_days=np.array([9, 2, 0], dtype=np.int32),
        title=np.array(["Mug", "Cup", "Tea"], dtype=object),
        category=np.array(["", "kitchen", "food"], dtype=object),
        price=np.array([np.nan, 2.5, 4.0]),
        is_available=np.array([True, True, False]),
    )
    return replace(history, item_attributes=versions)


def test_without_attributes_nothing_is_known_of_any_item():
    found = make_history(ROWS).current_attributes()
    assert found.title.tolist() == found.category.tolist() == ["", "", ""]
    assert np.isnan(found.price).all()
    assert found.is_available.all()


def test_attributes_before_an_earlier_cutoff_are_those_it_knew():
    history = with_titles(make_history(ROWS))
    days = [
        date(2024, 2, 5),
        date(2024, 2, 3),
        date(2024, 2, 2),
        date(2024, 1, 27),
        date(2024, 1, 26),
    ]
    titles = [history.before(day).current_attributes().title.tolist() for day in days]
    assert titles == [["Cup", "", "Tea"], ["Cup", "", ""], *[["Mug", "", ""]] * 2, ["", "", ""]]


def test_attributes_stay_with_their_items_over_another_vocabulary():
    other = with_titles(make_history(ROWS)).with_items(np.array(["jar", "pot", "tea", "urn"]))
    assert other.current_attributes().title.tolist() == ["", "", "Tea", ""]


def test_attributes_are_the_same_for_any_users():
    history = with_titles(make_history(ROWS))
    assert history.select_users(np.array([1])).item_attributes is history.item_attributes


def test_content_hash_differs_by_any_attribute():
    history = make_history(ROWS)
    titled = with_titles(history)
    assert titled.content_hash() == with_titles(history).content_hash()
    assert len({h.content_hash() for h in (history, titled, titled.before(titled.cutoff))}) == 2
    renamed = replace(titled.item_attributes, title=np.array(["Mug", "Cup", "T"], dtype=object))
    assert replace(titled, item_attributes=renamed).content_hash() != titled.content_hash()
