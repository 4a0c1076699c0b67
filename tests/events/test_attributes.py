from __future__ import annotations

import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.events.attributes import with_attributes
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.events.quarantine import list_quarantine, release_quarantine
from pipelines.events.staging import Source

DAY, AS_OF = date(2024, 3, 1), date(2024, 3, 2)
DECLARED = {
    "items": {"min_age": "number", "country": "text"},
    "users": {"plan": "text", "score": "number", "vip": "flag"},
}


@pytest.fixture
def shop(make_settings):
    return make_settings(
        attributes=DECLARED,
        events={"weights": {"purchase": 1.0}, "max_quarantine_share": 1.0},
    )


def write(settings, feed, name, *lines):
    path = settings.landing / feed / f"date={DAY}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_a_csv_of_users_keeps_the_columns_that_are_declared_and_no_other(shop, dump):
    header = "user_id,country,age,consent,plan,score,vip,email"
    write(shop, "users", "shop.csv", header, "u1,DE,34,yes,gold,1.50,true,a@b.c", "u2,,,,,,,")
    report = load_days(shop, AS_OF)
    assert dump(shop, "raw.users", "user_id, country, age, consent, attributes") == [
        ("u1", "DE", 34.0, True, '{"plan":"gold","score":1.5,"vip":true}'),
        ("u2", None, None, None, None),
    ]
    assert any("`email` is not part of the users feed" in note for note in report.notes)
    assert not any("plan" in note for note in report.notes)


def test_all_formats_give_the_same_attributes(shop, dump):
    write(shop, "items", "a.csv", "item_id,title,min_age,country", "a,A,18,FR", "b,B,,")
    line = {"item_id": "c", "title": "C", "min_age": 18, "country": "FR"}
    write(shop, "items", "b.jsonl", json.dumps(line))
    row = {"item_id": ["d"], "title": ["D"], "min_age": [18], "country": ["FR"]}
    pq.write_table(pa.table(row), shop.landing / "items" / f"date={DAY}" / "c.parquet")
    load_days(shop, AS_OF)
    packed = '{"country":"FR","min_age":18.0}'
    assert dump(shop, "raw.items", "item_id, attributes") == [
        ("a", packed),
        ("b", None),
        ("c", packed),
        ("d", packed),
    ]


@pytest.mark.parametrize("value", ["old", "nan", "1e999", "18 years"])
def test_a_value_of_another_kind_is_quarantined_and_released_once_it_is_put_right(
    shop, dump, value
):
    write(shop, "items", "a.csv", "item_id,title,min_age,country", f"a,A,{value},FR")
    assert load_days(shop, AS_OF).feeds["items"].reasons == {"bad_attribute": 1}
    (row,) = list_quarantine(shop)
    assert json.loads(row.payload["attributes"]) == {"country": "FR", "min_age": value}
    fixes = {"attributes": '{"country": "FR", "min_age": "18"}'}
    assert release_quarantine(shop, [row.quarantine_id], fixes=fixes).refused == {}
    load_days(shop, AS_OF)
    assert dump(shop, "raw.items", "item_id, attributes") == [
        ("a", '{"country":"FR","min_age":18.0}')
    ]


def test_without_a_declaration_nothing_is_kept_whatever_the_column_is_called(make_settings, dump):
    shop = make_settings()
    write(shop, "items", "a.csv", "item_id,title,attributes", 'a,A,"not {json"')
    rows = {"item_id": ["b"], "title": ["B"], "attributes": [{"min_age": 18}]}
    pq.write_table(pa.table(rows), shop.landing / "items" / f"date={DAY}" / "b.parquet")
    load_days(shop, AS_OF)
    assert dump(shop, "raw.items", "item_id, attributes") == [("a", None), ("b", None)]


def test_a_shop_without_a_users_feed_loads_as_before(shop, dump):
    write(shop, "items", "a.csv", "item_id,title", "a,A")
    assert load_days(shop, AS_OF).feeds["users"].total_rows == 0
    assert dump(shop, "raw.users", "user_id") == []


def test_users_are_landed_from_a_table_with_columns_of_other_names(shop, tmp_path, dump):
    path = tmp_path / "customers.csv"
    path.write_text("customer;land;tier;points\n007;DE;gold;1,5\nnull;DE;gold;1\n")
    mapping = {"user_id": "customer", "country": "land", "plan": "tier", "score": "points"}
    options = {"feed": "users", "mapping": mapping, "known_from": DAY, "decimal_comma": True}
    report = land(shop, "table", path, **options)
    assert (report.user_count, report.event_count) == (1, 0)
    assert report.exclusions == {"user_id means nobody": 1}
    load_days(shop, AS_OF)
    assert dump(shop, "raw.users", "user_id, country, attributes") == [
        ("007", "DE", '{"plan":"gold","score":1.5}')
    ]


def test_a_source_without_the_columns_is_left_as_it_is():
    source = Source("rows", {"item_id": "item_id"}, {}, "day", "path", "null")
    assert with_attributes(source, {"item_id": "item_id"}, {"min_age": "number"}) is source
