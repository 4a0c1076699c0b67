"""A night from day files to lists: twice, in any order, through Airflow, and with what goes wrong."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.base.config import load_settings
from pipelines.base.current import read_current
from pipelines.base.warehouse import connect
from pipelines.events.landing import land
from pipelines.run.night import NIGHT, ONLY_SCHEDULED, run_in_a_row
from pipelines.run.scheduler import NIGHTLY_DAG, unpause_nights
from pipelines.run.services import airflow_services, free_port, running
from tests.airflow_rest import ask, start_run, wait_for
from tests.conftest import (
    SHOP_SETTINGS,
    bundled_settings,
    fingerprints,
    list_files,
    shop_night,
)
from tests.receivers import web_receiver

ROOT = Path(__file__).parent.parent


def test_the_same_night_twice_leaves_every_table_and_list_identical(small_shop):
    settings = small_shop(after=(10,))
    before = fingerprints(settings), list_files(settings), read_current(settings)
    run_in_a_row(settings, shop_night(10))
    assert (fingerprints(settings), list_files(settings), read_current(settings)) == before
    assert before[0]["serving.recommendations"][0] > 0


@pytest.mark.slow
def test_nights_in_order_1_2_3_and_3_1_2_end_in_identical_tables(small_shop, shop_after):
    in_order, shuffled = shop_after(8, 9, 10), small_shop(after=(10,))
    for week in (8, 9):
        run_in_a_row(shuffled, shop_night(week))
    assert fingerprints(shuffled) == fingerprints(in_order)
    assert list_files(shuffled) == list_files(in_order)
    assert read_current(shuffled).publication_id == read_current(in_order).publication_id


def test_every_user_of_the_shop_has_a_full_list_in_every_placement(shop_after):
    settings = shop_after(10)
    with connect(settings, read_only=True) as warehouse:
        rows = warehouse.execute(
            "select placement, count(distinct user_id), min(longest) from ("
            "select placement, user_id, max(rank) as longest "
            "from serving.current_recommendations group by all) group by all order by 1"
        ).fetchall()
        (users,) = warehouse.execute("select count(distinct user_id) from raw.events").fetchone()
    assert rows == [("discover", users, 10), ("for_you", users, 10)]


def test_a_tampered_day_stops_the_night_and_the_lists_stay(small_shop):
    settings = small_shop(after=(8, 9))
    before = read_current(settings), fingerprints(settings)
    day_file = next((settings.landing / "events").glob(f"date={date(2024, 3, 5)}/*.parquet"))
    day_file.write_bytes(day_file.read_bytes()[:-200])
    with pytest.raises(Exception, match=day_file.name):
        run_in_a_row(settings, shop_night(10))
    assert (read_current(settings), fingerprints(settings)) == before


def test_the_list_of_verbs_is_the_dag():
    text = (ROOT / "dags" / "nightly_recommendations.py").read_text()
    steps = re.findall(r'step\(\s*"([a-z_.]+)"', text)
    assert sorted(steps) == sorted([*(verb for verb, _ in NIGHT), *ONLY_SCHEDULED])


#: Tasks that a night without days gets to.
DONE_TODAY = {"choose_night", "land_sources", "load_days"}


@pytest.mark.slow
@pytest.mark.xdist_group("airflow")
def test_a_real_scheduler_runs_the_night_that_rest_triggers_and_tells_of_the_one_that_fails(
    small_shop, tmp_path, monkeypatch
):
    file = tmp_path / "shop.toml"
    monkeypatch.setenv("RECSYS_CONFIG", str(file))
    with ExitStack() as stack:
        web = stack.enter_context(web_receiver())
        file.write_text(f'{SHOP_SETTINGS.read_text()}\n[notify]\nwebhook = "{web.url}"\n')
        settings = load_settings(file, small_shop().home)
        address = stack.enter_context(running(*airflow_services(settings, free_port())))
        unpause_nights(settings)
        token = ask(f"{address}/auth/token")["access_token"]
        dag = f"{address}/api/v2/dags/nightly_recommendations"
        # unpausing starts the night of today at once: this shop has no such days
        (today,) = wait_for(lambda: ask(f"{dag}/dagRuns", token)["dag_runs"], 60)
        conf = {"as_of": shop_night(10).isoformat()}
        run = wait_for(lambda: start_run(f"{dag}/dagRuns", token, conf), 60)
        run_address = f"{dag}/dagRuns/{run['dag_run_id']}"
        state = wait_for(
            lambda: (found := ask(run_address, token)["state"]) in {"success", "failed"} and found,
            900,
        )
        tasks = ask(f"{run_address}/taskInstances", token)["task_instances"]
        scheduled = ask(f"{dag}/dagRuns/{today['dag_run_id']}/taskInstances", token)
        looks = ask(f"{address}/api/v2/dags/watch/dagRuns", token)["dag_runs"]
    failures = [text for text in web.texts if " failed" in text.splitlines()[0]]
    assert len(failures) == 1, failures
    assert failures[0].startswith("recsys: load_days failed in the night of 20")
    assert "Message: DayFilesError: " in failures[0]
    assert "success" in {look["state"] for look in looks}  # nobody has to unpause it
    ends = {task["task_id"]: task["state"] for task in scheduled["task_instances"]}
    assert (ends["land_sources"], ends["load_days"]) == ("success", "failed")
    assert {state for task, state in ends.items() if task not in DONE_TODAY} == {"upstream_failed"}
    refused, sound = settings.run_folder(settings.nights()[-1]), settings.run_folder(shop_night(10))
    assert refused != sound and [path.name for path in refused.folder.iterdir()] == ["steps"]
    assert state == "success", {task["task_id"]: task["state"] for task in tasks}
    assert {task["state"] for task in tasks} == {"success"}
    assert {task["task_id"] for task in tasks} == {
        *(verb for verb, _ in NIGHT),
        *ONLY_SCHEDULED,
        "choose_night",
    }
    assert read_current(settings).as_of == shop_night(10)
    with sqlite3.connect(settings.home / "mlflow.db") as store:
        (children,) = store.execute(
            "select count(*) from tags where key = 'window' and value in ('selection', 'gate')"
        ).fetchone()
    store.close()
    assert children == 2 * len(settings.candidates)


@pytest.mark.prove
@pytest.mark.parametrize("repetition", range(10))
def test_a_night_by_hand_a_backfill_and_the_schedule_meet(small_shop, monkeypatch, repetition):
    settings = small_shop(after=(8,))
    monkeypatch.setenv("RECSYS_CONFIG", str(SHOP_SETTINGS))
    by_hand = shop_night(9)
    missed = [shop_night(10) - timedelta(days=days) for days in (2, 1, 0)]
    with running(*airflow_services(settings, free_port())) as address:
        token = ask(f"{address}/auth/token")["access_token"]
        dag = f"{address}/api/v2/dags/nightly_recommendations"
        unpause_nights(settings)
        airflow = [sys.executable, "-m", "pipelines", "airflow", "--home", str(settings.home)]
        span = ["--from-date", str(missed[0]), "--to-date", f"{missed[-1]}T02:00"]
        command = [*airflow, "backfill", "create", "--dag-id", NIGHTLY_DAG, *span]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        wait_for(lambda: start_run(f"{dag}/dagRuns", token, {"as_of": by_hand.isoformat()}), 60)

        def ended():
            runs = ask(f"{dag}/dagRuns?limit=50", token)["dag_runs"]
            states = [run["state"] for run in runs]
            return len(runs) == 5 and {*states} <= {"success", "failed"} and states

        states = wait_for(ended, 3000)
    assert sorted(states) == ["failed", *["success"] * 4]
    for night in (by_hand, *missed):
        assert settings.run_folder(night).publication.exists()
    today = settings.run_folder(settings.nights()[-1])
    assert [path.name for path in today.folder.iterdir()] == ["steps"]
    in_order = small_shop("in_order", after=(8,))
    for night in (by_hand, *missed):
        run_in_a_row(in_order, night)
    assert fingerprints(settings) == fingerprints(in_order)
    assert list_files(settings) == list_files(in_order)


@pytest.mark.prove
def test_on_the_bundled_shop_order_and_repetition_leave_no_trace(tmp_path):
    nights = [date(2011, 11, 25), date(2011, 12, 2), date(2011, 12, 9)]
    homes = {}
    for name, order in (("in_order", (0, 1, 2)), ("shuffled", (2, 0, 1)), ("again", (0, 1, 2, 2))):
        settings = bundled_settings(tmp_path / name)
        land(settings, "online-retail")
        for number in order:
            run_in_a_row(settings, nights[number])
        homes[name] = fingerprints(settings), list_files(settings)
        for table, (rows, digest) in homes[name][0].items():
            print(f"{name:10} {table:40} {rows:>10,} {digest}")
        shutil.rmtree(settings.home)
    assert homes["shuffled"] == homes["in_order"]
    assert homes["again"] == homes["in_order"]
