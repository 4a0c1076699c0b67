from __future__ import annotations

import json
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
from pipelines.base.tables import FEAT_USER_ATTRIBUTES
from pipelines.features.snapshot import attributes_file, items_file
from pipelines.rules.eligibility import Eligibility
from pipelines.rules.eligible_groups import (
    STRANGERS,
    group_by_eligibility,
    needs_consent,
    never_eligible,
    without_consent,
)
from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from tests.published_shop import NIGHT, SHOP, bought, publish_lists, refit, write_snapshot
from tests.rules.test_place import read_published, read_registered

ITEMS = np.array(["beer", "milk", "wine"])
CATALOGUE = pd.DataFrame(
    {
        "item_id": ["beer", "wine"],
        "price": [2.0, 9.0],
        "attributes": ['{"min_age":16.0}', '{"min_age":18.0}'],
    }
)
USERS = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "u3", "u4"],
        "age": [15.0, 16.0, 17.0, 40.0],
        "consent": [True, False, None, True],
    }
)


def test_users_of_equal_outcomes_are_one_group_and_strangers_the_first():
    rules = ["item.min_age is null or item.min_age <= user.age"]
    ids = np.array(["u1", "u2", "u3", "u4", "x"])
    groups, hidden = group_by_eligibility(rules, ITEMS, CATALOGUE, ids, USERS)
    shown = {who: ITEMS[~hidden[group]].tolist() for who, group in zip(ids, groups, strict=True)}
    assert shown == {
        "u1": ["milk"],
        "u2": ["beer", "milk"],
        "u3": ["beer", "milk"],
        "u4": ["beer", "milk", "wine"],
        "x": ["milk"],
    }
    assert len(hidden) == 3
    assert groups[-1] == STRANGERS == groups[0]


def test_rules_on_items_only_make_one_group():
    groups, hidden = group_by_eligibility(["item.price < 5"], ITEMS, CATALOGUE, ITEMS, None)
    assert set(groups.tolist()) == {STRANGERS}
    assert hidden.tolist() == [[False, True, True]]


def test_what_no_user_can_see_is_told_from_what_somebody_can():
    rules = ["item.min_age <= user.age and item.price < 5"]
    assert never_eligible(rules, ITEMS, CATALOGUE).tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("setting", "users", "needed", "missing"),
    [
        (None, None, False, None),
        (None, USERS.assign(consent=None), False, None),
        (None, USERS, True, [False, True, True, True]),
        (True, USERS, False, None),
        (False, None, True, [True] * 4),
        (False, USERS, True, [False, True, True, True]),
    ],
)
def test_consent_is_needed_where_it_is_asked_for_or_where_the_feed_tells_it(
    setting, users, needed, missing
):
    placement = PlacementSettings(personalise_without_consent=setting)
    found = without_consent(placement, np.array(["u1", "u2", "u3", "x"]), users)
    assert needs_consent(placement, users) is needed
    assert (None if found is None else found.tolist()) == missing


# a world of random rules and people: night, registered model and API

PREDICATES = st.sampled_from(
    [
        "item.country = user.country",
        "item.country is null or item.country = user.country",
        "item.min_age <= user.age",
        "item.min_age is null or item.min_age <= user.age",
        "not item.organic",
        "item.category != 'c1' or user.plan = 'gold'",
        "user.age is null or item.price < user.age",
        "item.country in (user.country, 'FR')",
    ]
)
BOOSTS = st.lists(
    st.builds(dict, when=PREDICATES, places=st.sampled_from([-20, -2, 1, 3, 20])), max_size=2
)
PEOPLE = st.fixed_dictionaries(
    {
        "country": st.sampled_from([None, "DE", "FR"]),
        "age": st.sampled_from([None, 5.0, 17.0, 40.0]),
        "plan": st.sampled_from([None, "gold"]),
        "consent": st.sampled_from([None, True, True, False]),
    }
)
THINGS = st.fixed_dictionaries(
    {
        "country": st.sampled_from([None, "DE", "FR"]),
        "min_age": st.sampled_from([None, 0.0, 18.0]),
        "organic": st.sampled_from([None, True, False]),
    }
)
NAMES = [f"u{number:02}" for number in range(12)]
DECLARED = {
    "items": {"country": "text", "min_age": "number", "organic": "flag"},
    "users": {"plan": "text"},
}


class Noon:
    def __call__(self):
        return datetime.combine(NIGHT, time(12), UTC)


@settings(
    max_examples=6,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # a world takes seconds
)
@given(data=st.data())
def test_no_way_to_a_list_shows_what_its_user_may_not_see(data):
    """Completed and short lists, pins, sessions, events since, similar items, who is unknown."""
    rules = data.draw(st.lists(PREDICATES, min_size=1, max_size=2))
    placed = {
        **SHOP["placements"]["discover"],
        "eligible": rules,
        "boosts": data.draw(BOOSTS),
        "list_length": data.draw(st.sampled_from([3, 8])),
        "max_per_category": data.draw(st.sampled_from([None, 1])),
        "pinned": data.draw(st.sampled_from([[], [{"item_id": "i05", "rank": 1}]])),
        "personalise_without_consent": data.draw(st.sampled_from([None, True, False])),
    }
    with tempfile.TemporaryDirectory() as folder:
        shop = parse_settings(
            {
                "home": Path(folder) / "home",
                "experiments_folder": Path(folder) / "experiments",
                "events": {"weights": {"purchase": 1.0}},
                "attributes": DECLARED,
                "audit": {"max_item_share": 1.0},
                "similar": {**SHOP["similar"], "min_share": 0.0},
                "candidates": SHOP["candidates"],
                "placements": {"discover": placed},
            }
        )
        things = {f"i{n:02}": data.draw(THINGS) for n in range(14)}
        people = {name: data.draw(PEOPLE) for name in [*NAMES, "guest"]}
        world = World(shop, things, people)
        write_world(world)
        refit(
            shop,
            NIGHT,
            {"discover": data.draw(st.sampled_from(["item_knn", "personal_frequency"]))},
        )
        if not any(
            world.may_see(user, people[user], item) for user in NAMES for item in list(things)[:-1]
        ):
            return  # the audit refuses a night without lists
        publish_lists(shop, NIGHT)
        published = read_published(shop)
        published["stranger"] = published.pop("", [])
        registered = read_registered(shop, [*NAMES, "stranger", "guest"])
        guest = registered.pop("guest", [])
        assert registered == {user: rows for user, rows in published.items() if rows}
        runtime = Runtime(shop, ServeMetrics(), Noon())
        try:
            runtime.poll()
            check_answers(world, runtime, published, guest)
        finally:
            runtime.stop()


class World:
    """Settings of a shop, and what is true of its items and users."""

    def __init__(self, shop, things, people):
        self.shop, self.things, self.people = shop, things, people

    def may_see(self, user_id, user, item_id):
        item = {
            **self.things[item_id],
            "category": f"c{int(item_id[1:]) % 3}",
            "price": float(int(item_id[1:])),
        }
        rules = self.shop.placements["discover"].eligible
        return Eligibility(rules).broken_rules(item, {**user, "user_id": user_id}) == []

    def check(self, user_id, user, answer):
        shown = [item["item_id"] for item in answer.items]
        assert [one for one in shown if not self.may_see(user_id, user, one)] == []
        assert "i13" not in shown  # out of stock
        return shown


def write_world(world):
    write_snapshot(world.shop, NIGHT, bought(NIGHT), category=lambda one: f"c{int(one[1:]) % 3}")
    folder = world.shop.run_folder(NIGHT).snapshot
    catalogue = pd.read_parquet(folder / items_file(NIGHT))
    catalogue["attributes"] = [packed(world.things[one]) for one in catalogue["item_id"]]
    catalogue["price"] = [float(int(one[1:])) for one in catalogue["item_id"]]
    catalogue.to_parquet(folder / items_file(NIGHT))
    rows = [
        {
            "cutoff_date": NIGHT,
            "user_id": name,
            **{key: person[key] for key in ("country", "age", "consent")},
            "attributes": packed({"plan": person["plan"]}),
            "valid_from": pd.Timestamp("2024-01-01"),
        }
        for name, person in world.people.items()
    ]
    frame = pd.DataFrame(rows, columns=[*FEAT_USER_ATTRIBUTES.columns]).astype(
        {"country": object, "consent": "boolean", "age": float}
    )
    frame["language"] = pd.Series([None] * len(frame), dtype=object)
    frame.to_parquet(folder / attributes_file(NIGHT))


def packed(values):
    known = {name: value for name, value in values.items() if value is not None}
    return json.dumps(known) if known else None


def check_answers(world, runtime, published, guest):
    service = runtime.service

    def ask(user_id, **query):
        return service.recommend(Query(user_id, is_dry_run=True, **query))

    length = world.shop.placements["discover"].list_length
    for user in NAMES:
        wanted = [row[1] for row in published.get(user, [])]
        shown = world.check(user, world.people[user], ask(user, n=length))
        assert shown == wanted
    for user, known in [("stranger", {}), ("guest", world.people["guest"])]:
        given = {name: value for name, value in known.items() if value is not None}
        rows = published["stranger"] if user == "stranger" else guest
        shown = world.check(user, known, ask(user, n=length))
        told = world.check("new", known, ask("new", n=length, attributes=given))
        assert told == shown
        # The API caps what it chooses itself after its pins, the night before them.
        if user == "stranger" or world.shop.placements["discover"].max_per_category is None:
            assert shown == [row[1] for row in rows]
    for user in [*NAMES, "stranger", "guest"]:
        known = world.people.get(user, {})
        for query in ({"recent": ("i03", "i04")}, {"exclude": ("i02",)}, {"category": "c1"}):
            world.check(user, known, ask(user, n=10, **query))
        if not consents(world, known):
            assert ask(user, n=10, recent=("i03",)).items == ask(user, n=10).items
        given = {name: value for name, value in known.items() if value is not None}
        world.check("", known, service.similar("i03", 10, is_strict=False, attributes=given))
    event = {"event_id": "e", "event_type": "purchase", "item_id": "i04"}
    for user in ("u01", "u02"):
        before = ask(user, n=10).items
        row = {**event, "event_id": user, "user_id": user, "event_at": Noon()().isoformat()}
        service.take_events([row])
        world.check(user, world.people[user], after := ask(user, n=10))
        if not consents(world, world.people[user]):
            assert after.items == before


def consents(world, person):
    placement = world.shop.placements["discover"]
    told = pd.DataFrame({"consent": [one["consent"] for one in world.people.values()]})
    return not needs_consent(placement, told) or person.get("consent") is True
