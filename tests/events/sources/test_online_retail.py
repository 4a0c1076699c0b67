from __future__ import annotations

from datetime import datetime

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import LandingError
from pipelines.events.sources.online_retail import COLUMNS, read_online_retail

AT = datetime(2011, 1, 5, 10)
LATER = datetime(2011, 1, 6, 10)


@pytest.fixture
def read(tmp_path):
    def rows_of(*lines):
        names = [*COLUMNS]
        values = [dict(zip(names, line, strict=True)) for line in lines]
        path = tmp_path / "shop.parquet"
        pq.write_table(pa.table({name: [row[name] for row in values] for name in names}), path)
        connection = duckdb.connect()
        rows = read_online_retail(connection, path)
        events = connection.execute(rows.events).df().to_dict("records")
        items = connection.execute(rows.items).df().to_dict("records")
        return events, items, rows.exclusions

    return rows_of


def line(invoice="1", *, code="A", title="Lamp", quantity=1, at=AT, price=2.0, customer=17.0):
    return (invoice, code, title, quantity, at, price, customer)


def test_a_line_is_a_purchase_and_equal_lines_stay_two(read):
    events, _, exclusions = read(line(quantity=3), line(quantity=3))
    assert [event["event_id"] for event in events] == ["1-1", "1-2"]
    assert events[0] == {
        "event_id": "1-1",
        "event_type": "purchase",
        "user_id": "17",
        "item_id": "A",
        "event_at": AT,
        "value": 3.0,
        "price": 2.0,
        "session_id": "1",
    }
    assert exclusions == {}


def test_a_cancellation_is_a_return_with_a_positive_value(read):
    events, _, _ = read(line("C9", quantity=-4))
    assert (events[0]["event_type"], events[0]["value"]) == ("return", 4.0)


def test_each_exclusion_is_counted_under_the_first_rule_that_holds(read):
    events, _, exclusions = read(
        line(),
        line(customer=None),
        line(code="POST", customer=None),
        line(code="m"),
        line(code="gift_0001_20"),
        line(code="PADS", price=0.001),
        line(price=0.0),
        line(quantity=-1),
    )
    assert [event["item_id"] for event in events] == ["A", "PADS"]
    assert exclusions == {
        "no customer": 1,
        "not a product: POST": 1,
        "not a product: m": 1,
        "not a product: gift_…": 1,
        "price is not positive": 1,
        "quantity is not positive": 1,
    }


def test_an_item_is_known_from_its_first_line_even_without_a_customer(read):
    _, items, _ = read(line(customer=None, price=2.0), line(code="POST"))
    assert [(item["item_id"], item["title"], item["valid_from"]) for item in items] == [
        ("A", "Lamp", AT)
    ]


def test_a_title_is_the_most_frequent_so_far_and_never_looks_ahead(read):
    _, items, _ = read(
        line(title="Lamp"),
        line(title="LAMP RED", at=LATER),
        line(title="LAMP RED", at=LATER),
    )
    assert [(item["title"], item["valid_from"]) for item in items] == [
        ("Lamp", AT),
        ("LAMP RED", LATER),
    ]


def test_a_price_is_the_median_of_the_day_and_only_changes_are_rows(read):
    _, items, _ = read(
        line(price=2.0),
        line(price=2.0),
        line(price=900.0),
        line(price=2.0, at=LATER),
        line(price=3.0, at=datetime(2011, 1, 7)),
    )
    assert [(item["price"], item["valid_from"].day) for item in items] == [(2.0, 5), (3.0, 7)]


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(LandingError, match="must be a Parquet file.* Found none"):
        read_online_retail(duckdb.connect(), tmp_path / "none.parquet")


def test_the_folder_of_the_file_is_read_too_if_it_holds_no_other(read, tmp_path):
    read(line())
    connection = duckdb.connect()
    rows = read_online_retail(connection, tmp_path)
    assert len(connection.execute(rows.events, rows.events_parameters).fetchall()) == 1
    (tmp_path / "other.parquet").write_bytes((tmp_path / "shop.parquet").read_bytes())
    with pytest.raises(LandingError, match="a folder that holds one and no other"):
        read_online_retail(connection, tmp_path)


def test_the_bundled_shop_has_the_customers_and_lines_it_should():
    connection = duckdb.connect()
    rows = read_online_retail(connection, None)
    counts = connection.execute(
        f"""
        select count(*), count(distinct user_id), count(distinct item_id) from ({rows.events})
        where event_type = 'purchase' and event_at < '2011-11-25'
        """
    ).fetchone()
    assert counts == (367_374, 4_248, 3_642)
    kept = connection.execute(f"select count(*) from ({rows.events})").fetchone()[0]
    assert kept + sum(rows.exclusions.values()) == 541_909
    assert rows.exclusions["no customer"] == 134_050
