from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.features.item_versions import ItemVersions


def make_versions(rows):
    """Versions from (item, days since the first cutoff that knew it), named for both."""
    rows = sorted(rows, key=lambda row: (row[0], -row[1]))
    return ItemVersions(
        item=np.array([row[0] for row in rows], dtype=np.int32),
        known_age_days=np.array([row[1] for row in rows], dtype=np.int32),
        title=np.array([f"item {item} of {age}" for item, age in rows], dtype=object),
        category=np.array([f"group {item}" for item, _ in rows], dtype=object),
        price=np.array([age / 10 for _, age in rows], dtype=np.float64),
        is_available=np.array([age > 3 for _, age in rows], dtype=bool),
    )


ROWS = [(0, 30), (0, 5), (0, 0), (2, 3)]
SETS_OF_ROWS = st.sets(st.tuples(st.integers(0, 4), st.integers(0, 20)), max_size=15)


def test_current_is_the_newest_version_of_each_item():
    found = make_versions(ROWS).current(4)
    assert found.title.tolist() == ["item 0 of 0", "", "item 2 of 3", ""]
    assert found.category.tolist() == ["group 0", "", "group 2", ""]
    np.testing.assert_array_equal(found.price, [0.0, np.nan, 0.3, np.nan])
    assert found.is_available.tolist() == [False, True, False, True]


def test_current_of_no_versions_is_unknown_for_every_item():
    found = ItemVersions.none().current(2)
    assert found.title.tolist() == ["", ""]
    assert np.isnan(found.price).all() and found.is_available.all()
    assert ItemVersions.none().current(0).title.shape == (0,)


def test_first_known_age_is_that_of_an_items_oldest_version():
    assert make_versions(ROWS).first_known_age_days(4).tolist() == [30, 0, 3, 0]


def test_before_leaves_out_what_became_known_later_and_shifts_the_rest():
    earlier = make_versions(ROWS).before(5)
    assert earlier.item.tolist() == [0, 0]
    assert earlier.known_age_days.tolist() == [25, 0]
    assert earlier.current(3).title.tolist() == ["item 0 of 5", "", ""]
    assert len(earlier) == 2


def test_with_items_moves_versions_to_their_new_places_and_drops_the_others():
    position, is_kept = np.array([7, 0, 1]), np.array([False, True, True])
    other = make_versions([*ROWS, (1, 4)]).with_items(position, is_kept)
    assert other.item.tolist() == [0, 1]
    assert other.title.tolist() == ["item 1 of 4", "item 2 of 3"]


def test_content_hash_differs_by_any_array():
    versions = make_versions(ROWS)
    assert versions.content_hash() == make_versions(ROWS).content_hash()
    changed = {
        replace(versions, **{field.name: getattr(versions, field.name)[::-1]}).content_hash()
        for field in fields(versions)
    }
    assert len({versions.content_hash(), *changed}) == 1 + len(fields(versions))


def test_content_hash_tells_titles_from_categories():
    one, other = make_versions([(0, 1)]), make_versions([(0, 1)])
    one = replace(one, title=np.array(["ab"], object), category=np.array(["c"], object))
    other = replace(other, title=np.array(["a"], object), category=np.array(["bc"], object))
    assert one.content_hash() != other.content_hash()


@given(SETS_OF_ROWS, st.integers(0, 20), st.integers(0, 20))
def test_two_steps_back_are_the_same_as_one(rows, first, second):
    versions = make_versions(rows)
    twice, once = versions.before(first).before(second), versions.before(first + second)
    assert twice.content_hash() == once.content_hash()


@given(SETS_OF_ROWS, st.integers(0, 20))
def test_before_is_what_would_have_been_known_then(rows, shift_days):
    known = {(item, age) for item, age in rows if age >= shift_days}
    newest = {item: min(age for other, age in known if other == item) for item, _ in known}
    titles = make_versions(rows).before(shift_days).current(5).title
    assert titles.tolist() == [
        f"item {item} of {newest[item]}" if item in newest else "" for item in range(5)
    ]
