from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from pipelines.publications import serving_files
from pipelines.publications.lookup_file import build_lookups
from pipelines.publications.serving_files import logical_hash


def test_a_look_up_gives_a_users_packed_list(frame_of, open_rows, tmp_path):
    build_lookups(open_rows(frame_of()), tmp_path / "lists.sqlite", {"publication_id": "p"})
    with closing(sqlite3.connect(tmp_path / "lists.sqlite")) as lookups:
        rows = lookups.execute("select variant, user_id, payload from lists").fetchall()
        assert [row[:2] for row in rows] == [("control", "u0"), ("control", "u1")]
        assert json.loads(rows[0][2]) == {
            "items": ["a", "b", "c"],
            "scores": [1.0, 0.5, 1 / 3],
            "labels": [
                {"from_rank": 1, "strategy": "ease", "reason": "because of ease"},
                {"from_rank": 3, "strategy": "popularity", "reason": "because of popularity"},
            ],
            "model_version": "ease-abc@2024-03-10",
        }
        assert lookups.execute("select title from items where item_id = 'b'").fetchone() == ("B",)
        assert lookups.execute("select * from meta").fetchall() == [("publication_id", "p")]


def test_lists_for_anyone_are_kept_by_category(frame_of, open_rows, tmp_path):
    rows = [("fallback", "", 1, "c", "popularity"), ("fallback", "Tea", 1, "a", "popularity")]
    build_lookups(open_rows(frame_of(rows)), tmp_path / "lists.sqlite", {})
    with closing(sqlite3.connect(tmp_path / "lists.sqlite")) as lookups:
        found = lookups.execute("select placement, category, payload from fallbacks").fetchall()
        assert lookups.execute("select count(*) from lists").fetchone() == (0,)
    assert [
        (place, category, json.loads(payload)["items"]) for place, category, payload in found
    ] == [
        ("discover", "", ["c"]),
        ("discover", "Tea", ["a"]),
    ]


def test_similar_items_and_exclusions_are_packed(frame_of, open_rows, tmp_path):
    connection = open_rows(
        frame_of(), similar=[("a", 1, "c"), ("a", 2, "b")], exclusions=[("u0", ["a", "b"])]
    )
    build_lookups(connection, tmp_path / "lists.sqlite", {})
    with closing(sqlite3.connect(tmp_path / "lists.sqlite")) as lookups:
        ((item_id, payload),) = lookups.execute("select * from similar").fetchall()
        assert (item_id, json.loads(payload)) == (
            "a",
            {
                "items": ["c", "b"],
                "scores": [1.0, 0.5],
                "labels": [{"from_rank": 1, "strategy": "item_knn", "reason": "alike"}],
                "model_version": "",
            },
        )
        assert lookups.execute("select * from exclusions").fetchall() == [
            ("discover", "u0", '["a","b"]')
        ]


def test_labels_that_come_back_are_told_again(frame_of, open_rows, tmp_path):
    strategies = ["ease", "popularity", "ease"]
    rows = [("control", "u0", n + 1, "abc"[n], strategies[n]) for n in range(3)]
    build_lookups(open_rows(frame_of(rows)), tmp_path / "lists.sqlite", {})
    with closing(sqlite3.connect(tmp_path / "lists.sqlite")) as lookups:
        ((payload,),) = lookups.execute("select payload from lists").fetchall()
    assert [label["strategy"] for label in json.loads(payload)["labels"]] == strategies


def test_blocks_of_users_change_nothing(frame_of, open_rows, tmp_path, monkeypatch):
    connection = open_rows(frame_of())

    def content(name):
        build_lookups(connection, tmp_path / name, {})
        with closing(sqlite3.connect(tmp_path / name)) as lookups:
            return logical_hash(connection), lookups.execute("select * from lists").fetchall()

    whole = content("whole.sqlite")
    monkeypatch.setattr(serving_files, "BLOCK_USERS", 1)
    assert content("single.sqlite") == whole
