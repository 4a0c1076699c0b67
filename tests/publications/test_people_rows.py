from __future__ import annotations

import json

import duckdb
import pandas as pd
import pytest

from pipelines.base.settings_sections import PlacementSettings
from pipelines.publications.people_rows import (
    create_people_tables,
    fill_people_tables,
    hash_with_people,
    stored_rules,
)

CATALOGUE = pd.DataFrame({"item_id": ["a", "b"], "attributes": ['{"min_age":18.0}', None]})
USERS = pd.DataFrame(
    {
        "user_id": ["u1", "u2", "u3"],
        "country": ["FR", None, "DE"],
        "language": ["fr", "fr", "de"],
        "age": [40.0, None, 12.0],
        "consent": [True, None, False],
        "attributes": ['{"plan":"gold"}', None, None],
    }
)
NOBODY = USERS.head(0)


@pytest.fixture
def filled():
    """Rows of the tables after filling, and the hash of a night whose lists hash to `lists`."""

    def fill(placement, catalogue=CATALOGUE, users=USERS):
        with duckdb.connect() as connection:
            create_people_tables(connection)
            fill_people_tables(connection, {"discover": placement}, catalogue, users, [])
            people = connection.execute("select * from people order by 1").fetchall()
            content = hash_with_people(connection, "lists", {"discover": placement})
        return {user: json.loads(payload) for user, payload in people}, content

    return fill


def test_of_users_only_what_a_rule_reads_is_kept(filled):
    rules = PlacementSettings(
        eligible=("item.min_age <= user.age", "user.plan = 'gold'"),
        personalise_without_consent=True,
    )
    people, _ = filled(rules)
    assert people == {"u1": {"age": 40.0, "plan": "gold"}, "u3": {"age": 12.0}}


def test_consent_is_kept_where_it_is_needed(filled):
    people, _ = filled(PlacementSettings())
    assert people == {"u1": {"consent": True}, "u3": {"consent": False}}
    assert filled(PlacementSettings(personalise_without_consent=True))[0] == {}


def test_a_night_without_rules_is_named_by_its_lists_alone(filled):
    plain = CATALOGUE.assign(attributes=None)
    assert filled(PlacementSettings(), plain, NOBODY) == ({}, "lists")


def test_other_attributes_rules_or_consent_make_another_publication(filled):
    older = USERS.assign(age=41.0)
    rules = PlacementSettings(eligible=("item.price < user.age",))
    other = PlacementSettings(eligible=("item.price > user.age",))
    hashes = {
        filled(PlacementSettings(), CATALOGUE, NOBODY)[1],
        *(filled(one, CATALOGUE, users)[1] for one in (rules, other) for users in (USERS, older)),
        filled(PlacementSettings(personalise_without_consent=False), CATALOGUE, NOBODY)[1],
    }
    assert len(hashes) == 6
    assert filled(rules)[1] == filled(rules)[1]


def test_what_was_left_open_is_stored_as_the_night_understood_it():
    rules = PlacementSettings(eligible=("item.price < 5",))
    stored = {"eligible": ["item.price < 5"], "personalise_without_consent": False}
    assert stored_rules(rules, USERS) == stored
    assert stored_rules(rules, NOBODY) == {**stored, "personalise_without_consent": True}
