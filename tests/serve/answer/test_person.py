from __future__ import annotations

import pytest

from pipelines.base.settings_sections import PlacementSettings
from pipelines.serve.answer.list_store import ItemInfo
from pipelines.serve.answer.person import Person


class Store:
    """Look-ups of one user and two items; it fails where no rule needs one."""

    def get_person(self, user_id):
        return {"u1": {"age": 12.0, "consent": True}}.get(user_id, {})

    def get_items(self, item_ids):
        infos = {"beer": ItemInfo("Beer", "drinks", 2.0, True)}
        return {one: infos[one] for one in item_ids if one in infos}

    def get_item_attributes(self, item_ids):
        return {one: {"min_age": 16.0} for one in item_ids if one == "beer"}


def rules_of(*eligible, **values):
    return PlacementSettings(eligible=eligible, **values)


def who(user_id, given=None, rules=None):
    return Person(Store(), rules or rules_of("item.min_age <= user.age"), user_id, given or {})


@pytest.mark.parametrize(
    ("user_id", "given", "allowed"),
    [
        ("u1", {}, set()),
        ("u1", {"age": 40.0}, set()),  # the publication knows better
        ("new", {}, set()),
        ("new", {"age": 16.0}, {"beer"}),
        (None, {"age": 16.0}, {"beer"}),
        ("new", {"age": "16"}, set()),
    ],
)
def test_what_the_publication_knows_counts_before_what_the_request_says(user_id, given, allowed):
    assert who(user_id, given).allowed(["beer", "milk"]) == allowed


def test_rules_read_the_items_own_columns_too():
    person = who(None, rules=rules_of("item.category = 'drinks' and item.price < 3"))
    assert person.allowed(["beer", "milk"]) == {"beer"}
    assert who("u1", rules=rules_of("user.user_id = 'u1'")).allowed(["milk"]) == {"milk"}


@pytest.mark.parametrize(
    ("user_id", "given", "may_be_known"),
    [
        ("u1", {}, True),
        ("u1", {"consent": False}, False),
        ("new", {}, False),
        ("new", {"consent": True}, True),
        ("new", {"consent": "true"}, False),
    ],
)
def test_consent_must_be_known_and_not_taken_back(user_id, given, may_be_known):
    rules = rules_of(personalise_without_consent=False)
    assert who(user_id, given, rules).may_be_known is may_be_known


def test_without_rules_nothing_is_looked_up():
    person = Person(None, rules_of(), "u1", {})
    assert person.allowed(["beer"]) == {"beer"}
    assert (person.may_be_known, person.is_described) == (True, False)
