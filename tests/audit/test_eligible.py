from __future__ import annotations

from datetime import date

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.audit.audit import audit_lists
from pipelines.audit.eligible import audit_eligible, open_people, open_unconsenting, reads_user
from pipelines.audit.findings import ListFile
from pipelines.base.config import parse_settings
from pipelines.base.durable import read_json
from pipelines.base.errors import AuditError
from pipelines.features.snapshot import attributes_file, items_file
from pipelines.lists.for_users import generate_lists
from pipelines.lists.list_rows import LIST_SCHEMA
from pipelines.lists.similar_items import generate_similar

RULE = "item.min_age is null or item.min_age <= user.age"


def write_people(settings, night, **columns):
    frame = pd.DataFrame({"user_id": [f"u{n:02}" for n in range(12)], **columns})
    names = ("country", "language", "age", "consent", "attributes")
    frame = frame.reindex(columns=["user_id", *names])
    frame.to_parquet(settings.run_folder(night).snapshot / attributes_file(night))


@pytest.fixture
def strict_shop(shop, make_night):
    """`i05` is for people of 18; u00 and u01 are children, and only u03 consents to nothing."""
    night, values = make_night(), shop.model_dump(mode="json")
    values["attributes"] = {"items": {"min_age": "number"}}
    for placed in values["placements"].values():
        placed["eligible"] = [RULE]
    settings = parse_settings(values)
    ages, consent = [12.0, 12.0, *[40.0] * 10], [True] * 3 + [False] + [True] * 8
    write_people(settings, night, age=ages, consent=consent)
    path = settings.run_folder(night).snapshot / items_file(night)
    items = pd.read_parquet(path)
    items["attributes"] = [
        '{"min_age":18.0}' if item == "i05" else None for item in items["item_id"]
    ]
    items.to_parquet(path, index=False)
    for placement in settings.placements:
        generate_lists(settings, night, placement)
    generate_similar(settings, night)
    return settings, night


def failed(settings, night):
    with pytest.raises(AuditError):
        audit_lists(settings, night)
    rules = read_json(settings.run_folder(night).audit)["rules"]
    return {(one["variant"], one["rule"]): one["found"] for one in rules if not one["passed"]}


def rewrite(settings, night, change, variant="control"):
    path = settings.run_folder(night).variant("discover", variant)
    frame = change(pd.read_parquet(path))
    pq.write_table(pa.Table.from_pandas(frame, LIST_SCHEMA, preserve_index=False), path)


def test_lists_that_obey_the_rules_pass_and_say_so(strict_shop):
    settings, night = strict_shop
    rules = audit_lists(settings, night)["rules"]
    found = {(one["variant"], one["rule"]) for one in rules if one["placement"] == "discover"}
    assert {("control", "eligible"), ("fallback", "eligible"), ("control", "consent")} <= found


def test_a_row_that_breaks_a_condition_fails(strict_shop):
    settings, night = strict_shop

    def plant(lists):
        is_last = (lists["user_id"] == "u01") & (lists["rank"] == 5)
        return lists.assign(item_id=lists["item_id"].where(~is_last, "i05"))

    rewrite(settings, night, plant)
    assert failed(settings, night)[("control", "eligible")] == 1


def test_a_personal_row_of_somebody_without_consent_fails(strict_shop):
    settings, night = strict_shop

    def plant(lists):
        mine = (lists["user_id"] == "u03") & (lists["rank"] <= 2)
        return lists.assign(reason=lists["reason"].where(~mine, "Fits what you chose"))

    rewrite(settings, night, plant)
    assert failed(settings, night) == {("control", "consent"): 2}


def test_a_shop_without_conditions_has_no_findings_of_them(shop, make_lists):
    night = make_lists()
    rules = {one["rule"] for one in audit_lists(shop, night)["rules"]}
    assert not rules & {"eligible", "consent"}


def file_of(settings, connection, variant):
    return ListFile(connection, settings, date(2024, 3, 10), "discover", variant, None)


@pytest.mark.parametrize(
    ("variant", "rows", "broken"),
    [("control", [("u1", "a"), ("u2", "a"), ("u2", "b")], 1), ("fallback", [("u2", "a")], 1)],
)
def test_conditions_are_read_in_sql_with_what_is_missing_as_no_match(
    make_settings, variant, rows, broken
):
    import duckdb

    rules = ["item.country is null or item.country in (user.country, 'O''Brien')"]
    settings = make_settings(
        attributes={"items": {"country": "text"}}, placements={"discover": {"eligible": rules}}
    )
    with duckdb.connect() as connection:
        open_people(
            connection,
            pd.DataFrame({"user_id": ["u2"], "country": ["FR"], "language": [None]}).assign(
                age=None, consent=None, attributes=None
            ),
        )
        items = pd.DataFrame({"item_id": ["a", "b"], "attributes": ['{"country":"FR"}', None]})
        lists = pd.DataFrame(rows, columns=["user_id", "item_id"]).assign(strategy="", reason="")
        history = lists[["user_id"]]
        for name, frame in {"items": items, "lists": lists, "history": history}.items():
            connection.register(name, frame)
        file = file_of(settings, connection, variant)
        open_unconsenting(file)
        assert [finding.found for finding in audit_eligible(file)] == [broken]
        assert reads_user(file)
