from __future__ import annotations

import duckdb
import pytest

from pipelines.base.current import SCHEMA_VERSION
from pipelines.publications.serving_files import (
    build_serving,
    count_lists,
    logical_hash,
)


def test_the_hash_is_of_the_rows_not_of_their_files_or_order(frame_of, open_rows):
    whole = logical_hash(open_rows(frame_of()))
    backwards = frame_of().iloc[::-1]
    assert logical_hash(open_rows(backwards.head(2), backwards.tail(3))) == whole


@pytest.mark.parametrize(
    ("column", "value"),
    [("item_id", "z"), ("score", 0.1), ("reason", "other"), ("rank", 9), ("user_id", "u9")],
)
def test_the_hash_changes_with_any_value(frame_of, open_rows, column, value):
    whole = logical_hash(open_rows(frame_of()))
    changed = frame_of()
    changed.loc[1, column] = value
    assert logical_hash(open_rows(changed)) != whole


def test_the_hash_covers_what_goes_with_the_lists(frame_of, open_rows):
    hashes = {
        logical_hash(open_rows(frame_of(), **sides))
        for sides in (
            {},
            {"similar": [("a", 1, "b")]},
            {"similar": [("a", 1, "c")]},
            {"exclusions": [("u0", ["a"])]},
            {"exclusions": [("u0", ["a", "b"])]},
        )
    }
    assert len(hashes) == 5


def test_counts_are_per_placement_and_variant(frame_of, open_rows):
    connection = open_rows(frame_of())
    found = count_lists(connection)
    assert found["lists"][0] == {
        "placement": "discover",
        "variant": "control",
        "user_count": 2,
        "row_count": 4,
        "item_count": 3,
        "strategies": {"ease": 2, "popularity": 2},
    }
    assert (found["user_count"], found["row_count"]) == (2, 4)


def test_people_find_lists_items_and_the_publication_in_one_file(
    frame_of, open_rows, tmp_path, night
):
    target = tmp_path / "it's" / "serving.duckdb"
    target.parent.mkdir()
    counts = {"logical_hash": "abc", "user_count": 2, "row_count": 4}
    model = {
        **{"publication_id": "2024-03-10-abc", "placement": "discover", "variant": "control"},
        **{"as_of": night, "candidate": "ease", "recommender": "ease", "spec_hash": "f00"},
        **{"specification": "{}", "model_version": "ease-abc@2024-03-10", "run_id": None},
    }
    build_serving(
        open_rows(frame_of(), similar=[("a", 1, "b")]),
        target,
        publication_id="2024-03-10-abc",
        as_of=night,
        counts=counts,
        models=[model],
    )
    with duckdb.connect(str(target), read_only=True) as published:

        def rows(sql):
            return published.execute(sql).fetchall()

        assert rows(
            "select publication_id, user_id, rank, title from current_recommendations"
            " join items using (item_id) order by user_id, rank"
        ) == [
            ("2024-03-10-abc", "u0", 1, "A"),
            ("2024-03-10-abc", "u0", 2, "B"),
            ("2024-03-10-abc", "u0", 3, "C"),
            ("2024-03-10-abc", "u1", 1, "B"),
        ]
        assert rows("select category, rank, item_id from fallback_recommendations") == [
            ("", 1, "c")
        ]
        assert rows("select item_id, similar_item_id from similar_items") == [("a", "b")]
        assert rows(
            "select distinct candidate, spec_hash, title from explained_recommendations"
            " where item_id = 'b'"
        ) == [("ease", "f00", "B")]
        assert rows("from publication") == [("2024-03-10-abc", night, "abc", 2, 4, SCHEMA_VERSION)]
