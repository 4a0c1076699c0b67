from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_json
from pipelines.base.settings_sections import SparkSettings
from pipelines.base.tables import RAW_EVENTS, dbt_tables
from pipelines.base.warehouse import connect
from pipelines.events.landing import land
from pipelines.events.load import load_days
from pipelines.events.synthetic.log import LogPlan, generate
from pipelines.features.build import build_features
from pipelines.features.snapshot import take_snapshot
from pipelines.features.spark_tables import begin_build, copy_raw, forget_spark_tables
from tests.conftest import bundled_settings
from tests.features.conftest import (
    EVENTS,
    FIRST_NIGHT,
    ITEMS,
    SECOND_NIGHT,
    insert,
    insert_events,
    insert_items,
    insert_users,
    world_settings,
)
from tests.features.test_build import MORE_EVENTS, change
from tests.spark_cluster import ON_CLUSTER, SMALL, on_spark, spark_cluster

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.slow]

#: Hashes of what was read: each engine has its own.
HASHES = {"landing_hash", "content_hash"}
#: Tables that are files; what is a view is read through those that are made of it.
MODELS = dbt_tables()
TABLES = [
    table
    for table in MODELS
    if table.schema != "staging" and table.name not in {"int_user_purchases", "int_built_dates"}
]
USERS = [
    {"user_id": "ann", "country": "FR", "consent": True, "age": 40.0, "valid_from": "2024-01-01"},
    {"user_id": "bob", "country": "DE", "language": "de", "valid_from": "2024-02-06"},
]


def shown(event_id: str, kind: str, user: str, item: str, at: str, **more: Any) -> dict[str, Any]:
    return {
        **dict.fromkeys(RAW_EVENTS.columns),
        "event_id": event_id,
        "event_type": kind,
        "user_id": user,
        "item_id": item,
        "event_at": datetime.fromisoformat(at),
        "landed_date": date.fromisoformat(at[:10]),
        **more,
    }


def answer(request: str, user: str, at: str, variant: str | None, *items: str) -> list[dict]:
    """An answer of the API, its first item seen, and clicked a minute later."""
    told = {
        "request_id": request,
        "experiment_id": "x",
        "variant": variant,
        "publication_id": "p",
        "placement": None if variant is None else "discover",
        "source": "personal",
        "bucket": 7,
        "config_hash": "h",
        "lists_differ": user == "ann",
        "team": variant,
        "propensity": 0.25,
    }
    rows = [
        shown(f"{request}{rank}", "served", user, item, at, position=rank, **told)
        for rank, item in enumerate(items, start=1)
    ]
    rows.append(shown(f"{request}i", "impression", user, items[0], at, request_id=request))
    later = f"{at[:-2]}59"
    rows.append(shown(f"{request}c", "click", user, items[0], later, request_id=request))
    return rows


ANSWERS = [
    # The first answer does not say its arm: that of the second counts.
    *answer("r1", "ann", "2024-01-27 10:00", None, "cup", "tea", "pot"),
    *answer("r2", "ann", "2024-01-28 07:00", "treatment", "cup", "jar"),
    *answer("r3", "bob", "2024-01-20 10:00", "control", "cup", "tea"),
    *answer("r4", "bob", "2024-01-20 10:00", "control", "cup"),
    *answer("r5", "eve", "2024-02-03 10:00", "control", "tea"),
]


@dataclass(frozen=True)
class Twins:
    """Two homes of the same rows, whose features are built by DuckDB and by Spark."""

    duckdb: Settings
    spark: Settings

    def insert(self, events=(), *, items=(), users=(), answers=()):
        for settings in (self.duckdb, self.spark):
            insert_events(settings, events)
            insert_items(settings, items) if items else None
            insert_users(settings, users) if users else None
            insert(settings, RAW_EVENTS, answers) if answers else None

    def change(self, *statements):
        for settings in (self.duckdb, self.spark):
            change(settings, *statements)

    def build(self, night, *, master=None, **options):
        spark = self.spark
        if master:
            spark = on_spark(spark, SparkSettings(master=master, conf=ON_CLUSTER))
        build_features(self.duckdb, night)
        report = build_features(spark, night, **options)
        files = []
        for settings in (self.duckdb, self.spark):
            take_snapshot(settings, night)
            folder = settings.run_folder(night).snapshot
            files.append({path.name: read_rows(path) for path in folder.glob("*.parquet")})
        return report, files, differing_rows(self.duckdb, self.spark)


def read_rows(path: Path) -> pa.Table:
    """A file's rows; whether a column may be null is known of DuckDB's own tables only."""
    rows = pq.read_table(path)
    return rows.cast(pa.schema([field.with_nullable(True) for field in rows.schema]))


def differing_rows(one: Settings, other: Settings) -> dict[str, tuple[int, int]]:
    """Rows of each table, and those that are in one home only."""
    found = {}
    with connect(one, read_only=True) as warehouse:
        warehouse.execute(f"attach '{other.warehouse_path}' as other (read_only)")
        for table in TABLES:
            columns = ", ".join(name for name in table.columns if name not in HASHES)
            here, there = (
                f"(select {columns} from {name})"
                for name in (table.qualified, f"other.{table.qualified}")
            )
            found[table.name] = warehouse.execute(
                f"select (select count(*) from {here}), "
                f"(select count(*) from ({here} except all {there}"
                f" union all ({there} except all {here})))"
            ).fetchone()
    return found


def make_twins(folder: Path) -> Twins:
    duckdb, spark = (world_settings(folder / engine) for engine in ("duckdb", "spark"))
    return Twins(duckdb, on_spark(spark, SparkSettings(master="local[2]", conf=SMALL)))


def landed_date(event) -> date:
    return date.fromisoformat(event[5] or event[4][:10])


def build_first_night(twins: Twins, **options: Any) -> tuple:
    early = [event for event in MORE_EVENTS if landed_date(event) < FIRST_NIGHT]
    twins.insert(early, items=ITEMS, users=USERS, answers=ANSWERS)
    return twins.build(FIRST_NIGHT, **options)


def build_next_night(twins: Twins, **options: Any) -> tuple:
    """Of changed day files, and of more events: late ones, and some that have landed before."""
    twins.insert([event for event in MORE_EVENTS if landed_date(event) >= FIRST_NIGHT])
    twins.change(
        "delete from raw.events where event_id = 'e08'",  # the day file is another one now
        "delete from raw.events where landed_date = '2024-01-16'",  # the day file is gone
        "update raw.events set price = 0.4 where event_id = 'e10'",
    )
    return twins.build(SECOND_NIGHT, **options)


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Twins:
    return make_twins(tmp_path_factory.mktemp("twins"))


@pytest.fixture(scope="module")
def on_cluster(twins: Twins, tmp_path_factory: pytest.TempPathFactory) -> tuple[tuple, int]:
    """A first night, and how many workers built it; without dbt's tests, each a query of Spark."""
    folder = tmp_path_factory.mktemp("cluster")
    with pytest.MonkeyPatch.context() as patch, spark_cluster(twins.spark, folder) as master:
        patch.setenv("DBT_EXCLUDE_RESOURCE_TYPES", "test unit_test")
        built = build_first_night(twins, master=master)
        return built, len(list(folder.glob("work-*/app-*/*/stderr")))


def no_row_differs(built) -> bool:
    _, files, rows = built
    assert {name: differing for name, (_, differing) in rows.items()} == dict.fromkeys(rows, 0)
    assert all(count for name, (count, _) in rows.items() if name != "int_repeated_events"), rows
    assert files[0].keys() == files[1].keys()
    return all(files[0][name].equals(files[1][name]) for name in files[0])


def test_no_row_of_any_table_of_a_cluster_differs_from_duckdb(on_cluster):
    built, workers = on_cluster
    assert no_row_differs(built) and workers == 2


@pytest.mark.prove
def test_spark_passes_every_dbt_model_check_and_unit_test_of_two_nights(tmp_path):
    (tmp_path / "cluster").mkdir()
    twins = make_twins(tmp_path)
    first = build_first_night(twins, with_unit_tests=True)
    with spark_cluster(twins.spark, tmp_path / "cluster") as master:
        following = build_next_night(twins, master=master)
    nodes = first[0].nodes
    kinds = [node.kind for node in nodes]
    assert kinds.count("model") == len(MODELS)
    assert kinds.count("test") > len(MODELS) and kinds.count("unit_test") > 15
    assert {node.status for node in nodes} == {"success", "pass"}
    assert no_row_differs(first) and no_row_differs(following)


def test_days_that_are_as_they_were_are_not_copied_again(twins, on_cluster):
    with connect(twins.spark) as warehouse:
        assert copy_raw(warehouse, twins.spark, RAW_EVENTS) == []
        warehouse.execute("update raw.events set value = 9 where landed_date = '2024-01-02'")
        assert copy_raw(warehouse, twins.spark, RAW_EVENTS) == ["2024-01-02"]


def test_the_warehouse_goes_on_with_duckdb_where_spark_has_ended(twins, on_cluster):
    assert json.loads((twins.spark.spark_folder / "state.json").read_text())
    forget_spark_tables(twins.spark)
    assert not twins.spark.spark_folder.exists()
    build_features(world_settings(twins.spark.home), SECOND_NIGHT)
    with connect(twins.duckdb) as warehouse:
        warehouse.execute("update raw.events set value = 9 where landed_date = '2024-01-02'")
    build_features(twins.duckdb, SECOND_NIGHT)
    rows = differing_rows(twins.duckdb, twins.spark)
    assert rows["int_user_item_days"][1] == rows["int_user_days"][1] == 0


def test_a_copy_of_a_raw_table_is_a_file_a_day(tmp_path: Path):
    settings = world_settings(tmp_path)
    insert_events(settings, EVENTS)
    with connect(settings) as warehouse:
        assert len(copy_raw(warehouse, settings, RAW_EVENTS)) == 12
        warehouse.execute("delete from raw.events where landed_date = '2024-01-02'")
        assert copy_raw(warehouse, settings, RAW_EVENTS) == ["2024-01-02"]
    found = sorted((settings.spark_folder / "raw" / "events").rglob("*.parquet"))
    assert len(found) == 11 and found[0].parent.name == "landed_date=2024-01-10"


def test_a_home_that_was_moved_or_whose_build_did_not_end_begins_anew(tmp_path):
    settings = world_settings(tmp_path / "home")
    half = settings.spark_folder / "tables" / "features.db" / "feat_users"
    kept = []
    for state in ({"home": str(settings.home)}, {}, {"home": "/elsewhere"}):
        half.mkdir(parents=True, exist_ok=True)
        write_json(settings.spark_folder / "state.json", state)
        begin_build(settings)
        kept.append(half.exists())
        assert json.loads((settings.spark_folder / "state.json").read_text()) == {}
    assert kept == [True, False, False]


@pytest.mark.prove
@pytest.mark.parametrize("log", ["the bundled shop", "a million generated events"])
def test_no_row_differs_at_full_size(log, tmp_path):
    duckdb = bundled_settings(tmp_path / "duckdb")
    night = date(2011, 12, 9)
    if log == "the bundled shop":
        land(duckdb, "online-retail")
    else:
        plan = LogPlan(n_events=1_000_000, n_users=20_000, n_items=5_000)
        generate(duckdb, plan)
        night = plan.as_of
    load_days(duckdb, night - timedelta(days=1))
    spark = duckdb.model_copy(update={"home": tmp_path / "spark"})
    shutil.copytree(duckdb.home, spark.home)
    conf = {"spark.driver.memory": "2g", "spark.driver.extraJavaOptions": "-XX:+UseSerialGC"}
    twins = Twins(duckdb, on_spark(spark, SparkSettings(master="local[2]", conf=conf)))

    def built(step, as_of):
        reports, files, rows = twins.build(as_of)
        seconds = json.loads(duckdb.run_folder(as_of).build.read_text())["seconds"]
        print(f"{log}, {step}: duckdb {seconds:.0f} s, spark {reports.seconds:.0f} s")
        for name, (count, differing) in rows.items():
            print(f"  {name:24} {count:>12,} rows, {differing} differ")
        assert not any(differing for _, differing in rows.values())
        assert all(files[0][name].equals(files[1][name]) for name in files[0])

    built("first build", night - timedelta(days=1))
    for settings in (twins.duckdb, twins.spark):
        load_days(settings, night)
    built("next night", night)
    newest = "(select max(landed_date) from raw.events)"
    old = f"landed_date < {newest} - 30 and hash(event_id) % 5000"
    twins.change(
        f"insert into raw.events select * replace ('late' || event_id as event_id, {newest} as "
        f"landed_date) from raw.events where {old} = 0",
        f"insert into raw.events select * replace ({newest} as landed_date) from raw.events "
        f"where {old} = 1",
        f"delete from raw.events where {old} = 2",
    )
    built("late, repeated and vanished events", night)
