from __future__ import annotations

import pytest

from pipelines.serve.answer.list_store import ListStore
from pipelines.serve.answer.static_lists import StaticLists
from tests.serve.publications import RULES, publish_by_hand


@pytest.fixture
def store(make_settings, content):
    pinned = [{"item_id": "a", "rank": 1}]
    given = content(placements={"discover": {**RULES, "pinned": pinned}, "bare": RULES})
    one = ListStore.open(publish_by_hand(make_settings(), given))
    yield one
    one.close()


def test_the_lists_for_anyone_outlive_the_store(store):
    static = StaticLists(store)
    wanted = store.get_fallback("discover")
    store.close()
    assert static.get_fallback("discover") == wanted
    assert static.get_fallback("discover", "tea") == wanted
    assert static.get_fallback("bare") is None
    assert static.get_items(["k", "a", "zz", "b"]).keys() == {"k", "a"}  # a is pinned, b in none


def test_nothing_of_a_user_or_an_item_is_held(store):
    static = StaticLists(store)
    assert static.get_list("discover", "control", "u1") is None
    assert static.get_exclusions("discover", "u1") == frozenset()
    assert static.get_similar("a") is None


def test_it_says_what_it_is_of(store):
    static = StaticLists(store)
    for name in ("publication_id", "as_of", "generated_at", "placements", "exposure_types"):
        assert getattr(static, name) == getattr(store, name)
