"""A night in the process that Airflow runs it in, with a candidate that fails."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from pipelines.base.config import load_settings
from pipelines.base.current import read_current
from pipelines.run.airflow_process import PREPARED_FILE
from pipelines.run.night import NIGHT, ONLY_SCHEDULED
from pipelines.run.scheduler import (
    AIRFLOW_PROCESS,
    NIGHTLY_DAG,
    airflow_environment,
    prepare_airflow,
    run_night,
)
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night
from tests.receivers import web_receiver

BROKEN = """
[[candidates]]
name = "broken"
recommender = "item_knn"
params = { n_neighbors = 0 }
"""


def ask(settings, sql):
    with closing(sqlite3.connect(settings.home / "airflow" / "airflow.db")) as database:
        return database.execute(sql).fetchall()


@pytest.mark.slow
@pytest.mark.xdist_group("airflow")
def test_airflow_is_prepared_once_with_the_pool_and_its_command_works_on_the_home(make_settings):
    settings = make_settings()
    prepare_airflow(settings)
    written = (settings.airflow / PREPARED_FILE).stat().st_mtime_ns
    prepare_airflow(settings)
    assert (settings.airflow / PREPARED_FILE).stat().st_mtime_ns == written
    assert ask(settings, "select slots from slot_pool where pool = 'warehouse'") == [(1,)]
    (settings.airflow / PREPARED_FILE).rename(settings.airflow / "prepared-3.0.0")  # an upgrade
    prepare_airflow(settings)
    assert (settings.airflow / PREPARED_FILE).exists()
    listed = [sys.executable, "-m", "pipelines", "airflow", "--home", str(settings.home)]
    done = subprocess.run(
        [*listed, "pools", "list", "--output", "json"], capture_output=True, text=True, check=True
    )
    assert "warehouse" in {pool["pool"] for pool in json.loads(done.stdout)}
    assert subprocess.run([*listed, "fly"], capture_output=True, check=False).returncode == 2


@pytest.mark.slow
@pytest.mark.xdist_group("airflow")
def test_one_broken_candidate_is_retried_and_shown_and_the_night_goes_on(tmp_path):
    file = tmp_path / "shop.toml"
    listed = SHOP_SETTINGS.read_text().replace('"ease"]', '"ease", "broken"]')
    with web_receiver() as web:
        file.write_text(f'{listed}{BROKEN}\n[notify]\nwebhook = "{web.url}"\n')
        settings, shown = load_settings(file, tmp_path / "home"), []
        land_small_shop(settings)
        run_night(settings, shop_night(10), shown.append)
    (alert,) = web.texts
    assert alert.startswith("recsys: evaluate_candidate (broken) failed in the night of 2024-03-11")
    assert "the others still compete" in alert and "recsys run --as-of 2024-03-11" in alert
    assert read_current(settings).as_of == shop_night(10)
    tasks = ask(settings, "select task_id, map_index, state, try_number from task_instance")
    broken = len(settings.candidates) - 1
    failed = [task for task in tasks if task[2] != "success"]
    assert failed == [("evaluate_candidate", broken, "failed", 2)]
    once = 1 + len(NIGHT) - 3 + len(ONLY_SCHEDULED)  # with `choose_night`; three verbs are mapped
    assert len(tasks) == once + len(settings.candidates) + 2 * len(settings.placements)
    (run,) = ask(settings, "select dag_id, state from dag_run")
    assert run == (NIGHTLY_DAG, "success")
    assert re.fullmatch(r"The steps took \d+\.\d s, Airflow around them \d+\.\d s", shown[-1])
    said = [line.split(" (")[0] for line in shown if line.startswith("FAILED")]
    assert said == [f"FAILED evaluate_candidate[{broken}]"] * 2


@pytest.mark.slow
@pytest.mark.xdist_group("airflow")
def test_lineage_goes_to_the_transport_that_airflow_is_given(make_settings, monkeypatch):
    settings = make_settings()
    with web_receiver() as web:
        transport = {"type": "http", "url": f"http://127.0.0.1:{web.port}"}
        monkeypatch.setenv("AIRFLOW__OPENLINEAGE__TRANSPORT", json.dumps(transport))
        command = [*AIRFLOW_PROCESS, "watch", "{}"]
        subprocess.run(
            command, env=airflow_environment(settings), capture_output=True, check=True, text=True
        )
    events = [json.loads(body) for *_, body in web.requests]
    told = {(event["job"]["name"], event["eventType"]) for event in events}
    assert told >= {("watch.watch_home", "START"), ("watch.watch_home", "COMPLETE")}
