from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.errors import SchemaError
from pipelines.events.landed_sources import begin_landing
from pipelines.events.landing import land
from pipelines.events.listed_sources import list_sources


def test_a_source_counts_the_rows_of_both_feeds(make_settings, tmp_path):
    settings = make_settings()
    path = tmp_path / "shop.csv"
    path.write_text("user_id,item_id,title,event_at,valid_from\nu1,i1,Tea,2024-03-01,2024-03-05\n")
    land(settings, "table", path, event_type="view")
    land(settings, "table", path, feed="items")
    (source,) = list_sources(settings)
    assert (source.event_rows, source.item_rows, source.file_count) == (1, 1, 2)
    assert (source.first_day, source.last_day) == (date(2024, 3, 1), date(2024, 3, 5))
    assert source.origin == str(path)


def test_day_files_that_no_landing_recorded_are_listed_by_their_stem(
    make_settings, write_rows, event
):
    settings = make_settings()
    for name in ("shop.parquet", "shop.jsonl", "recsys-api.parquet"):
        write_rows(settings, [event(1)], name=name)
    api, shop = list_sources(settings)
    assert (api.source, api.origin, api.event_rows) == ("recsys-api", "the API's logs", 1)
    assert (shop.source, shop.origin, shop.event_rows) == ("shop", "not recorded", None)


def test_a_landing_that_was_stopped_is_told(make_settings, tmp_path):
    settings = make_settings()
    begin_landing(settings, "shop", "table", tmp_path / "shop.csv", lambda _: ())
    (source,) = list_sources(settings)
    assert source.origin.endswith("shop.csv, stopped half way: land it again")
    assert (source.file_count, source.as_dict()["first_day"]) == (0, None)


def test_a_file_that_is_not_parquet_is_said(make_settings, write_rows, event):
    settings = make_settings()
    write_rows(settings, [event(1)]).write_text("no")
    with pytest.raises(SchemaError, match="readable in the format of its name"):
        list_sources(settings)
