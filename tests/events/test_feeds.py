from __future__ import annotations

import duckdb
import pytest

from pipelines.base.tables import EVENT_COLUMNS
from pipelines.events.feeds import FEEDS, canonical_payload


@pytest.mark.parametrize("feed", FEEDS.values(), ids=list(FEEDS))
def test_a_feed_fills_its_raw_table(feed):
    assert ["landed_date", *feed.columns] == list(feed.table.columns)
    assert ("landed_date", *feed.key) == feed.table.key
    assert set(feed.required) | set(feed.defaults) <= set(feed.columns)


def payload(**values):
    row = {name: f"null::{kind}" for name, kind in EVENT_COLUMNS.items()} | values
    columns = ", ".join(f"{expression} as {name}" for name, expression in row.items())
    return (
        duckdb.connect().execute(f"select {canonical_payload()} from (select {columns})").fetchone()
    )


def test_a_payload_tells_rows_apart_but_not_by_their_id():
    base = {"user_id": "'u1'", "price": "1.0"}
    assert payload(**base) == payload(**base, event_id="'e9'")
    assert payload(**base) != payload(user_id="'u1'", value="1.0")
    assert payload(user_id="'u1'") != payload(item_id="'u1'")
