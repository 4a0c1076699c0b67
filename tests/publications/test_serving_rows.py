from __future__ import annotations

import duckdb
import pytest

from pipelines.base.current import POINTER, read_current, read_publication
from pipelines.base.warehouse import connect
from pipelines.publications.serving_rows import drop_rows, insert_rows, refresh_view


def count(warehouse, table):
    ((found,),) = warehouse.execute(f"select count(*) from serving.{table}").fetchall()
    return found


def test_rows_are_inserted_once_however_often_it_is_asked(shop, one_night):
    publication = read_publication(shop, one_night)
    with connect(shop) as warehouse:
        drop_rows(warehouse, set())
        for _ in range(2):
            insert_rows(warehouse, publication)
            assert count(warehouse, "recommendations") == publication.manifest["row_count"]
            assert count(warehouse, "publications") == 1


def test_rows_that_are_half_there_are_replaced(shop, one_night):
    publication = read_publication(shop, one_night)
    with connect(shop) as warehouse:
        drop_rows(warehouse, {one_night})
        warehouse.execute("delete from serving.recommendations where rank > 2")
        insert_rows(warehouse, publication)
        assert count(warehouse, "recommendations") == publication.manifest["row_count"]


def test_a_failed_insert_leaves_the_rows_as_they_were(shop, one_night):
    publication = read_publication(shop, one_night)
    with connect(shop) as warehouse:
        drop_rows(warehouse, {one_night})
        warehouse.execute("delete from serving.recommendations where rank > 2")
        left = count(warehouse, "recommendations")
        broken = {**publication.manifest, "generated_at": "not a time"}
        with pytest.raises(duckdb.Error, match="not a time"):
            insert_rows(warehouse, type(publication)(one_night, publication.folder, broken))
        assert count(warehouse, "recommendations") == left


def test_the_view_follows_the_pointer_without_being_made_again(shop, two_nights):
    before, last = two_nights
    from pipelines.publications.choose import rollback

    with connect(shop) as warehouse:
        refresh_view(shop, warehouse)
        named = "select distinct publication_id from serving.current_recommendations"
        assert warehouse.execute(named).fetchall() == [(last,)]
        rollback(shop)
        assert warehouse.execute(named).fetchall() == [(before,)]


def test_without_a_readable_pointer_the_view_is_left_alone(shop, one_night):
    with connect(shop) as warehouse:
        refresh_view(shop, warehouse)
        pointer = (shop.publications / POINTER).read_bytes()
        (shop.publications / POINTER).write_text("{")
        refresh_view(shop, warehouse)
        (shop.publications / POINTER).write_bytes(pointer)
        rows = count(warehouse, "current_recommendations")
    assert rows == read_current(shop).manifest["row_count"]
