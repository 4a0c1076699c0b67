from __future__ import annotations

import pytest

from pipelines.base.attributes import AttributeSettings
from pipelines.base.config import parse_settings
from pipelines.base.errors import SettingsError


def test_declared_columns_join_those_of_every_feed():
    settings = AttributeSettings(items={"min_age": "number"}, users={"plan": "text"})
    assert settings.item_kinds["min_age"] == "number"
    assert settings.user_kinds["consent"] == "flag"
    assert settings.declared("users") == {"plan": "text"}
    assert settings.declared("events") == {}


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"items": {"price": "number"}}, "`items` must name further columns. Got price"),
        ({"users": {"valid_from": "text"}}, "`users` must name further columns. Got valid_from"),
        ({"items": {"min age": "number"}}, "String should match pattern"),
        ({"items": {"min_age": "integer"}}, "Input should be 'text', 'number' or 'flag'"),
        ({"events": {"x": "text"}}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_declaration_is_refused(declared, message):
    with pytest.raises(SettingsError, match=message):
        parse_settings({"attributes": declared})


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("item.contry = 'FR'", "Got item.contry in .*perhaps you mean item.country"),
        ("item.min_age <= 'x'", "must be of values of one kind. Got a number <= a text"),
        ("item.country < user.country", "an order .<. must be of numbers. Got a text"),
        ("item.country", "Got a text = a flag"),
        ("item.country =", "must have an attribute or a value here. Got the end"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_placement(rule, message):
    declared = {"items": {"country": "text", "min_age": "number"}}
    with pytest.raises(SettingsError, match=f"(?s)placements.discover.*eligible.*{message}"):
        parse_settings({"attributes": declared, "placements": {"discover": {"eligible": [rule]}}})
