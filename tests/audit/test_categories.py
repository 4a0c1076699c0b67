from __future__ import annotations

import pandas as pd
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.base.durable import read_json
from pipelines.base.errors import AuditError
from pipelines.base.tables import FEAT_ITEMS
from pipelines.features.snapshot import items_file
from pipelines.lists.for_users import generate_lists
from pipelines.lists.similar_items import generate_similar
from tests.audit.test_list_audit import damage
from tests.published_shop import write_table


@pytest.fixture
def night(shop, make_night):
    """Lists of a shop whose items are tea, gifts, both or of no category."""
    as_of = make_night()
    kinds = ["Tea", "Tea | Gifts", "Gifts", None]
    items = [
        {
            "cutoff_date": as_of,
            "item_id": f"i{number:02}",
            "title": "T",
            "category": kinds[number % 4],
            "is_available": True,
            "is_in_feed": True,
        }
        for number in range(14)
    ]
    write_table(shop.run_folder(as_of).snapshot / items_file(as_of), FEAT_ITEMS, items)
    for placement in shop.placements:
        generate_lists(shop, as_of, placement)
    generate_similar(shop, as_of)
    return as_of


def found(shop, night):
    rules = read_json(shop.run_folder(night).audit)["rules"]
    return {rule["placement"]: rule["found"] for rule in rules if rule["rule"] == "categories"}


def test_lists_by_category_pass_the_audit(shop, night):
    path = shop.run_folder(night).variant("discover", "fallback")
    assert set(pd.read_parquet(path)["user_id"]) == {"", "Tea", "Gifts"}
    assert audit_lists(shop, night)["passed"]
    assert found(shop, night) == {"discover": 0, "for_you": 0}


def test_an_item_in_the_list_of_another_category_fails(shop, night):
    def mix(lists):
        return lists.assign(user_id=lists["user_id"].replace({"Tea": "Gifts", "Gifts": "Tea"}))

    damage(shop, night, mix, variant="fallback")
    with pytest.raises(AuditError, match="rows of a list for a category it is not in"):
        audit_lists(shop, night)
    assert found(shop, night)["discover"] > 0 and found(shop, night)["for_you"] == 0
