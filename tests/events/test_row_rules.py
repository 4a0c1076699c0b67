from __future__ import annotations

import duckdb
import pytest

from pipelines.events.feeds import FEEDS
from pipelines.events.row_rules import EVENT_RULES, ITEM_RULES, USER_RULES, reason_expression

GOOD_EVENT = {
    "landed_date": "date '2024-03-01'",
    "event_id": "'e1'",
    "event_type": "'view'",
    "user_id": "'u1'",
    "item_id": "'i1'",
    "event_at": "timestamp '2024-03-01 23:59:59.999999'",
    "price": "0.0",
}


def reason_of(feed, values, *, refuses=False):
    columns = {name: f"null::{kind}" for name, kind in FEEDS[feed].columns.items()}
    columns |= {"line": "null::varchar", "unreadable": "null::varchar"} | values
    row = ", ".join(f"{expression} as {name}" for name, expression in columns.items())
    expression = reason_expression(FEEDS[feed].rules)
    known = {"types": ["view", "purchase", "return", "add_to_cart"]}
    known["nobody"] = ["null", "(not set)"]
    known["refuse_negative"] = refuses
    parameters = {name: known[name] for name in known if f"${name}" in expression}
    query = f"select {expression} from (select {row})"
    return duckdb.connect().execute(query, parameters).fetchone()[0]


def test_a_good_event_breaks_no_rule():
    assert reason_of("events", GOOD_EVENT) is None


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"line": "'{'"}, "malformed_row"),
        ({"item_id": "'i' || chr(64976)"}, "bad_utf8"),
        ({"session_id": "repeat('s', 1001)"}, "oversized_text"),
        ({"user_id": "repeat('u', 257)"}, "id_too_long"),
        ({"user_id": "'u' || chr(127)"}, "control_characters"),
        ({"user_id": "null::varchar"}, "missing_user"),
        ({"user_id": "'NULL'"}, "nobody_user"),
        ({"item_id": "'i' || chr(64977)"}, "nested_value"),
        ({"item_id": "null::varchar"}, "missing_item"),
        ({"event_type": "'buy'"}, "bad_type"),
        ({"event_type": "null::varchar"}, "bad_type"),
        ({"event_at": "null::timestamp"}, "missing_time"),
        ({"event_at": "timestamp '1989-12-31'"}, "bad_time"),
        ({"event_at": "timestamp 'infinity'"}, "bad_time"),
        ({"event_at": "null::timestamp", "unreadable": '\'{"event_at":"x"}\''}, "bad_time"),
        ({"event_at": "timestamp '2024-03-02'"}, "future_event"),
        ({"unreadable": '\'{"position":"first"}\''}, "bad_number"),
        ({"value": "'-inf'::double"}, "non_finite_number"),
        ({"price": "-0.01"}, "negative_price"),
        ({"price": "1.1e9"}, "oversized_number"),
        ({"value": "-1e300"}, "oversized_number"),
    ],
)
def test_a_bad_event_has_the_reason_of_the_first_rule_it_breaks(values, reason):
    assert reason_of("events", GOOD_EVENT | values) == reason


@pytest.mark.parametrize(
    "values",
    [
        {"user_id": "repeat('u', 256)"},
        {"value": "-1.0"},
        {"event_at": "timestamp '1990-01-01'"},
        {"price": "null::double"},
    ],
)
def test_the_edge_of_a_rule_is_good(values):
    assert reason_of("events", GOOD_EVENT | values) is None


@pytest.mark.parametrize(
    ("event_type", "value", "reason", "reason_if_refused"),
    [
        ("purchase", -1, None, "negative_quantity"),
        ("purchase", 0, None, None),
        ("return", -1, None, None),
        ("add_to_cart", -1, "negative_quantity", "negative_quantity"),
        ("view", -1, None, None),
    ],
)
def test_a_negative_quantity_is_a_return_or_bad(event_type, value, reason, reason_if_refused):
    row = GOOD_EVENT | {"event_type": f"'{event_type}'", "value": f"{value}::double"}
    assert reason_of("events", row) == reason
    assert reason_of("events", row, refuses=True) == reason_if_refused


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, None),
        ({"title": "repeat('t', 1001)"}, "oversized_text"),
        ({"valid_from": "timestamp '2024-03-02'"}, "future_item"),
        ({"unreadable": '\'{"is_available":"maybe"}\''}, "bad_flag"),
        ({"price": "'nan'::double"}, "non_finite_number"),
    ],
)
def test_items_have_rules_of_their_own(values, reason):
    row = {"landed_date": "date '2024-03-01'", "item_id": "'i1'"}
    assert reason_of("items", row | values) == reason


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"age": "150.0", "consent": "false"}, None),
        ({"user_id": "null::varchar"}, "missing_user"),
        ({"user_id": "'(not set)'"}, "nobody_user"),
        ({"valid_from": "timestamp '2024-03-02'"}, "future_user"),
        ({"age": "-1.0"}, "bad_age"),
        ({"age": "151.0"}, "bad_age"),
        ({"age": "'nan'::double"}, "bad_age"),
        ({"unreadable": '\'{"age":"old"}\''}, "bad_age"),
        ({"unreadable": '\'{"consent":"maybe"}\''}, "bad_flag"),
        ({"unreadable": '\'{"attributes":"{}"}\''}, "bad_attribute"),
    ],
)
def test_users_have_rules_of_their_own(values, reason):
    row = {"landed_date": "date '2024-03-01'", "user_id": "'u1'"}
    assert reason_of("users", row | values) == reason


def test_every_rule_has_a_reason_of_its_own_and_a_meaning():
    for rules in (EVENT_RULES, ITEM_RULES, USER_RULES):
        assert len({rule.reason for rule in rules}) == len(rules)
        assert all(rule.meaning for rule in rules)
