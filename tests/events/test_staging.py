from __future__ import annotations

import json

import pyarrow as pa
import pytest

from pipelines.base.warehouse import connect
from pipelines.events.feeds import EVENTS
from pipelines.events.staging import Source, create_arrived, stage, stage_statement, text_source

GOOD = {"event_type": "view", "user_id": "u1", "item_id": "i1", "event_at": "2024-03-01"}


@pytest.fixture
def stage_texts(make_settings):
    def staged(values, columns):
        settings = make_settings()
        table = pa.table({name: [value] for name, value in values.items()})
        source = text_source(
            EVENTS,
            "batch",
            {name: name for name in values},
            day="date '2024-03-01'",
            path="'f'",
            line="null",
        )
        with connect(settings) as connection:
            create_arrived(connection, EVENTS)
            connection.register("batch", table)
            stage(connection, settings, EVENTS, source, {})
            connection.unregister("batch")
            return connection.execute(f"select {columns} from arrived_events").fetchone()

    return staged


@pytest.mark.parametrize(
    ("text", "value"), [("1.50", 1.5), ("1e3", 1000.0), (" 2 ", 2.0), ("", None)]
)
def test_numbers_are_read_from_text(stage_texts, text, value):
    assert stage_texts(GOOD | {"price": text}, "price, reason") == (value, None)


def test_a_value_of_another_type_keeps_its_text_beside_the_row(stage_texts):
    found = stage_texts(
        GOOD | {"price": "cheap", "value": "1", "position": "x"}, "unreadable, price, value, reason"
    )
    assert json.loads(found[0]) == {"price": "cheap", "position": "x"}
    assert found[1:] == (None, 1.0, "bad_number")


def test_only_a_good_row_is_given_an_id(stage_texts):
    assert len(stage_texts(GOOD, "event_id")[0]) == 64
    assert stage_texts(GOOD | {"user_id": ""}, "event_id, reason") == (None, "missing_user")


@pytest.mark.parametrize("nobody", ["nan", "None", "NULL", " (not set)\t", r"\N"])
def test_a_text_that_means_nobody_is_no_id(stage_texts, nobody):
    assert stage_texts(GOOD | {"user_id": nobody}, "reason") == ("nobody_user",)
    assert stage_texts(GOOD | {"item_id": nobody}, "reason") == ("nobody_item",)


def test_ids_are_kept_as_written_but_for_their_ends_and_form(stage_texts):
    row = GOOD | {"user_id": "\u00a0cafe\u0301 ", "item_id": "007"}
    assert stage_texts(row, "user_id, item_id, reason") == ("café", "007", None)


def test_an_accepted_type_is_a_bound_value(make_settings):
    source = Source("batch", {}, {}, "null", "null", "null")
    assert "$types" in stage_statement(EVENTS, source)
    assert "$nobody" in stage_statement(EVENTS, source)
