from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipelines.base.errors import MissingSnapshotError
from pipelines.base.tables import FEAT_ITEMS, FEAT_USERS
from pipelines.base.windows import Window
from pipelines.features.read import (
    _codes,
    _is_among,
    forget_histories,
    read_catalogue,
    read_histories_of,
    read_interactions,
    read_manifest,
    read_truth,
    read_users,
    read_vocabulary,
)
from tests.conftest import write_item_versions
from tests.features.conftest import FIRST_NIGHT, SECOND_NIGHT

pytestmark = pytest.mark.xdist_group("features")

CUTOFF = date(2024, 2, 12)


def write_snapshot(settings, rows, items):
    """A snapshot of one cutoff from (user, item, event type, age), each row its own landing."""
    folder = settings.run_folder(CUTOFF).snapshot
    folder.mkdir(parents=True, exist_ok=True)
    rows = sorted(rows, key=lambda row: (*row[:3], -row[3]))
    days = pa.array([CUTOFF - timedelta(days=row[3]) for row in rows], pa.date32())
    texts = {
        name: pa.array([row[n] for row in rows], pa.string())
        for n, name in enumerate(("user_id", "item_id", "event_type"))
    }
    numbers = {
        "event_date": days,
        "landed_date": days,
        "event_count": pa.array([1] * len(rows), pa.int64()),
        "last_event_at": days.cast(pa.timestamp("us")),
    }
    pq.write_table(pa.table(texts | numbers), folder / "user_item_days.parquet")
    write_item_versions(folder, CUTOFF, {})
    pq.write_table(pa.table({"item_id": sorted(items)}), folder / f"items-{CUTOFF}.parquet")
    return settings


def rows_of(history):
    """The rows of a history in words."""
    return [
        (
            str(history.user_ids[user]),
            str(history.item_ids[item]),
            history.event_types[kind],
            int(age),
            float(count),
        )
        for user, item, kind, age, count in zip(
            history.user,
            history.item,
            history.event_type,
            history.age_days,
            history.event_count,
            strict=True,
        )
    ]


def test_histories_are_what_was_known_at_the_cutoff(shop):
    history = read_interactions(shop.settings, FIRST_NIGHT, date(2024, 1, 29))
    assert rows_of(history) == [
        ("ann", "cup", "purchase", 1, 1.0),  # the other cup of that day landed on the 30th
        ("ann", "cup", "view", 13, 1.0),
        ("ann", "tea", "purchase", 27, 1.0),
        ("ann", "tea", "purchase", 13, 1.0),
        ("bob", "cup", "purchase", 9, 1.0),
        ("bob", "cup", "purchase", 2, 1.0),
    ]


def test_two_landings_of_one_day_are_one_row(shop):
    history = read_interactions(shop.settings, FIRST_NIGHT, FIRST_NIGHT)
    assert ("ann", "cup", "purchase", 8, 2.0) in rows_of(history)
    assert history.last_event_at.max() == np.datetime64("2024-02-04T10:00:00")


def test_the_vocabulary_is_every_item_the_cutoff_knows_and_users_have_rows(shop):
    history = read_interactions(shop.settings, FIRST_NIGHT, FIRST_NIGHT)
    assert history.item_ids.tolist() == ["cup", "jar", "pot", "tea"]
    assert history.user_ids.tolist() == ["ann", "bob", "cid"]
    assert history.event_types == ("purchase", "return", "view")


def test_both_nights_read_the_same_history_at_a_shared_cutoff(shop):
    first = read_interactions(shop.settings, FIRST_NIGHT, date(2024, 2, 5))
    second = read_interactions(shop.settings, SECOND_NIGHT, date(2024, 2, 5))
    assert first.content_hash() == second.content_hash()


def test_users_of_histories_are_the_users_with_features(shop):
    for cutoff in shop.settings.night(SECOND_NIGHT).cutoffs:
        users = read_users(shop.settings, SECOND_NIGHT, cutoff)
        history = read_interactions(shop.settings, SECOND_NIGHT, cutoff)
        assert users["user_id"].tolist() == history.user_ids.tolist()
        assert users["event_count"].sum() == history.event_count.sum()


def test_catalogue_and_users_have_the_columns_of_their_tables(shop):
    catalogue = read_catalogue(shop.settings, FIRST_NIGHT, FIRST_NIGHT)
    users = read_users(shop.settings, FIRST_NIGHT, FIRST_NIGHT)
    assert list(catalogue) == list(FEAT_ITEMS.columns)
    assert list(users) == list(FEAT_USERS.columns)
    assert catalogue["item_id"].tolist() == ["cup", "jar", "pot", "tea"]


def test_only_the_columns_asked_for_are_read(shop):
    users = read_users(shop.settings, FIRST_NIGHT, FIRST_NIGHT, columns=["segment"])
    assert users["segment"].tolist() == ["heavy", "heavy", "light"]
    catalogue = read_catalogue(shop.settings, FIRST_NIGHT, FIRST_NIGHT, columns=["price"])
    assert list(catalogue) == ["price"]


def titles_of(history):
    return dict(zip(history.item_ids.tolist(), history.current_attributes().title, strict=True))


def test_a_title_that_changes_later_is_not_seen_at_an_earlier_cutoff(shop):
    earlier, night = (
        titles_of(read_interactions(shop.settings, FIRST_NIGHT, cutoff))
        for cutoff in (date(2024, 1, 29), FIRST_NIGHT)
    )
    # tea has its new name from 2024-02-01; nobody was ever told of the pot
    assert earlier == {"cup": "Cup", "jar": "Jar nobody bought", "tea": "Green tea"}
    assert night == {**earlier, "pot": "", "tea": "Green tea, new harvest"}


def test_attributes_are_those_of_the_catalogue_at_every_cutoff(shop):
    for cutoff in shop.settings.night(SECOND_NIGHT).cutoffs:
        catalogue = read_catalogue(shop.settings, SECOND_NIGHT, cutoff)
        found = read_interactions(shop.settings, SECOND_NIGHT, cutoff).current_attributes()
        assert found.title.tolist() == catalogue["title"].fillna("").tolist()
        assert found.category.tolist() == [""] * len(catalogue)
        np.testing.assert_array_equal(found.price, catalogue["price"])
        assert found.is_available.tolist() == catalogue["is_available"].tolist()


@pytest.mark.parametrize("day", ["2024-01-15", "2024-01-22", "2024-01-29", "2024-02-05"])
def test_a_night_cut_back_knows_of_items_what_the_earlier_cutoff_knew(shop, day):
    cutoff = date.fromisoformat(day)
    then = read_interactions(shop.settings, FIRST_NIGHT, cutoff)
    cut_back = read_interactions(shop.settings, SECOND_NIGHT, SECOND_NIGHT).before(cutoff)
    shared = cut_back.with_items(then.item_ids)
    assert titles_of(then)["tea"] != ""
    assert shared.item_attributes.content_hash() == then.item_attributes.content_hash()


def test_truth_is_the_distinct_pairs_bought_in_the_window(shop):
    windows = shop.settings.night(FIRST_NIGHT)
    selection = read_truth(shop.settings, FIRST_NIGHT, windows.selection)
    gate = read_truth(shop.settings, FIRST_NIGHT, windows.gate)
    assert list(selection.itertuples(index=False, name=None)) == [("ann", "cup"), ("bob", "cup")]
    assert list(gate.itertuples(index=False, name=None)) == [("cid", "pot")]


def test_a_later_night_reads_an_earlier_cutoff_as_the_night_that_had_it(shop):
    earlier = min(shop.settings.night(FIRST_NIGHT).cutoffs)
    assert earlier < min(shop.settings.night(SECOND_NIGHT).cutoffs)
    first = read_interactions(shop.settings, FIRST_NIGHT, earlier)
    second = read_interactions(shop.settings, SECOND_NIGHT, earlier)
    assert first.item_ids.tolist() == ["cup", "jar", "tea"]
    assert second.content_hash() == first.content_hash()


def test_truth_known_by_a_day_is_without_what_landed_later(shop):
    window = Window("earlier", date(2024, 1, 22), date(2024, 1, 30))
    pairs = [
        list(
            read_truth(shop.settings, FIRST_NIGHT, window, known_by=day).itertuples(
                index=False, name=None
            )
        )
        for day in (date(2024, 1, 28), date(2024, 1, 29))
    ]
    assert pairs == [[("bob", "cup")], [("ann", "cup"), ("bob", "cup")]]


def test_a_missing_snapshot_says_what_to_run(make_settings):
    settings = make_settings()
    window = Window("gate", FIRST_NIGHT, SECOND_NIGHT)
    for read in (
        lambda: read_manifest(settings, FIRST_NIGHT),
        lambda: read_interactions(settings, FIRST_NIGHT, FIRST_NIGHT),
        lambda: read_truth(settings, FIRST_NIGHT, window),
    ):
        with pytest.raises(MissingSnapshotError, match="recsys features --as-of 2024-02-05"):
            read()


def test_a_date_that_is_no_cutoff_of_the_night_is_refused(shop):
    with pytest.raises(MissingSnapshotError, match=r"must hold items-2024-02-04.parquet"):
        read_interactions(shop.settings, FIRST_NIGHT, date(2024, 2, 4))


def test_manifest_is_the_one_that_was_written(shop):
    assert read_manifest(shop.settings, FIRST_NIGHT)["as_of"] == "2024-02-05"


def test_a_history_without_rows_still_knows_its_items(make_settings):
    settings = write_snapshot(make_settings(), [], {"a", "b"})
    history = read_interactions(settings, CUTOFF, CUTOFF)
    assert history.shape == (0, 2) and history.event_types == ()


# Sorts differently as UTF-16, as a locale would, and as bytes.
IDS = st.sampled_from(["a", "B", "é", "z", "10", "9", "￼", "😀", "b b"])
ROWS = st.lists(
    st.tuples(IDS, IDS, st.sampled_from(["purchase", "view", "impression"]), st.integers(1, 9)),
    min_size=1,
    max_size=25,
)


@given(ROWS)
@hypothesis_settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_reading_keeps_every_action_once_in_order(tmp_path_factory, make_settings, rows):
    settings = make_settings(home=tmp_path_factory.mktemp("read"))
    history = read_interactions(
        write_snapshot(settings, rows, {row[1] for row in rows}), CUTOFF, CUTOFF
    )
    actions = [row for row in rows if row[2] != "impression"]
    assert history.event_count.sum() == len(actions)
    assert history.user_ids.tolist() == sorted({row[0] for row in actions})
    keys = list(zip(history.user, history.item, history.event_type, -history.age_days, strict=True))
    assert keys == sorted(set(keys))
    expected = {
        (user, item, kind, age, float(actions.count((user, item, kind, age))))
        for user, item, kind, age in actions
    }
    assert set(rows_of(history)) == expected


def test_codes_ignore_dictionary_values_that_no_row_has():
    column = pa.chunked_array(
        [
            pa.DictionaryArray.from_arrays([1], ["gone", "b"]),
            pa.DictionaryArray.from_arrays([0, 0], ["a"]),
        ]
    )
    values, codes = _codes(column)
    assert values.tolist() == ["a", "b"] and codes.tolist() == [1, 0, 0]


def test_a_history_is_read_once_and_nobody_may_write_it(shop):
    first = read_interactions(shop.settings, FIRST_NIGHT, FIRST_NIGHT)
    assert read_interactions(shop.settings, FIRST_NIGHT, FIRST_NIGHT) is first
    with pytest.raises(ValueError, match="read-only"):
        first.event_count[0] = 2.0
    forget_histories()
    assert read_interactions(shop.settings, FIRST_NIGHT, FIRST_NIGHT) is not first


def test_a_snapshot_that_is_written_anew_is_read_anew(make_settings):
    settings, window = make_settings(), Window("gate", CUTOFF - timedelta(days=2), CUTOFF)
    for user in ("ann", "bob"):
        write_snapshot(settings, [(user, "tea", "purchase", 1)], {"tea"})
        assert read_interactions(settings, CUTOFF, CUTOFF).user_ids.tolist() == [user]
        assert read_truth(settings, CUTOFF, window)["user_id"].tolist() == [user]


def test_what_is_done_to_a_truth_is_not_read_again(shop):
    window = Window("earlier", date(2024, 1, 22), date(2024, 1, 30))
    truth = read_truth(shop.settings, FIRST_NIGHT, window)
    truth["user_id"] = "nobody"
    assert "nobody" not in set(read_truth(shop.settings, FIRST_NIGHT, window)["user_id"])


def test_histories_of_some_users_are_those_that_everybodys_hold(shop):
    settings = shop.settings
    for cutoff in settings.night(SECOND_NIGHT).cutoffs:
        everybody = read_interactions(settings, SECOND_NIGHT, cutoff)
        vocabulary = (everybody.item_ids, everybody.event_types)
        known = read_vocabulary(settings, SECOND_NIGHT, cutoff, *vocabulary)
        for chosen in (slice(0, 1), slice(1, None), slice(0, None, 2), slice(0, 0)):
            some = everybody.select_users(chosen)
            found = read_histories_of(settings, SECOND_NIGHT, some.user_ids, known)
            assert found.content_hash() == some.content_hash()


def test_of_the_snapshot_only_the__the_users_are_read(make_settings, monkeypatch):
    rows = [(f"u{user:03}", "tea", "view", 1) for user in range(100)]
    settings = write_snapshot(make_settings(), rows, ["tea"])
    path = settings.run_folder(CUTOFF).snapshot / "user_item_days.parquet"
    pq.write_table(pq.read_table(path), path, row_group_size=10)
    condition = _is_among(np.array(["u040", "u042", "u055"]))
    (fragment,) = ds.dataset(path).get_fragments()
    assert [group.id for group in fragment.split_by_row_group(condition)[0].row_groups] == [4]
    assert len(fragment.split_by_row_group(condition)) == 2
