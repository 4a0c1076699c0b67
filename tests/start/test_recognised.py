from __future__ import annotations

import pytest

from pipelines.events.sources.online_retail import COLUMNS
from pipelines.events.sources.samples import Sample
from pipelines.start.recognised import recognise_columns, recognise_folder


def known(*columns, form="csv"):
    found = recognise_columns(Sample("f", form, 1, {name: ["x"] for name in columns}))
    return found and found[0]


@pytest.mark.parametrize(
    ("columns", "form", "name"),
    [
        (COLUMNS, "parquet", "online-retail"),
        (("customer_id", "article_id", "t_dat", "price", "sales_channel_id"), "csv", "hm"),
        (("reviewerID", "asin", "unixReviewTime", "overall"), "json", "amazon"),
        (("household_key", "PRODUCT_ID", "DAY", "QUANTITY", "BASKET_ID"), "csv", "dunnhumby"),
    ],
)
def test_an_export_is_known_by_its_columns(columns, form, name):
    assert known(*columns, form=form) == name


def test_names_that_any_log_has_are_no_export():
    assert known("user_id", "item_id", "event_at", "event_type") is None
    assert known("user", "sku", "date") is None


def test_folders_of_known_logs_are_known_by_their_files(tmp_path):
    assert recognise_folder(str(tmp_path)) is None
    (tmp_path / "ratings.csv").touch()
    (tmp_path / "movies.csv").touch()
    assert recognise_folder(str(tmp_path))[0] == "movielens"
    (tmp_path / "rr").mkdir()
    header = "timestamp,visitorid,event,itemid,transactionid\n"
    (tmp_path / "rr" / "events.csv").write_text(header)
    assert recognise_folder(str(tmp_path / "rr"))[0] == "retailrocket"
