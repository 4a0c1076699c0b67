"""The benchmark harness: what it measures, holds out, and writes down."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from pathlib import Path

import duckdb
import pytest

from pipelines.base.config import load_settings, parse_settings
from pipelines.events.synthetic.log import LogPlan, generate
from pipelines.features.build import build_features
from pipelines.run.night import VERBS
from tests.features.conftest import (
    EVENTS,
    ITEMS,
    SECOND_NIGHT,
    insert_events,
    insert_items,
    world_settings,
)

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
MIB = 1024**2


@pytest.fixture
def load(monkeypatch):
    """Imports a module of the benchmarks as its scripts do."""
    monkeypatch.syspath_prepend(str(BENCHMARKS / "peers"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module


def run_of(run_id, cpu_seconds, size="1m"):
    cost = {"wall_seconds": 2.0, "cpu_seconds": cpu_seconds, "peak_mib": 100.0, "written_mib": 5.0}
    about = {
        "run_id": run_id,
        "what": "night",
        "size": size,
        "seed": 7,
    }
    machine = {"cpu": "A CPU", "cores": 2, "memory_gib": 8.0, "python": "3.11.7", "load": 0.1}
    counts = {"events": 1_000_000, "users": 20_000, "items": 8_000}
    quality = {"ndcg_at_10": 0.1, "low": 0.09, "high": 0.11, "placement": "discover"}
    spent = {"fit_seconds": 3.0, "recommend_seconds": 0.5, "scored_users": 10}
    return [
        {
            **about,
            "kind": "run",
            "date": "2024-05-01",
            "commit": "abc",
            "machine": machine,
            **counts,
        },
        {**about, "kind": "stage", "name": "load", "rows": 1_000_000, **cost},
        {**about, "kind": "whole", "name": "whole night", "rows": 1_000_000, **cost},
        {**about, "kind": "candidate", "name": "ease", **quality, **spent},
        {**about, "kind": "done", "list_rows": 50},
    ]


def test_the_memory_and_time_of_a_child_of_a_child_count(load, tmp_path):
    hold = "import time; held = bytearray(200 * 2**20); time.sleep(0.6)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}]); print('ok')"
    cost, printed = load("meter").run_measured([sys.executable, "-c", code], tmp_path / "log")
    assert printed == "ok\n"
    assert cost.peak_mib > 200
    assert cost.wall_seconds > cost.cpu_seconds > 0


def test_a_command_that_fails_ends_the_benchmark_with_what_it_said(load, tmp_path):
    with pytest.raises(SystemExit, match="failed with 3:\nno such thing"):
        load("meter").run_measured(
            [
                sys.executable,
                "-c",
                "import sys; print('no such thing', file=sys.stderr); sys.exit(3)",
            ],
            tmp_path / "log",
        )


def test_the_settings_of_both_nights_can_be_read(load, tmp_path):
    for path in (BENCHMARKS / "bench.toml", BENCHMARKS / "peers" / "same_work.toml"):
        settings = load_settings(path, tmp_path)
        assert list(settings.placements) == ["discover"]
        wanted = {candidate.name for candidate in settings.candidates}
        assert set(settings.placements["discover"].candidates) == wanted


def test_a_newer_run_takes_the_place_of_an_older_one_which_ratios_refer_to(load):
    record_module, page = load("record"), load("record_page")
    first = record_module.update({}, [record_module.summarise(run_of("1", 40.0))])
    second = record_module.update(first, [record_module.summarise(run_of("2", 10.0))])
    again = record_module.update(second, [record_module.summarise(run_of("2", 10.0))])
    assert again == second
    text = page.render_page(second, ("200k", "1m"), has_picture=False)
    assert "| 1,000,000 | 20,000 | 8,000 | 2 (×1.00) | 10 (×0.25) | 100 (×1.00) |" in text
    assert "| ease | .1000 [.0900, .1100], 3.0 + 0.5 s |" in text
    assert "| load | 2.0 / 10.0 / 100 (×0.25) | 500,000 |" in text  # 1,000,000 rows in 2 s
    assert "A CPU, 2 cores, 8 GiB" in text


def test_a_run_that_was_stopped_is_not_recorded(load, tmp_path):
    path = tmp_path / "results.jsonl"
    lines = [*run_of("1", 40.0), *run_of("2", 10.0)[:-1]]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    runs = list(load("bench_home").read_runs(path))
    assert [run[0]["run_id"] for run in runs] == ["1"]


def test_a_page_of_scripts_shows_their_share_of_the_night(load):
    def peer(seconds):
        cost = {"wall_seconds": seconds, "cpu_seconds": seconds, "peak_mib": seconds}
        return {**cost, "ndcg_at_10": {"popularity": 0.1, "item_knn": 0.2, "ials": 0.3}}

    head = load("record").summarise(run_of("1", 1.0))
    run = {**head, "what": "peers", "peer": {"implicit": peer(10.0), "recsys": peer(40.0)}}
    record = {"peers 1m": {"run": run, "before": None}}
    text = load("record_page").render_page(record, ("1m",), has_picture=False)
    assert "| 1m, implicit | 10 (1/4.0) | 10 (1/4.0) | 10 (1/4.0) | .1000 | .2000 | .3000 |" in text


def test_a_page_of_two_sides_shows_the_first_over_the_second(load):
    def side(seconds):
        return {"wall_seconds": seconds, "cpu_seconds": seconds / 2, "peak_mib": 10 * seconds}

    head = load("record").summarise(run_of("1", 1.0))
    sides = {"first night": side(40.0), "next night": side(10.0)}
    run = {**head, "what": "next night", "side": sides}
    record = {"next night 1m": {"run": run, "before": None}}
    text = load("record_page").render_page(record, ("1m",), has_picture=False)
    assert "## A night after a night" in text
    assert "| 1m | 10.0 / 5.0 / 100 | 40.0 / 20.0 / 400 | 0.25 | 0.25 |" in text


def test_stages_with_rows_are_verbs_of_the_night(load):
    night = load("night")
    assert set(night.LIST_STAGES) | set(night.EVENT_STAGES) <= {*VERBS, "load all", night.READ}


def test_a_night_with_less_memory_differs_in_nothing_else(load, tmp_path):
    night = load("night")
    limited = load_settings(night.limit_memory(night.SETTINGS, tmp_path, "2GB"), tmp_path)
    (tmp_path / "plain.toml").write_text(night.SETTINGS.read_text())
    plain = load_settings(tmp_path / "plain.toml", tmp_path)
    changed = plain.model_dump()
    changed["warehouse"]["memory_limit"] = "2GB"
    assert limited.model_dump() == changed != plain.model_dump()


def test_a_limit_is_not_set_where_the_settings_have_none(load, tmp_path):
    (tmp_path / "other.toml").write_text('home = "var"\n')
    with pytest.raises(SystemExit, match="Found it 0 times"):
        load("night").limit_memory(tmp_path / "other.toml", tmp_path, "2GB")


def test_the_picture_needs_a_night(load, tmp_path):
    module = load("record")
    assert not module.draw({}, tmp_path / "cost.png")
    record = module.update({}, [module.summarise(run_of("1", 40.0))])
    assert module.draw(record, tmp_path / "cost.png")
    assert (tmp_path / "cost.png").stat().st_size > 1000


def test_the_scripts_hold_out_what_was_bought_last_and_not_met_before(load, tmp_path):
    settings = parse_settings({"home": tmp_path})
    generate(settings, LogPlan(n_events=20_000, n_users=300, n_items=2_000, n_days=40))
    split = load("held_out").read_split(settings.landing)
    expected = duckdb.sql(f"""
        with log as (select * from '{settings.landing}/events/*/*.parquet'),
        past as (select * from log where event_at < '2024-01-27')
        select distinct user_id, item_id from log
        where event_at >= '2024-01-27' and event_type = 'purchase'
            and user_id in (select user_id from past)
            and (user_id, item_id) not in (select (user_id, item_id) from past)
    """).fetchall()
    found = zip(
        split.user_ids[split.truth["user"]], split.item_ids[split.truth["item"]], strict=True
    )
    assert len(split.truth) == len(expected) > 100
    assert set(found) == set(expected)


def test_what_dbt_compiled_is_run_bare_in_its_order(load, tmp_path):
    nodes, results = {}, []
    for kind, name, sql, stored in (
        ("model", "numbers", "select unnest([1, 2]) as n", "view"),
        ("model", "total", "select sum(n) as n from staging.numbers", "incremental"),
        ("test", "not_null", "select * from staging.total where n is null", "test"),
    ):
        path = tmp_path / f"{name}.sql"
        path.write_text(sql)
        nodes[f"{kind}.{name}"] = {
            "resource_type": kind,
            "schema": "staging",
            "alias": name,
            "compiled_path": str(path),
            "config": {"materialized": stored},
        }
        results.append({"unique_id": f"{kind}.{name}"})
    results.append({"unique_id": "exposure.readers"})
    (tmp_path / "manifest.json").write_text(json.dumps({"nodes": nodes}))
    (tmp_path / "run_results.json").write_text(json.dumps({"results": results}))
    with duckdb.connect() as connection:
        for statement in load("features").compiled_statements(tmp_path, {}):
            connection.execute(statement)
        assert connection.execute("select n from staging.total").fetchall() == [(3,)]


def test_bare_sql_builds_the_rows_that_dbt_builds(load, tmp_path):
    features, settings = load("features"), world_settings(tmp_path / "dbt")
    insert_events(settings, EVENTS)
    insert_items(settings, ITEMS)
    bare = settings.model_copy(update={"home": tmp_path / "bare"})
    bare.home.mkdir()
    shutil.copyfile(settings.warehouse_path, bare.warehouse_path)
    build_features(settings, SECOND_NIGHT)
    remembered = features.remembered_rows(settings)
    statements = features.compiled_statements(settings.run_folder(SECOND_NIGHT).dbt, remembered)
    with duckdb.connect(str(bare.warehouse_path)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        found = [connection.execute(statement).fetchall() for statement in statements]
    assert features.built_rows(bare) == features.built_rows(settings)
    assert {"feat_users", "int_user_item_days"} <= remembered.keys() and len(found) > 50


def test_the_page_sets_the_build_of_features_beside_bare_sql(load):
    lines = run_of("1", 4.0)
    cost = {"cpu_seconds": 4.0, "peak_mib": 90.0, "written_mib": 1.0, "rows": 1_000_000}
    sides = [
        {**lines[0], "kind": "side", "name": name, **cost, "wall_seconds": wall}
        for name, wall in (("dbt build", 6.0), ("bare SQL", 5.0))
    ]
    run = load("record").summarise([{**lines[0], "what": "features"}, *sides, lines[-1]])
    page = load("record_page").render_page(
        load("record").update({}, [run]), ["1m"], has_picture=False
    )
    assert "| 1m | 6.0 / 4.0 / 90 | 5.0 / 4.0 / 90 | 1.20 | 1.00 |" in page
