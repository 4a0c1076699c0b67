from __future__ import annotations

from datetime import datetime

import duckdb
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.sources.retailrocket import read_retailrocket

EVENTS = """timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433221333000,257597,addtocart,355908,
1433221334000,257597,transaction,355908,4000
"""
PROPERTIES = """timestamp,itemid,property,value
1433221332000,355908,categoryid,1338
1433221332000,355908,790,n552.000
1433221333000,355908,available,0
"""


def test_actions_become_event_types(tmp_path):
    (tmp_path / "events.csv").write_text(EVENTS)
    connection = duckdb.connect()
    rows = read_retailrocket(connection, tmp_path)
    found = connection.execute(rows.events, rows.events_parameters).fetchall()
    assert found[0] == ("view", "257597", "355908", datetime(2015, 6, 2, 5, 2, 12, 117000), None)
    assert [(row[0], row[4]) for row in found[1:]] == [("add_to_cart", None), ("purchase", "4000")]
    assert rows.items is None


def test_properties_become_items_that_carry_what_was_known(tmp_path):
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "item_properties_part1.csv").write_text(PROPERTIES)
    connection = duckdb.connect()
    rows = read_retailrocket(connection, tmp_path / "events.csv")
    found = connection.execute(rows.items, rows.items_parameters).fetchall()
    assert [(row[0], row[2], row[4]) for row in found] == [
        ("355908", "1338", True),
        ("355908", "1338", False),
    ]


def test_a_folder_without_events_is_an_error(tmp_path):
    with pytest.raises(LandingError, match="must hold events.csv. Found none"):
        read_retailrocket(duckdb.connect(), tmp_path)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "events.csv").write_text("timestamp,event,itemid,transactionid\n1,view,2,\n")
    with pytest.raises(LandingError, match="Missing visitorid; found timestamp"):
        read_retailrocket(duckdb.connect(), tmp_path)
