from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.base.config import parse_settings
from pipelines.base.durable import read_json
from pipelines.base.errors import AuditError
from pipelines.base.tables import FEAT_ITEMS
from pipelines.features.snapshot import items_file
from pipelines.lists.for_users import generate_lists
from pipelines.lists.list_rows import LIST_SCHEMA
from pipelines.lists.similar_items import generate_similar
from tests.published_shop import write_table


def damage(settings, night, defect, placement="discover", variant="control"):
    """Rewrite a list file with a planted defect."""
    path = settings.run_folder(night).variant(placement, variant)
    frame = defect(pd.read_parquet(path))
    pq.write_table(pa.Table.from_pandas(frame, LIST_SCHEMA, preserve_index=False), path)


def failed_rules(settings, night):
    with pytest.raises(AuditError, match="Every rule of the audit must hold"):
        audit_lists(settings, night)
    report = read_json(settings.run_folder(night).audit)
    assert report["passed"] is False
    return {entry["rule"] for entry in report["rules"] if not entry["passed"]}


def in_row(frame, number, **values):
    return frame.assign(
        **{name: frame[name].where(frame.index != number, value) for name, value in values.items()}
    )


PLANTED = {
    "rows": lambda lists: lists.head(0),
    "labels": lambda lists: in_row(lists, 7, variant="other"),
    "ranks": lambda lists: in_row(lists, 4, rank=6),
    "duplicates": lambda lists: in_row(lists, 1, item_id=lists["item_id"][0]),
    "scores": lambda lists: in_row(lists, 1, score=float("nan")),
    "items": lambda lists: in_row(lists, 2, item_id="ghost"),
    "exclusions": lambda lists: in_row(lists, 2, item_id="i00"),
    "list_length": lambda lists: lists.drop(index=4),
    "every_user": lambda lists: lists[lists["user_id"] != "u03"],
}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_planted_defect_fails_its_rule(shop, make_lists, rule):
    night = make_lists()
    damage(shop, night, PLANTED[rule])
    assert rule in failed_rules(shop, night)


def test_a_rising_score_fails(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: in_row(lists, 1, score=lists["score"][0] + 1))
    assert failed_rules(shop, night) == {"scores"}


def test_an_infinite_score_fails(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: in_row(lists, 0, score=float("inf")))
    assert failed_rules(shop, night) == {"scores"}


def test_an_item_out_of_stock_fails(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: in_row(lists, 2, item_id="i13"))
    assert failed_rules(shop, night) == {"items"}


def test_an_item_in_no_feed_fails(shop, make_lists):
    night = make_lists()
    path = shop.run_folder(night).snapshot / items_file(night)
    items = pd.read_parquet(path)
    items.assign(is_in_feed=items["item_id"] != "i03").to_parquet(path, index=False)
    assert failed_rules(shop, night) == {"in_feed"}


def test_a_missing_label_fails(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: in_row(lists, 2, strategy=None))
    assert failed_rules(shop, night) == {"labels"}


def test_a_file_of_another_form_fails(shop, make_lists):
    night = make_lists()
    path = shop.run_folder(night).variant("discover", "control")
    pq.write_table(pa.table({"user_id": ["u00"]}), path)
    assert failed_rules(shop, night) == {"readable"}


def test_a_truncated_file_fails(shop, make_lists):
    night = make_lists()
    path = shop.run_folder(night).variant("discover", "control")
    path.write_bytes(path.read_bytes()[:100])
    assert failed_rules(shop, night) == {"readable"}


def test_an_empty_fallback_fails(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: lists.head(0), variant="fallback")
    assert "fallback_present" in failed_rules(shop, night)


def test_an_item_in_nearly_every_personal_list_fails(shop, make_lists):
    # the last row of every list becomes the same item, under the recommender's own name
    def defect(lists):
        is_last = lists["rank"] == 5
        same = lists.assign(item_id=lists["item_id"].where(~is_last, "i12"), strategy="item_knn")
        return same[~((same["item_id"] == "i12") & ~is_last)]

    night = make_lists()
    damage(shop, night, defect)
    assert "item_share" in failed_rules(shop, night)
    first_four = shop.model_copy(
        update={"evaluation": shop.evaluation.model_copy(update={"k": 4, "ks": (4,)})}
    )
    assert "item_share" not in failed_rules(first_four, night)


def test_lists_for_categories_alone_are_no_fallback(shop, make_lists):
    night = make_lists()
    damage(shop, night, lambda lists: lists.assign(user_id="Tea"), variant="fallback")
    assert failed_rules(shop, night) == {"fallback_present", "categories"}


def test_lists_that_are_all_fallback_have_no_item_share(shop, make_lists):
    both = {"discover": "recent_popularity", "for_you": "recent_popularity"}
    night = make_lists(champions=both)
    shares = [rule for rule in audit_lists(shop, night)["rules"] if rule["rule"] == "item_share"]
    assert [rule["found"] for rule in shares] == [None, None]
    assert "every row is the fallback's strategy" in shares[0]["note"]


def test_exclusions_count_only_the_events_and_days_of_the_placement(shop, make_lists, bought_rows):
    rules = shop.placements["discover"].model_copy(
        update={"exclude": ("purchase",), "exclude_within_days": 2}
    )
    narrow = shop.model_copy(update={"placements": {**shop.placements, "discover": rules}})
    night = make_lists()
    # u00 bought i00, i01 and i02 one, two and three days ago
    damage(narrow, night, lambda lists: in_row(lists, 2, item_id="i02"))
    audit_lists(narrow, night)
    damage(narrow, night, lambda lists: in_row(lists, 2, item_id="i01"))
    assert failed_rules(narrow, night) == {"exclusions"}


def test_what_was_only_shown_excludes_nothing(shop, make_lists, bought_rows):
    night = make_lists(events=[*bought_rows, ("u00", "i03", "impression", 1)])
    path = shop.run_folder(night).variant("discover", "control")
    assert "i03" in set(pd.read_parquet(path).query("user_id == 'u00'")["item_id"])
    audit_lists(shop, night)


@pytest.mark.parametrize(
    ("variant", "rule"), [("control", "rows"), ("fallback", "fallback_present")]
)
def test_a_missing_file_is_a_failed_rule(shop, make_lists, variant, rule):
    night = make_lists()
    shop.run_folder(night).variant("discover", variant).unlink()
    assert rule in failed_rules(shop, night)


@pytest.fixture
def sorted_night(shop, make_night):
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


def strays(shop, night):
    rules = read_json(shop.run_folder(night).audit)["rules"]
    return {rule["placement"]: rule["found"] for rule in rules if rule["rule"] == "categories"}


def test_lists_by_category_pass_the_audit(shop, sorted_night):
    path = shop.run_folder(sorted_night).variant("discover", "fallback")
    assert set(pd.read_parquet(path)["user_id"]) == {"", "Tea", "Gifts"}
    assert audit_lists(shop, sorted_night)["passed"]
    assert strays(shop, sorted_night) == {"discover": 0, "for_you": 0}


def test_an_item_in_the_list_of_another_category_fails(shop, sorted_night):
    def mix(lists):
        return lists.assign(user_id=lists["user_id"].replace({"Tea": "Gifts", "Gifts": "Tea"}))

    damage(shop, sorted_night, mix, variant="fallback")
    with pytest.raises(AuditError, match="rows of a list for a category it is not in"):
        audit_lists(shop, sorted_night)
    assert strays(shop, sorted_night)["discover"] > 0 and strays(shop, sorted_night)["for_you"] == 0


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
