from __future__ import annotations

import pyarrow.parquet as pq
import pytest

from pipelines.base.config import parse_settings
from pipelines.lists.similar_items import REASON, generate_similar


def rows_of(settings, night):
    return pq.read_table(settings.run_folder(night).similar).to_pandas()


def with_similar(settings, **changes):
    values = settings.model_dump(mode="json")
    values["home"] = settings.home
    values["similar"] = {**values["similar"], **changes}
    return parse_settings(values)


def test_items_bought_by_the_same_people_are_alike(shop, make_night):
    night = make_night()
    generate_similar(shop, night)
    rows = rows_of(shop, night)
    # Customer n bought items n, n + 1 and n + 2: item 5 goes with 4 and 6 (two customers each).
    assert set(rows[(rows["item_id"] == "i05") & (rows["rank"] <= 2)]["similar_item_id"]) == {
        "i04",
        "i06",
    }
    assert set(rows["strategy"]) == {"item_knn"} and set(rows["reason"]) == {REASON}
    assert rows.groupby("item_id")["rank"].max().max() <= 4


def test_no_item_is_like_itself_or_sold_out(shop, make_night):
    night = make_night()
    generate_similar(shop, night)
    rows = rows_of(shop, night)
    assert not (rows["item_id"] == rows["similar_item_id"]).any()
    assert "i13" not in set(rows["similar_item_id"])


def test_short_lists_are_completed_by_another_candidate(shop, make_night):
    night = make_night()
    settings = with_similar(shop, completed_by="recent_popularity", list_length=9)
    generate_similar(settings, night)
    rows = rows_of(settings, night)
    assert (rows.groupby("item_id")["rank"].max() == 9).all()
    own = rows[rows["item_id"] == "i05"]["strategy"].tolist()
    assert own == sorted(own, key=["item_knn", "popularity"].index) and len(set(own)) == 2


def test_the_same_night_has_the_same_bytes(shop, make_night):
    night = make_night()
    counts = generate_similar(shop, night)
    before = shop.run_folder(night).similar.read_bytes()
    assert generate_similar(shop, night) == counts
    assert shop.run_folder(night).similar.read_bytes() == before
    assert counts["lists_with_history"] == counts["items_with_history"] == 13


def test_without_a_candidate_there_are_none(shop, make_night):
    night = make_night()
    counts = generate_similar(with_similar(shop, candidate=None), night)
    assert counts["rows"] == 0
    assert len(rows_of(shop, night)) == 0


@pytest.mark.parametrize("size", [1, 5])
def test_blocks_of_items_change_nothing(shop, make_night, monkeypatch, size):
    night = make_night()
    generate_similar(shop, night)
    whole = rows_of(shop, night)
    monkeypatch.setattr("pipelines.lists.similar_items.BLOCK_ITEMS", size)
    generate_similar(shop, night)
    assert rows_of(shop, night).equals(whole)
