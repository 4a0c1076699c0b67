from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.models.base import Exclusion
from pipelines.rules.pins import Pin, falling_scores
from pipelines.rules.pins import insert_pins as batch_pins
from pipelines.rules.rerank import item_categories, rerank
from pipelines.serve.answer.list_store import StoredList
from pipelines.serve.answer.ranking import (
    RECENCY_DECAY,
    RRF_K,
    Row,
    cap_categories,
    fill,
    fuse,
    insert_pins,
    let_scores_fall,
    rows_of,
)

ITEMS = "abcdefghij"


def rows(items, score=1.0):
    return [Row(item, score, "ease", "why") for item in items]


def names(found):
    return "".join(row.item_id for row in found)


def stored(items, strategy="knn"):
    labels = [{"from_rank": 1, "strategy": strategy, "reason": f"by {strategy}"}]
    return StoredList(list(items), [1.0] * len(items), labels, "m")


def test_a_label_holds_from_its_rank_to_the_next():
    labels = [
        {"from_rank": 1, "strategy": "ease", "reason": "own"},
        {"from_rank": 3, "strategy": "popularity", "reason": "filled"},
    ]
    found = rows_of(StoredList(["a", "b", "c"], [3.0, 2.0, 1.0], labels, "m"))
    assert [row.reason for row in found] == ["own", "own", "filled"]
    assert rows_of(StoredList([], [], [], "m")) == []


def test_fusion_adds_reciprocal_ranks_that_fall_with_the_age_of_the_seed():
    lists = {"new": stored("xy", "knn"), "old": stored("yz", "ease")}
    found = fuse(["new", "gone", "old"], lists.get)
    scores = {row.item_id: row.score for row in found}
    weight = RECENCY_DECAY**2  # `old` is two items before `new`
    assert scores["x"] == 1 / (RRF_K + 1)
    assert scores["y"] == 1 / (RRF_K + 2) + weight / (RRF_K + 1)
    assert scores["z"] == weight / (RRF_K + 2)
    assert names(found) == "yxz"
    assert found[0].reason == "by knn"  # 1 / 62 is more than 0.64 / 61


def test_a_recent_item_is_not_recommended_again():
    lists = {"a": stored("bc"), "b": stored("ac")}
    assert names(fuse(["a", "b"], lists.get)) == "c"


@settings(max_examples=150, deadline=None)
@given(
    order=st.permutations(ITEMS),
    depth=st.integers(1, 10),
    most=st.integers(1, 3),
    categories=st.lists(st.sampled_from(["", "t", "c", "t|c", "d"]), min_size=10, max_size=10),
)
def test_the_cap_is_that_of_the_batch(order, depth, most, categories):
    of_item = dict(zip(ITEMS, categories, strict=True))
    split = {item: [name for name in of_item[item].split("|") if name] for item in ITEMS}
    found = cap_categories(rows(order), depth, most, split)
    positions = np.array([[ITEMS.index(item) for item in order]], dtype=np.int32)
    codes = item_categories(np.array(list(ITEMS)), {k: v for k, v in of_item.items() if v})
    columns = rerank(positions, depth, categories=codes, max_per_category=most)
    assert names(found) == "".join(order[column] for column in columns[0])


@settings(max_examples=150, deadline=None)
@given(
    items=st.lists(st.sampled_from(ITEMS), unique=True, max_size=8),
    pins=st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 8), max_size=3),
)
def test_pins_and_their_scores_are_those_of_the_batch(items, pins):
    pins = {item: rank for rank, item in {rank: item for item, rank in pins.items()}.items()}
    width = 8
    cells = np.full((1, width), -1, dtype=np.int32)
    cells[0, : len(items)] = [ITEMS.index(item) for item in items]
    scores = np.full((1, width), np.nan)
    scores[0, : len(items)] = -np.arange(len(items))
    given_pins = [Pin(rank, ITEMS.index(item)) for item, rank in pins.items()]
    wanted = batch_pins(cells, scores, given_pins, Exclusion(None, None))
    own = [
        Row(item, -float(place), "ease", "why")
        for place, item in enumerate(items)
        if item not in pins
    ]
    found = let_scores_fall(insert_pins(own, pins.items())[:width]) if items else []
    assert names(found) == "".join(ITEMS[item] for item in wanted.items[0] if item >= 0)
    assert [row.score for row in found] == [x for x in wanted.scores[0] if not math.isnan(x)]


def test_filled_rows_keep_their_distances_below_the_last_own_score():
    own = [Row("a", 5.0, "ease", ""), Row("b", 4.0, "ease", "")]
    spare = [Row("b", 90.0, "pop", ""), Row("c", 80.0, "pop", ""), Row("d", 70.0, "pop", "")]
    found = fill(own, spare, 4, "filled")
    assert [(row.item_id, row.score) for row in found][2:] == [("c", 4.0), ("d", -6.0)]
    assert [row.reason for row in found] == ["", "", "filled", "filled"]
    assert names(fill(own, spare, 3, "filled")) == "abc"
    assert [row.score for row in fill([], spare, 2, "filled")] == [90.0, 80.0]


@given(st.lists(st.one_of(st.just(math.nan), st.floats(-9, 9)), max_size=8))
def test_scores_fall_as_those_of_the_batch(scores):
    found = [row.score for row in let_scores_fall([Row("x", s, "", "") for s in scores])]
    if scores:
        items = np.zeros((1, len(scores)), dtype=np.int32)
        assert found == falling_scores(items, np.array([scores]))[0].tolist()
