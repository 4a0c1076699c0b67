from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.sources.table import read_table

MAPPING = {"user_id": "customer", "item_id": "sku", "event_at": "ts"}


def read(path, **options):
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    rows = read_table(connection, path, **options)
    query = rows.events or rows.items
    return connection.execute(query, rows.events_parameters or rows.items_parameters).df(), rows


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2024-03-01 10:00:00", datetime(2024, 3, 1, 10)),
        ("2024-03-01T10:00:00+02:00", datetime(2024, 3, 1, 8)),
        (1709287200, datetime(2024, 3, 1, 10)),
        (1709287200000, datetime(2024, 3, 1, 10)),
        (1709287200000000, datetime(2024, 3, 1, 10)),
        (datetime(2024, 3, 1, 10), datetime(2024, 3, 1, 10)),
    ],
)
def test_times_of_every_form_are_read(tmp_path, time, expected):
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"customer": ["u1"], "sku": ["i1"], "ts": [time]}), path)
    found, _ = read(path, mapping=MAPPING, event_type="view")
    assert found.loc[0, "event_at"].to_pydatetime() == expected


def test_ids_that_became_floats_lose_their_point(tmp_path):
    path = tmp_path / "log.parquet"
    columns = {"customer": [17850.0, None], "sku": ["i1", "i2"], "ts": ["2024-03-01"] * 2}
    pq.write_table(pa.table(columns), path)
    found, _ = read(path, mapping=MAPPING, event_type="view")
    assert found["user_id"].tolist()[0] == "17850"


def test_columns_of_the_feeds_names_need_no_mapping(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user_id;item_id;event_at;event_type;value\nu1;i1;2024-03-01;rating;4.5\n")
    found, _ = read(path)
    assert found.loc[0, ["event_type", "value"]].tolist() == ["rating", 4.5]


def test_rows_without_a_readable_time_are_left_out_and_counted(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("customer,sku,ts\nu1,i1,2024-03-01 10:00:00\nu2,i1,soon\nu3,i1,\n")
    found, rows = read(path, mapping=MAPPING, event_type="view")
    assert len(found) == 1 and rows.exclusions == {"no readable time": 2}


def test_a_table_of_items_is_landed_by_when_they_became_valid(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,name,since\ni1,Lamp,2024-03-01\n")
    found, rows = read(path, mapping={"title": "name", "valid_from": "since"}, feed="items")
    assert rows.events is None and found.loc[0, "title"] == "Lamp"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapping": MAPPING}, "needs a source for event_type.*--event-type purchase"),
        (
            {"mapping": {"user_id": "customer"}, "event_type": "view"},
            "source for item_id, event_at",
        ),
        ({"mapping": {"user": "customer"}}, "must name columns of the events feed.*Got user"),
        (
            {"mapping": {"user_id": "client"}},
            "must point to columns of .*Missing client; found cust",
        ),
        ({"feed": "users"}, "must be events or items. Got 'users'"),
    ],
)
def test_a_mapping_that_cannot_work_is_explained(tmp_path, options, message):
    path = tmp_path / "log.csv"
    path.write_text("customer,sku,ts\nu1,i1,2024-03-01\n")
    with pytest.raises(LandingError, match=message):
        read(path, **options)


def test_a_missing_table_is_an_error(tmp_path):
    with pytest.raises(LandingError, match="must be a CSV or Parquet file. Found none"):
        read(tmp_path / "none.csv")
