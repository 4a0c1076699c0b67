from __future__ import annotations

import pandas as pd
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.base.config import parse_settings
from pipelines.base.errors import AuditError
from pipelines.lists.for_users import generate_lists
from pipelines.lists.similar_items import generate_similar

PINS = [{"item_id": "i09", "rank": 2}, {"item_id": "i13", "rank": 1}]


@pytest.fixture
def pinned(shop, make_night):
    """The shop with two pins in both placements, one of them out of stock; lists are made."""
    night = make_night()
    values = shop.model_dump(mode="json")
    for placement in values["placements"].values():
        placement["pinned"] = PINS
    settings = parse_settings(values)
    for name in settings.placements:
        generate_lists(settings, night, name)
    generate_similar(settings, night)
    return settings, night


def read_lists(settings, night, placement, variant="control"):
    return pd.read_parquet(settings.run_folder(night).variant(placement, variant))


def test_pinned_lists_pass_the_audit(pinned):
    settings, night = pinned
    report = audit_lists(settings, night)
    assert report["passed"]
    assert {rule["found"] for rule in report["rules"] if rule["rule"] == "pins"} == {0}


def test_a_pinned_row_says_so_in_every_list_that_may_hold_it(pinned):
    settings, night = pinned
    rows = read_lists(settings, night, "for_you").query("item_id == 'i09'")
    assert len(rows) == 12 and set(rows["rank"]) == {2}
    assert set(rows["strategy"]) == {"pinned"}
    assert set(rows["reason"]) == {"Placed at this rank by the shop"}


def test_a_pinned_item_is_never_one_a_user_has_or_one_out_of_stock(pinned):
    settings, night = pinned
    lists = read_lists(settings, night, "discover")
    has = {"u07", "u08", "u09"}  # they bought i09
    assert set(lists.query("item_id == 'i09'")["user_id"]) == set(lists["user_id"]) - has
    assert "i13" not in set(lists["item_id"])


def test_the_list_for_people_not_known_has_the_pin_too(pinned):
    settings, night = pinned
    rows = read_lists(settings, night, "discover", "fallback")
    assert rows.loc[rows["strategy"] == "pinned", "item_id"].tolist() == ["i09"]


def test_a_row_that_calls_itself_pinned_and_is_not_fails(pinned):
    settings, night = pinned
    path = settings.run_folder(night).variant("for_you", "control")
    lists = pd.read_parquet(path)
    lists.loc[lists["rank"] == 4, "strategy"] = "pinned"
    lists["rank"] = lists["rank"].astype("int32")
    lists.to_parquet(path, index=False)
    with pytest.raises(AuditError, match="pins must be 0. Found 12"):
        audit_lists(settings, night)
