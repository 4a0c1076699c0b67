from __future__ import annotations

import tempfile
from datetime import UTC, datetime, time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pipelines.base.config import parse_settings
from pipelines.base.settings_sections import PlacementSettings
from pipelines.lists.list_rows import ANYONE
from pipelines.models.artefacts import load_recommender
from pipelines.models.base import Exclusion, TopN
from pipelines.models.personal_frequency import PersonalFrequency
from pipelines.models.popularity import Popularity
from pipelines.registry.bundle import gather_placement
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import make_labels, place, place_for_anyone
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from tests.histories import history_of
from tests.published_shop import NIGHT, SHOP, publish_lists, refit, write_snapshot

#: What people bought: c most often, then b, then a; d nobody.
BOUGHT = [
    (f"p{n}", item) for item, count in zip("abc", (1, 2, 3), strict=True) for n in range(count)
]


class Only(Popularity):
    """A recommender that has nothing but one item, for whoever bought another."""

    strategy, reason = "only", "There is nothing else"

    def recommend(self, history, k, *, exclude=None):
        lists = super().recommend(history, k, exclude=exclude)
        is_own = (lists.items == 1) & np.isin(np.arange(history.n_users), history.user)[:, None]
        items = np.full_like(lists.items, -1)
        items[:, 0] = np.where(is_own.any(axis=1), 1, -1)
        return TopN(lists.user_ids, lists.item_ids, items, np.where(items < 0, np.nan, 5.0))


@pytest.fixture
def made():
    """Lists of three for `p0`, who bought a, b and c, and for `v`, who did nothing."""

    def make(recommender=Only, fallback=Popularity, k=3, exclude=None, **rules):
        history = history_of(BOUGHT, items="abcd", users=["p0", "p1", "p2", "v"])
        recommender = recommender().fit(history)
        fallback = None if fallback is None else fallback().fit(history)
        lists = place(
            recommender,
            fallback,
            history,
            k,
            rules=make_list_rules(PlacementSettings(**rules), history, None),
            exclude=exclude or Exclusion(),
        )
        labels = make_labels(recommender, fallback or recommender)
        label = iter(labels.of_rows(lists))
        rows = {}
        for user, items in zip(lists.user_ids.tolist(), lists.items, strict=True):
            rows[user] = [
                (lists.item_ids[item], labels.strategies[at], labels.reasons[at])
                for item, at in zip(items[items >= 0], label, strict=False)
            ]
        return rows

    return make


def items(rows):
    return "".join(row[0] for row in rows)


def test_without_a_fallback_lists_stay_short_and_say_so(made):
    rows = made(fallback=None)
    short = "There is nothing else; short list: no other item may be shown"
    assert rows["p0"] == [("b", "only", short)]
    assert rows["v"] == []


def test_a_short_list_is_completed_with_what_the_fallback_ranks_next(made):
    assert made()["p0"] == [
        ("b", "only", "There is nothing else"),
        ("c", "popularity", "fallback: only had no more items"),
        ("a", "popularity", "fallback: only had no more items"),
    ]


def test_a_user_nobody_can_learn_from_gets_the_fallbacks_list(made):
    reason = "fallback: no history that only can learn from"
    assert made()["v"] == [(item, "popularity", reason) for item in "cba"]


def test_a_pin_comes_last_and_pushes_out_what_completes_the_list(made):
    rows = made(pinned=[{"item_id": "d", "rank": 2}])
    assert [row[:2] for row in rows["p0"]] == [("b", "only"), ("d", "pinned"), ("c", "popularity")]
    assert items(rows["v"]) == "cdb"


def test_what_is_excluded_is_neither_ranked_filled_in_nor_pinned(made):
    gone = Exclusion(items=np.array([False, False, True, True]))
    rows = made(exclude=gone, pinned=[{"item_id": "d", "rank": 1}])
    assert {user: items(own) for user, own in rows.items()} == {
        "p0": "ba",
        "p1": "ba",
        "p2": "ba",
        "v": "ba",
    }
    assert rows["v"][0][2].endswith("; short list: no other item may be shown")


def test_a_recommender_that_completes_its_lists_says_which_items_are_only_popular(made):
    rows = made(PersonalFrequency)
    assert [row[1] for row in rows["p1"]] == ["personal_frequency"] * 2 + ["popularity"]
    assert rows["p1"][-1][2] == "Popular with other customers"


def test_anyone_gets_the_fallbacks_list_whatever_single_users_must_not_see():
    history = history_of(BOUGHT, items="abcd")
    fallback = Popularity().fit(history)
    rules = make_list_rules(PlacementSettings(pinned=[{"item_id": "d", "rank": 1}]), history, None)
    exclude = Exclusion(history.pairs(), np.array([False, True, False, False]))
    lists = place_for_anyone(
        fallback, history, np.array(["x", "y"]), 2, rules=rules, exclude=exclude
    )
    assert ["".join(lists.item_ids[row]) for row in lists.items] == ["dc", "dc"]
    labels = make_labels(None, fallback)
    assert [labels.reasons[at] for at in labels.of_rows(lists)[:2]] == [
        "Placed at this rank by the shop",
        "fallback: for anyone not known on this night",
    ]


# one night, three ways to a list

ITEMS = [f"i{number:02}" for number in range(14)]
USERS = [f"u{number}" for number in range(8)]
RULES = st.fixed_dictionaries(
    {
        "exclude": st.sampled_from(["none", "all", ["return"]]),
        "exclude_within_days": st.sampled_from([None, 3]),
        "list_length": st.sampled_from([4, 7, 20]),
        "max_per_category": st.sampled_from([None, 1, 2]),
        "rerank_depth": st.integers(1, 4),
        "diversity": st.sampled_from([0.0, 0.5]),
        "pinned": st.sampled_from(
            [
                [],
                [{"item_id": "i05", "rank": 1}],
                [{"item_id": "i05", "rank": 4}, {"item_id": "i13", "rank": 1}],
            ]
        ),
        "fallback": st.just("popularity"),
    }
)
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(USERS),
        st.sampled_from(ITEMS),
        st.sampled_from(["purchase", "purchase", "return"]),
        st.integers(1, 6),
    ),
    min_size=6,
    max_size=40,
    unique_by=lambda row: row[:3],
)
CHAMPION = st.sampled_from(["item_knn", "personal_frequency"])


class Morning:
    def __call__(self):
        return datetime.combine(NIGHT, time(5), UTC)


@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a world takes seconds
)
@given(rules=RULES, events=EVENTS, champion=CHAMPION)
def test_registered_model_publication_and_api_give_the_same_lists(rules, events, champion):
    """Short lists, cold users and people the night does not know among them."""
    events = [*events, ("u8", "i00", "return", 1), ("u9", "i01", "purchase", 1)]
    with tempfile.TemporaryDirectory() as folder:
        shop = parse_settings(
            {
                "home": Path(folder) / "home",
                "experiments_folder": Path(folder) / "experiments",
                "events": {"weights": {"purchase": 1.0}},
                "audit": {"max_item_share": 1.0},
                "candidates": [
                    *SHOP["candidates"],
                    {"name": "popularity", "recommender": "popularity"},
                ],
                "placements": {"discover": {**SHOP["placements"]["discover"], **rules}},
            }
        )
        write_snapshot(shop, NIGHT, events, category=lambda item_id: f"c{int(item_id[1:]) % 3}")
        refit(shop, NIGHT, {"discover": champion})
        publish_lists(shop, NIGHT)
        published = read_published(shop)
        registered = read_registered(shop, [*published, "stranger"])
        published["stranger"] = published.pop(ANYONE)
        assert registered == published
        for n in {1, rules["list_length"]}:
            assert read_api(shop, published, n) == {
                user: [row[1] for row in rows[:n]] for user, rows in published.items()
            }


def read_published(shop):
    """Rank, item, score, strategy and reason by user; `ANYONE` is who the night does not know."""
    folder = shop.run_folder(NIGHT).lists / "discover"
    frames = [pd.read_parquet(folder / f"{name}.parquet") for name in ("control", "fallback")]
    frames[1] = frames[1][frames[1]["user_id"] == ANYONE]
    return by_user(pd.concat(frames))


def read_registered(shop, user_ids):
    """What the model that is registered with the night answers."""
    saved = load_recommender(shop.run_folder(NIGHT).role("discover", "champion"))
    served = gather_placement(shop, NIGHT, "discover", saved)
    known = [user_id for user_id in user_ids if user_id != ANYONE]
    return by_user(served.recommend(known, shop.placements["discover"].list_length))


def by_user(frame):
    columns = ["rank", "item_id", "score", "strategy", "reason"]
    rows = frame[columns].itertuples(index=False, name=None)
    found = {}
    for user_id, row in zip(frame["user_id"], rows, strict=True):
        found.setdefault(user_id, []).append(row)
    return found


def read_api(shop, user_ids, n):
    """Items that the API shows before anybody did anything."""
    runtime = Runtime(shop, ServeMetrics(), Morning())
    try:
        runtime.poll()
        return {
            user_id: [
                item["item_id"]
                for item in runtime.service.recommend(Query(user_id, n=n, is_dry_run=True)).items
            ]
            for user_id in user_ids
        }
    finally:
        runtime.stop()
