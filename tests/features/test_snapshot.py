from __future__ import annotations

import hashlib
import json
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.errors import MissingSnapshotError
from pipelines.base.warehouse import connect
from pipelines.features.build import build_features
from pipelines.features.read import read_user_attributes
from pipelines.features.snapshot import take_snapshot
from tests.features.conftest import (
    EVENTS,
    FIRST_NIGHT,
    SECOND_NIGHT,
    insert_users,
    world_settings,
)

pytestmark = pytest.mark.xdist_group("features")


def test_snapshot_holds_rows_versions_and_the_three_cutoffs_of_its_night(shop):
    assert sorted(shop.bytes[FIRST_NIGHT]) == [
        "item_versions.parquet",
        "items-2024-01-22.parquet",
        "items-2024-01-29.parquet",
        "items-2024-02-05.parquet",
        "manifest.json",
        "user_item_days.parquet",
        "users-2024-01-22.parquet",
        "users-2024-01-29.parquet",
        "users-2024-02-05.parquet",
    ]


def test_manifest_counts_and_hashes_every_file(shop):
    files = dict(shop.bytes[SECOND_NIGHT])
    manifest = json.loads(files.pop("manifest.json"))
    assert {name: entry["sha256"] for name, entry in manifest["files"].items()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in files.items()
    }
    assert manifest["files"]["users-2024-02-12.parquet"]["rows"] == 3
    assert manifest["cutoffs"] == ["2024-01-29", "2024-02-05", "2024-02-12"]


def test_a_rerun_after_a_later_night_gives_the_same_bytes(shop, shop_backwards):
    assert shop_backwards.bytes == shop.bytes


def test_what_came_later_changes_no_byte_of_an_earlier_cutoff(shop, shop_with_a_future):
    for name in ("users-2024-02-05.parquet", "items-2024-02-05.parquet"):
        assert shop_with_a_future.bytes[SECOND_NIGHT][name] == shop.bytes[SECOND_NIGHT][name]
        assert shop_with_a_future.bytes[SECOND_NIGHT][name] == shop.bytes[FIRST_NIGHT][name]


def test_versions_are_those_that_a_cutoff_was_the_first_to_know(shop):
    table = pq.read_table(pa.BufferReader(shop.bytes[FIRST_NIGHT]["item_versions.parquet"]))
    rows = table.select(["item_id", "known_from_date", "title"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("cup", date(2024, 1, 2), "Cup"),
        ("jar", date(2024, 1, 16), "Jar nobody bought"),
        ("tea", date(2024, 1, 2), "Green tea"),
        ("tea", date(2024, 2, 2), "Green tea, new harvest"),
    ]


def test_a_version_from_the_cutoff_day_on_changes_no_byte_of_what_the_night_before_it_knew(
    shop, shop_with_a_future
):
    name = "item_versions.parquet"
    known, later = (
        pq.read_table(pa.BufferReader(world.bytes[SECOND_NIGHT][name])).to_pylist()
        for world in (shop, shop_with_a_future)
    )
    assert known == pq.read_table(pa.BufferReader(shop.bytes[FIRST_NIGHT][name])).to_pylist()
    # holds from 2024-02-05, so the first cutoff to know it is the day after
    dearer = [row for row in later if row["known_from_date"] > FIRST_NIGHT]
    assert [(row["known_from_date"], row["title"]) for row in dearer] == [
        (date(2024, 2, 6), "Cup, dearer")
    ]
    assert [row for row in later if row not in dearer] == known


def test_taking_it_again_keeps_equal_content_and_replaces_the_rest(shop):
    folder = shop.settings.run_folder(FIRST_NIGHT).snapshot
    before = (folder / "user_item_days.parquet").stat().st_ino
    take_snapshot(shop.settings, FIRST_NIGHT)
    assert (folder / "user_item_days.parquet").stat().st_ino == before
    (folder / "manifest.json").write_text("{}")
    take_snapshot(shop.settings, FIRST_NIGHT)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == shop.bytes[FIRST_NIGHT]
    assert [path.name for path in folder.parent.glob("snapshot*")] == ["snapshot"]


def test_a_night_that_was_not_built_is_refused(shop):
    with pytest.raises(MissingSnapshotError, match=r"must be built and tested.*recsys features"):
        take_snapshot(shop.settings, date(2024, 2, 11))


def test_a_night_whose_cutoffs_were_dropped_since_is_refused(tmp_path):
    settings = world_settings(tmp_path, retention_days=7, stale_error_days=90)
    with pytest.raises(MissingSnapshotError, match="must be built"):
        take_snapshot_after_losing_cutoffs(settings, is_built=False)
    with pytest.raises(MissingSnapshotError, match=r"Found none of 2024-01-22.*older than"):
        take_snapshot_after_losing_cutoffs(settings, is_built=True)


def take_snapshot_after_losing_cutoffs(settings, *, is_built):
    with connect(settings) as warehouse:
        for schema in ("intermediate", "features"):
            warehouse.execute(f"create schema if not exists {schema}")
        warehouse.execute(
            "create or replace view intermediate.int_cutoffs as "
            "select date '2024-05-01' as cutoff_date"
        )
        warehouse.execute(
            "create or replace table features.feat_items as select date '2024-02-05' as cutoff_date"
        )
    build = settings.run_folder(FIRST_NIGHT).build
    build.parent.mkdir(parents=True, exist_ok=True)
    build.write_text(json.dumps({"is_passed": is_built}))
    take_snapshot(settings, FIRST_NIGHT)


def test_users_are_frozen_as_each_cutoff_knew_them(at_once):
    settings = at_once(EVENTS)
    insert_users(
        settings,
        [
            {"user_id": "ann", "country": "FR", "consent": True, "valid_from": "2024-01-25"},
            {"user_id": "ann", "country": "DE", "attributes": "{}", "valid_from": "2024-02-01"},
            # Landed on the night itself, and never did anything.
            {"user_id": "zoe", "valid_from": "2024-01-01", "landed_date": "2024-02-05"},
            {"user_id": "joe", "age": 40.0, "valid_from": "2024-02-04"},
        ],
    )
    build_features(settings, FIRST_NIGHT)
    take_snapshot(settings, FIRST_NIGHT)
    known = {
        cutoff: read_user_attributes(settings, FIRST_NIGHT, cutoff)
        for cutoff in settings.night(FIRST_NIGHT).cutoffs
    }
    assert [frame["user_id"].tolist() for frame in known.values()] == [[], ["ann"], ["ann", "joe"]]
    assert known[date(2024, 1, 29)]["country"].tolist() == ["FR"]
    assert known[FIRST_NIGHT]["country"].fillna("").tolist() == ["DE", ""]
    assert known[FIRST_NIGHT]["consent"].isna().all()  # the newer row says nothing of it
    (settings.run_folder(FIRST_NIGHT).snapshot / f"user_attributes-{FIRST_NIGHT}.parquet").unlink()
    with pytest.raises(MissingSnapshotError, match="must hold user_attributes-2024-02-05.parquet"):
        read_user_attributes(settings, FIRST_NIGHT, FIRST_NIGHT)
