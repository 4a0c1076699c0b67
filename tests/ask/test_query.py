from __future__ import annotations

import json
import shutil

import pytest

from pipelines.ask.query import query_user, run_sql
from pipelines.base.errors import (
    PublicationNotFoundError,
    QueryError,
    SettingsError,
    UnknownUserError,
)
from pipelines.base.warehouse import connect


def test_a_user_is_shown_with_history_and_lists_and_titles(shop, one_night):
    found = query_user(shop, "u00")
    assert found["publication_id"] == one_night
    # u00 bought items 0, 1 and 2 one, two and three days before the night
    assert [(row["event_date"], row["title"]) for row in found["history"]] == [
        ("2024-03-10", "Item number 0"),
        ("2024-03-09", "Item number 1"),
        ("2024-03-08", "Item number 2"),
    ]
    assert list(found["lists"]) == ["discover", "for_you"]
    first = found["lists"]["for_you"][0]
    assert first["rank"] == 1 and first["title"] == f"Item number {int(first['item_id'][1:])}"
    assert first["strategy"] == "personal_frequency" and first["reason"] == "You choose this often"
    assert json.loads(json.dumps(found)) == found


def test_one_placement_can_be_asked_for(shop, one_night):
    assert list(query_user(shop, "u00", "discover")["lists"]) == ["discover"]


def test_an_unknown_user_is_told_what_such_people_are_shown(shop, one_night):
    with pytest.raises(UnknownUserError, match="shown the fallback list of each placement"):
        query_user(shop, "nobody")


@pytest.mark.parametrize("user_id", ["' or 1=1 --", "../../etc/passwd", "", "u00\x00", "\u202e"])
def test_a_strange_id_is_only_an_unknown_user(shop, one_night, user_id):
    with pytest.raises(UnknownUserError):
        query_user(shop, user_id)


def test_an_unknown_placement_is_refused(shop, one_night):
    with pytest.raises(SettingsError, match="Got 'basket'. Known: discover, for_you"):
        query_user(shop, "u00", "basket")


def test_lists_are_shown_when_the_run_folder_is_gone(shop, one_night):
    shutil.rmtree(shop.home / "runs")
    found = query_user(shop, "u00")
    assert found["history"] == [] and len(found["lists"]["discover"]) == 5


def test_a_query_answers_while_the_warehouse_is_being_written(shop, one_night):
    with connect(shop) as warehouse:
        warehouse.execute("create table busy as select 1")
        assert query_user(shop, "u00")["lists"]
        assert len(run_sql(shop, "from current_recommendations")) == 120


def test_before_the_first_night_there_is_nothing_to_ask(shop):
    with pytest.raises(PublicationNotFoundError, match="Run a night first"):
        run_sql(shop, "select 1")


def test_sql_reads_lists_items_and_the_publication(shop, one_night):
    sql = "select publication_id, row_count from publication"
    assert run_sql(shop, sql).to_dict("records") == [
        {"publication_id": one_night, "row_count": 120}
    ]
    assert len(run_sql(shop, "select * from fallback_recommendations")) == 10


@pytest.mark.parametrize(
    "sql",
    [
        "selec 1",
        "select * from nothing",
        "delete from recommendations",
        "create table more (x integer)",
        "select * from read_csv('/etc/passwd')",
        "copy recommendations to '/tmp/stolen.csv'",
        "attach '/tmp/other.duckdb'",
        "set enable_external_access = true",
    ],
)
def test_sql_that_is_wrong_or_leaves_the_publication_is_refused(shop, one_night, sql):
    with pytest.raises(QueryError, match="Tables: recommendations, fallback_recommendations"):
        run_sql(shop, sql)


def test_sql_without_rows_is_refused(shop, one_night):
    with pytest.raises(QueryError, match="SQL must return rows"):
        run_sql(shop, "-- nothing")


def test_the_warehouse_answers_too_and_its_view_of_what_is_live(shop, two_nights):
    _, last = two_nights
    found = run_sql(
        shop,
        "select distinct publication_id from serving.current_recommendations",
        over_warehouse=True,
    )
    assert found["publication_id"].tolist() == [last]
    with pytest.raises(QueryError, match="docs/tables.md"):
        run_sql(shop, "from metrics.nothing", over_warehouse=True)
    with pytest.raises(QueryError, match="only reads"):
        run_sql(shop, "delete from serving.publications", over_warehouse=True)
    with pytest.raises(QueryError):
        run_sql(shop, f"from read_text('{shop.home / 'recsys.toml'}')", over_warehouse=True)
