from __future__ import annotations

import math

import duckdb
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as law
from hypothesis import strategies as st
from jinja2 import Environment

from pipelines.base.config import DBT_PROJECT, parse_settings
from pipelines.base.errors import SettingsError
from pipelines.base.event_meaning import (
    UNITS,
    counted_type,
    counted_weights,
    is_unwanted,
    take_units,
    told_type,
)
from pipelines.base.settings_sections import EventSettings
from pipelines.events.row_rules import EVENT_MEANINGS

EVENTS = EventSettings()
KINDS = st.sampled_from(["purchase", "return", "add_to_cart", "rating", "view", "it's"])
VALUES = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def connection():
    return duckdb.connect(config={"threads": 1})


@pytest.mark.parametrize(
    ("event_type", "value", "counts_as"),
    [
        ("rating", 0.5, "low_rating"),
        ("rating", math.nextafter(4.0, 0), "low_rating"),
        ("rating", 4.0, "rating"),
        ("rating", None, "rating"),
        ("view", 0.5, "view"),
    ],
)
def test_a_value_below_the_least_of_its_type_makes_an_event_low(event_type, value, counts_as):
    assert counted_type(event_type, value, {"rating": 4.0}) == counts_as
    assert counted_type(event_type, value, {}) == event_type
    assert told_type(counts_as) == event_type
    assert is_unwanted(counts_as) is (counts_as == "low_rating")


@pytest.mark.parametrize(
    ("below", "weights", "low"),
    [
        ("return", {"rating": 1.0, "return": -2.0}, -2.0),
        ("return", {"rating": 1.0}, 0.0),
        ("nothing", {"rating": 1.0, "return": -2.0}, 0.0),
        ("return", {"rating": 1.0, "return": -2.0, "low_rating": -0.5}, -0.5),
    ],
)
def test_a_low_event_weighs_what_a_return_does_or_nothing(below, weights, low):
    events = EventSettings(min_value={"rating": 4.0}, below_min_value=below)
    found = counted_weights(events, weights)
    assert found.pop("low_rating", 0.0) == low
    assert found == {name: value for name, value in weights.items() if name != "low_rating"}


def test_without_a_least_value_weights_are_those_of_the_settings():
    assert counted_weights(EVENTS, {"rating": 1.0, "return": -1.0}) == {
        "rating": 1.0,
        "return": -1.0,
    }


@pytest.mark.parametrize(
    ("event_type", "value", "taken"),
    [
        ("purchase", -1.0, ("return", 1.0)),
        ("purchase", 2.0, ("purchase", 2.0)),
        ("purchase", 0.0, ("purchase", 0.0)),
        ("purchase", None, ("purchase", None)),
        ("return", -2.0, ("return", 2.0)),
        ("return", 2.0, ("return", 2.0)),
        ("rating", -3.0, ("rating", -3.0)),
    ],
)
def test_units_below_zero_are_a_return_of_as_many(event_type, value, taken):
    assert take_units(event_type, value) == taken


@pytest.mark.parametrize(
    ("refuses", "event_type"),
    [(True, "purchase"), (True, "add_to_cart"), (False, "add_to_cart")],
)
def test_units_below_zero_that_mean_nothing_are_refused(refuses, event_type):
    with pytest.raises(ValueError, match=f"below 0 where the type is {event_type}"):
        take_units(event_type, -1.0, refuses_negative=refuses)


@pytest.mark.parametrize(
    ("events", "refuses"),
    [
        ({}, False),
        ({"negative_quantity": "refuse"}, True),
        ({"types": ("view", "purchase")}, True),  # it could not be a return
    ],
)
def test_a_negative_quantity_is_refused_as_set_or_where_no_type_is_return(events, refuses):
    assert EventSettings(**events).refuses_negative_quantity is refuses


@law(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS, VALUES)
def test_units_are_taken_once(event_type, value):
    try:
        once = take_units(event_type, value)
    except ValueError:
        return  # a cart
    assert take_units(*once) == once
    assert once[0] not in UNITS or once[1] is None or once[1] >= 0


@law(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS, VALUES)
def test_the_load_takes_units_as_the_api_does(connection, event_type, value):
    try:
        wanted = take_units(event_type, value)
    except ValueError:
        return  # a bad row; tests/events/test_row_rules.py
    query = "select {event_type}, {value} from (select ? as event_type, ?::double as value)"
    found = connection.execute(query.format(**EVENT_MEANINGS), [event_type, value]).fetchone()
    assert found == wanted


@law(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(KINDS, VALUES, st.dictionaries(st.sampled_from(["rating", "view", "it's"]), VALUES))
def test_dbt_counts_types_as_the_api_does(connection, event_type, value, least):
    least = {kind: number for kind, number in least.items() if number is not None}
    files = [DBT_PROJECT / "macros" / f"{name}.sql" for name in ("expressions", "event_meaning")]
    macros = "".join(path.read_text() for path in files)
    called = Environment(extensions=["jinja2.ext.do"]).from_string(
        macros + "{{ counted_type('event_type', 'value') }}"
    )
    expression = called.render(var={"min_value": least}.get, target={"type": "duckdb"})
    query = f"select {expression} from (select ? as event_type, ?::double as value)"
    taken = take_units(event_type, value)[0] if event_type == "purchase" else event_type
    found = connection.execute(query, [event_type, value]).fetchone()
    assert found == (counted_type(taken, value, least),)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ({"min_value": {"purchase": 2.0}}, r"value is a degree.*Got \['purchase'\]"),
        ({"min_value": {"stars": 2.0}}, r"Got \['stars'\]"),
        ({"min_value": {"rating": float("nan")}}, "finite"),
        ({"types": ["view", "low_view"]}, r"no type may start with 'low_'.*\['low_view'\]"),
        ({"below_min_value": "ignore"}, "'return' or 'nothing'"),
        ({"negative_quantity": "abs"}, "'return' or 'refuse'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(events, message):
    with pytest.raises(SettingsError, match=message):
        parse_settings({"events": events})
