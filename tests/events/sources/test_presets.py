"""Well-known exports land by their names, in the layout in which they are published."""

from __future__ import annotations

import json
from datetime import date, datetime

import duckdb
import pytest

from pipelines.base.errors import LandingError
from pipelines.base.settings_sections import EventSettings
from pipelines.events.sources.presets import read_presets, table_settings
from pipelines.events.sources.table import read_table

GA4 = {
    "event_timestamp": "1709251200000000",
    "event_name": "purchase",
    "user_pseudo_id": "1000.17",
    "items": [{"item_id": "A", "quantity": "2"}, {"item_id": "B", "quantity": "1"}],
}
SHOPIFY = """Name,Email,Paid at,Created at,Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku
#100,p0@example.com,2024-03-01 23:30:00 -0500,2024-03-01 23:30:00 -0500,1,Mug,12.50,MUG
#100,,,,2,Tee,20.00,TEE
"""
ORDERS = """order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order
1,7,prior,1,3,12,
2,7,prior,2,5,06,2.0
"""
LINES = "order_id,product_id,add_to_cart_order,reordered\n1,100,1,0\n1,101,2,0\n2,100,1,1\n"
AMAZON = {"overall": 5.0, "reviewerID": "A0", "asin": "0001388703", "unixReviewTime": 1387670400}

#: Preset to its files, and the first event: user, item, time, type.
CASES = {
    "ga4": ({"a.json": json.dumps(GA4)}, ("1000.17", "A", datetime(2024, 3, 1), "purchase")),
    "shopify": (
        {"orders.csv": SHOPIFY},
        ("p0@example.com", "MUG", datetime(2024, 3, 2, 4, 30), "purchase"),
    ),
    "instacart": (
        {"orders.csv": ORDERS, "order_products__prior.csv": LINES},
        ("7", "100", datetime(2016, 1, 1, 12), "purchase"),
    ),
    "amazon": (
        {"a.json": json.dumps(AMAZON)},
        ("A0", "0001388703", datetime(2013, 12, 22), "rating"),
    ),
    "amazon-2023": (
        {
            "a.jsonl": '{"user_id": "A0", "parent_asin": "B0", "timestamp": 1387670400000, "rating": 4}'
        },
        ("A0", "B0", datetime(2013, 12, 22), "rating"),
    ),
    "hm": (
        {
            "t.csv": "t_dat,customer_id,article_id,price,sales_channel_id\n2020-09-01,c1,0663,0.01,2\n"
        },
        ("c1", "0663", datetime(2020, 9, 1), "purchase"),
    ),
    "yoochoose-clicks": (
        {"yoochoose-clicks.dat": "1,2014-04-07T10:51:09.277Z,214536502,0\n"},
        ("1", "214536502", datetime(2014, 4, 7, 10, 51, 9, 277_000), "click"),
    ),
    "yoochoose-buys": (
        {"yoochoose-buys.dat": "420374,2014-04-06T18:44:58.314Z,214537888,12462,1\n"},
        ("420374", "214537888", datetime(2014, 4, 6, 18, 44, 58, 314_000), "purchase"),
    ),
    "rees46": (
        {
            "oct.csv": "event_time,event_type,product_id,category_id,price,user_id,user_session\n"
            "2019-10-01 00:00:00 UTC,cart,44600062,2103,35.79,541312140,72d7\n"
            "2019-10-01 00:00:01 UTC,remove_from_cart,44600062,2103,35.79,541312140,72d7\n"
        },
        ("541312140", "44600062", datetime(2019, 10, 1), "add_to_cart"),
    ),
    "dunnhumby": (
        {"t.csv": "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY\n2375,269,1,1004906,1\n"},
        ("2375", "1004906", datetime(2016, 1, 2), "purchase"),
    ),
    "tafeng": (
        {"t.csv": "TRANSACTION_DT,CUSTOMER_ID,PRODUCT_ID,AMOUNT\n11/1/2000,01104905,471,2\n"},
        ("01104905", "471", datetime(2000, 11, 1), "purchase"),
    ),
}
ITEMS = {
    "shopify-products": "Handle,Title,Type,Variant SKU,Variant Price\nmug,Mug,Home,M1,5\nmug,,,M2,6\n",
    "instacart-products": "product_id,product_name,aisle_id\nM1,Mug,3\nM2,Mug,3\n",
    "hm-articles": "article_id,prod_name,product_group_name\nM1,Mug,Home\nM2,Mug,Home\n",
}


def land(preset, path):
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("set TimeZone = 'UTC'")
    settings = table_settings(preset, {})
    rows = read_table(connection, str(path), settings, EventSettings(), date(2024, 4, 1))
    return connection.execute(rows.events or rows.items).df()


@pytest.mark.parametrize("preset", CASES)
def test_an_export_lands_as_it_is_published(tmp_path, preset):
    files, wanted = CASES[preset]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    path = tmp_path if len(files) > 1 else tmp_path / next(iter(files))
    first = land(preset, path).iloc[0]
    found = (first.user_id, first.item_id, first.event_at.to_pydatetime(), first.event_type)
    assert found == wanted


def test_orders_with_their_products_in_one_file_land_too(tmp_path):
    path = tmp_path / "instacart.csv"
    path.write_text(
        "order_id,user_id,order_number,order_dow,order_hour_of_day,days_since_prior_order,product_id\n"
        "0,0,1,0,00,,100\n4,0,2,4,04,7.0,104\n"
    )
    assert land("instacart", path)["event_at"].tolist() == [
        datetime(2016, 1, 1),
        datetime(2016, 1, 8, 4),
    ]


@pytest.mark.parametrize("preset", ITEMS)
def test_products_land_with_titles(tmp_path, preset):
    path = tmp_path / "products.csv"
    path.write_text(ITEMS[preset])
    assert land(preset, path)["title"].tolist() == ["Mug", "Mug"]


def test_every_preset_is_tried_and_says_what_it_is():
    presets = read_presets()
    assert {*presets} == {*CASES, *ITEMS}
    assert all(one["about"] for one in presets.values())


def test_files_of_another_data_set_are_refused(tmp_path):
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    with pytest.raises(LandingError, match="those that the preset is for. Got a.csv, b.csv"):
        land("instacart", tmp_path)
