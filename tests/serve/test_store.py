from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from datetime import UTC, date, datetime

import duckdb
import pandas as pd
import pytest

from pipelines.errors import PublicationNotFoundError
from pipelines.recommend.current import LOOKUPS, SCHEMA_VERSION, Publication
from pipelines.recommend.lookup_file import build_lookups
from pipelines.serve.store import ItemInfo, ListStore, PlacementRules, StoredList
from tests.recommend.conftest import list_frame

ID = "2024-03-10-0a1b2c3d"
RULES = {
    "exclude": ["purchase"],
    "exclude_within_days": 30,
    "list_length": 50,
    "max_per_category": None,
    "rerank_depth": 10,
    "pinned": [{"item_id": "a", "rank": 2}],
}
META = {
    "publication_id": ID,
    "as_of": "2024-03-10",
    "logical_hash": "0a1b2c3d",
    "generated_at": "2024-03-10T02:00:05",
    "schema_version": str(SCHEMA_VERSION),
    "placements": json.dumps({"for_you": RULES, "discover": {**RULES, "exclude": "all"}}),
    "exposure_types": json.dumps(["impression", "served"]),
}


def write_store(folder, **meta):
    """A publication's folder with a look-up file of the shop of three items."""
    folder.mkdir(parents=True)
    rows = [
        ("control", "u0", 1, "a", "ease"),
        ("control", "u0", 2, "b", "popularity"),
        ("control", "u1", 1, "b", "ease"),
        ("fallback", "", 1, "c", "popularity"),
        ("fallback", "tea", 1, "b", "popularity"),
    ]
    similar = pd.DataFrame(
        {
            "item_id": ["a"],
            "rank": [1],
            "similar_item_id": ["c"],
            "score": [0.5],
            "strategy": ["item_knn"],
            "reason": ["Often chosen with items you chose"],
        }
    )
    kept = pd.DataFrame({"placement": ["discover"], "user_id": ["u0"], "item_ids": [["b", "c"]]})
    catalogue = {
        "item_id": ["a", "b", "c"],
        "title": ["A", "B", None],
        "category": ["tea", None, None],
        "price": [1.5, None, 2.0],
        "is_available": [True, False, None],
    }
    with duckdb.connect() as connection:
        tables = {
            "lists": list_frame(rows),
            "similar_items": similar,
            "exclusions": kept,
            "items": pd.DataFrame(catalogue),
        }
        for name, frame in tables.items():
            connection.register(name, frame)
        build_lookups(connection, folder / LOOKUPS, {**META, **meta})
    return Publication(ID, folder, {})


@pytest.fixture
def publication(tmp_path):
    return write_store(tmp_path / "it's 100% odd?#" / ID)


@pytest.fixture
def store(publication):
    opened = ListStore.open(publication)
    yield opened
    opened.close()


def test_a_store_says_what_it_is_of(store):
    assert (store.publication_id, store.as_of) == (ID, date(2024, 3, 10))
    assert store.generated_at == datetime(2024, 3, 10, 2, 0, 5, tzinfo=UTC)
    assert store.exposure_types == {"impression", "served"}


def test_rules_of_placements_come_in_the_order_of_the_settings(store):
    assert list(store.placements) == ["for_you", "discover"]
    pinned = ({"item_id": "a", "rank": 2},)
    assert store.placements["for_you"] == PlacementRules(("purchase",), 30, 50, None, 10, pinned)
    assert store.placements["discover"].exclude == "all"


def test_a_users_list_is_found_with_its_labels(store):
    assert store.get_list("discover", "control", "u0") == StoredList(
        ["a", "b"],
        [1.0, 0.5],
        [
            {"from_rank": 1, "strategy": "ease", "reason": "because of ease"},
            {"from_rank": 2, "strategy": "popularity", "reason": "because of popularity"},
        ],
        "ease-abc@2024-03-10",
    )


def test_lists_for_anyone_are_apart_from_those_of_users(store):
    assert store.get_fallback("discover").items == ["c"]
    assert store.get_fallback("discover", "tea").items == ["b"]
    assert store.get_list("discover", "fallback", "") is None


def test_exclusions_are_a_set_and_empty_where_nothing_is_kept(store):
    assert store.get_exclusions("discover", "u0") == {"b", "c"}
    assert store.get_exclusions("discover", "u1") == frozenset()


def test_items_like_an_item_carry_one_label(store):
    label = {"from_rank": 1, "strategy": "item_knn", "reason": "Often chosen with items you chose"}
    assert store.get_similar("a") == StoredList(["c"], [0.5], [label], "")


def test_what_is_not_known_is_none_or_left_out(store):
    assert store.get_list("discover", "control", "nobody") is None
    assert store.get_list("basket", "control", "u0") is None
    assert store.get_fallback("discover", "coffee") is None
    assert store.get_similar("b") is None
    assert store.get_items(["a", "zzz", "b"]) == {
        "a": ItemInfo("A", "tea", 1.5, True),
        "b": ItemInfo("B", None, None, False),
    }
    assert store.get_items(["c"])["c"].is_available is None


def test_ids_that_look_like_sql_are_only_ids(store):
    odd = "u0' or '1'='1"
    assert store.get_list("discover", "control", odd) is None
    assert store.get_items([odd, '"]']) == {}


def test_many_threads_get_the_lists_they_ask_for(store):
    wrong = []

    def ask(user_id, items):
        for _ in range(300):
            if store.get_list("discover", "control", user_id).items != items:
                wrong.append(user_id)

    threads = [
        threading.Thread(target=ask, args=(user, items))
        for user, items in [("u0", ["a", "b"]), ("u1", ["b"])] * 4
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_the_file_is_not_written_to(store):
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store._connection.execute("delete from lists")


def test_sound_lists_pass_the_sample(store):
    store.sample_check(2)


def test_a_list_that_is_none_fails_the_sample(publication):
    with closing(sqlite3.connect(publication.folder / LOOKUPS)) as file, file:
        file.execute("""update lists set payload = '{"items": [], "scores": []}'""")
    with (
        closing(ListStore.open(publication)) as store,
        pytest.raises(PublicationNotFoundError, match="Random look-ups in 2024-03-10-0a1b2c3d"),
    ):
        store.sample_check()


def test_another_schema_version_is_refused(tmp_path):
    publication = write_store(tmp_path / ID, schema_version="1")
    with pytest.raises(PublicationNotFoundError, match=r"schema version 2\. Found .*_version 1"):
        ListStore.open(publication)


def test_the_lists_of_another_publication_are_refused(tmp_path):
    publication = write_store(tmp_path / ID, publication_id="2024-03-09-00000000")
    with pytest.raises(PublicationNotFoundError, match="the lists of 2024-03-09-00000000"):
        ListStore.open(publication)


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_a_file_that_is_no_store_is_refused(publication, content):
    path = publication.folder / LOOKUPS
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PublicationNotFoundError, match=r"lists\.sqlite must be that of"):
        ListStore.open(publication)
