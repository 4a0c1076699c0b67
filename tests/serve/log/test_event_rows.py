from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pipelines.base.settings_sections import EventSettings
from pipelines.serve.log.event_rows import EventRules, read_event, read_stock

NOW = datetime(2024, 3, 10, 10, tzinfo=UTC)
RULES = EventRules(
    frozenset({"view", "purchase", "add_to_cart", "served"}),
    timedelta(days=3),
    EventSettings().nobody,
)
ROW = {"event_type": "purchase", "user_id": "u", "item_id": "i"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event_type": "buy"}, "event_type must be one of add_to_cart, purchase, view"),
        ({"user_id": None}, "user_id is missing"),
        ({"user_id": 7}, "user_id must be a text"),
        ({"item_id": ""}, "item_id must not be empty"),
        ({"event_id": "a\x00"}, "event_id must not hold control characters"),
        ({"publication_id": "v" * 300}, "publication_id must have at most 256"),
        ({"event_type": "served"}, "event_type must be one of add_to_cart, purchase, view"),
        ({"variant": "ease"}, "variant is known from request_id, and only the server says it"),
        ({"experiment_id": None}, "experiment_id is known from request_id"),
        ({"propensity": 0.01}, "propensity is known from request_id"),
        ({"event_id": " served:r1:1"}, "event_id must not begin with 'served:'"),
        ({"price": 1.01e9}, "price must not be beyond 1,000,000,000"),
        ({"event_type": "view", "value": -1e300}, "value must not be beyond"),
        ({"price": -0.01}, "price must not be below 0"),
        (
            {"event_type": "add_to_cart", "value": -1},
            "value must not be below 0 where the type is add_to_cart",
        ),
        ({"user_id": "NULL"}, r"user_id 'NULL' means nobody \(events.nobody\)"),
        ({"item_id": " (not set)\t"}, r"item_id '\(not set\)' means nobody"),
        ({"value": float("inf")}, "value must be finite"),
        ({"value": 10**400}, "value must be finite"),
        ({"value": "3"}, "value must be a number"),
        ({"value": True}, "value must be a number"),
        ({"position": 0}, "position must be a whole number from 1"),
        ({"position": 1.5}, "position must be a whole number"),
        ({"event_at": "soon"}, "event_at must be an ISO 8601 time"),
        ({"event_at": 1710064800}, "event_at must be an ISO 8601 time"),
        ({"event_at": "2024-03-10T10:05:01Z"}, "must not be in the future"),
        ({"event_at": "2024-03-07T09:59:59Z"}, "must not be older than 3 days"),
        ({"colour": "red"}, "unknown field 'colour'"),
    ],
)
def test_a_bad_row_says_which_field_and_how(changes, message):
    with pytest.raises(ValueError, match=message):
        read_event({**ROW, **changes}, RULES, NOW)


def test_a_purchase_of_a_negative_quantity_is_logged_as_a_return_or_refused():
    event = read_event({**ROW, "value": -2, "price": 3.5}, RULES, NOW)
    assert (event["event_type"], event["value"], event["price"]) == ("return", 2.0, 3.5)
    refusing = replace(RULES, refuses_negative=True)
    with pytest.raises(ValueError, match="value must not be below 0 where the type is purchase"):
        read_event({**ROW, "value": -2}, refusing, NOW)


def test_a_value_that_is_no_quantity_may_be_below_zero():
    assert read_event({**ROW, "event_type": "view", "value": -2}, RULES, NOW)["value"] == -2.0


@pytest.mark.parametrize("row", [None, 3, "x", [], [ROW]])
def test_what_is_no_object_is_no_row(row):
    with pytest.raises(ValueError, match="a row must be a JSON object"):
        read_event(row, RULES, NOW)


def test_an_event_without_a_time_happened_now():
    assert read_event(ROW, RULES, NOW)["event_at"] == "2024-03-10T10:00:00.000000Z"


def test_a_clock_that_is_a_little_ahead_is_set_right():
    event = read_event({**ROW, "event_at": "2024-03-10T10:04:59Z"}, RULES, NOW)
    assert event["event_at"] == "2024-03-10T10:00:00.000000Z"


def test_times_of_other_zones_become_utc():
    event = read_event({**ROW, "event_at": "2024-03-10T10:30:00+02:00"}, RULES, NOW)
    assert event["event_at"] == "2024-03-10T08:30:00.000000Z"


def test_an_id_is_derived_from_the_values_and_only_from_them():
    first = {**ROW, "event_at": "2024-03-10T09:00:00Z", "value": 1}
    again = {**first, "value": 1.0, "session_id": None}
    other = {**first, "value": 2}
    ids = [read_event(row, RULES, NOW)["event_id"] for row in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 64


def test_a_given_id_stays_and_texts_are_normalised():
    event = read_event({**ROW, "event_id": "e1", "user_id": "cafe\u0301"}, RULES, NOW)
    assert (event["event_id"], event["user_id"]) == ("e1", "caf\u00e9")


def test_stock_is_an_item_and_a_truth_value():
    assert read_stock({"item_id": "i", "is_available": False}) == ("i", False)
    with pytest.raises(ValueError, match="is_available must be true or false"):
        read_stock({"item_id": "i", "is_available": 0})
    with pytest.raises(ValueError, match="is_available is missing"):
        read_stock({"item_id": "i"})
