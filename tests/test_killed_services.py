"""Every process of the system killed, while a real scheduler runs a night."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipelines.base.config import load_settings
from pipelines.run.services import (
    airflow_services,
    api_service,
    free_port,
    mlflow_service,
    running,
    supervise,
)
from tests.airflow_rest import ask, start_run, tell, wait_for
from tests.conftest import SHOP_SETTINGS, fingerprints, list_files, shop_night
from tests.postgres_server import server  # noqa: F401 - a fixture

#: Nights, and how often each kills every process: ten moments in all.
NIGHTS, KILLS = 5, 2
#: Seconds over which the kills of a night are spread; a night of the small shop takes longer.
SPREAD_SECONDS = 150.0


@pytest.fixture(params=["sqlite", "postgres"])
def airflow_database(request):
    """Address of Airflow's own database, None for the file in the home."""
    if request.param == "sqlite":
        return None
    return request.getfixturevalue("server").replace("postgresql:", "postgresql+psycopg2:")


@pytest.mark.prove
@pytest.mark.parametrize("night", range(NIGHTS))
def test_a_night_whose_processes_are_killed_ends_as_any_other(
    small_shop, monkeypatch, airflow_database, night
):
    monkeypatch.setenv("RECSYS_CONFIG", str(SHOP_SETTINGS))
    in_order = small_shop("in_order", after=(8, 9))  # before any setting of a server
    plain = small_shop(after=(8,))
    mlflow = mlflow_service(plain, free_port())
    # tasks log to the server that is killed, not into its database
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow.address)
    settings = load_settings(SHOP_SETTINGS, plain.home)
    airflow = airflow_services(settings, free_port())
    if airflow_database is not None:
        use_database(airflow, airflow_database)
    services = [*airflow, mlflow, api_service(settings, free_port())]
    told, over = [], threading.Event()
    with running(*services) as address, ThreadPoolExecutor() as pool:
        keeper = pool.submit(
            supervise, services, told.append, wait_seconds=120.0, is_over=over.is_set
        )
        try:
            state = run_and_kill(services, address, keeper, seed=night)
        finally:
            over.set()
        keeper.result()
    print("\n".join(told))
    assert len([line for line in told if "exit code -9" in line]) == KILLS * len(services)
    assert state == "success"
    assert fingerprints(settings) == fingerprints(in_order)
    assert list_files(settings) == list_files(in_order)


def use_database(services, address):
    """Put Airflow's own tables into another database, as docker-compose.yml does."""
    for service in services:
        service.environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = address
        for mode in ("", "_ASYNC"):
            del service.environment[f"AIRFLOW__DATABASE__SQL_ALCHEMY_CONNECT_ARGS{mode}"]
    for command in (["db", "migrate"], ["pools", "set", "warehouse", "1", "one writer"]):
        subprocess.run(
            [sys.executable, "-m", "airflow", *command],
            env=services[0].environment,
            check=True,
            capture_output=True,
        )


def run_and_kill(services, address, keeper, seed):
    """Trigger the night, kill every process at random moments; gives the night's last state."""
    token = ask(f"{address}/auth/token")["access_token"]
    dag = f"{address}/api/v2/dags/nightly_recommendations"
    conf = {"as_of": shop_night(9).isoformat()}
    run = wait_for(lambda: start_run(f"{dag}/dagRuns", token, conf), 60)
    change = {"is_paused": False}
    wait_for(lambda: tell(f"{dag}?update_mask=is_paused", token, change, method="PATCH"), 60)
    began, draw = time.monotonic(), random.Random(seed)
    moments = sorted(
        (draw.uniform(0.0, SPREAD_SECONDS), number) for number in [*range(len(services))] * KILLS
    )
    for moment, number in moments:
        time.sleep(max(0.0, began + moment - time.monotonic()))
        victim = services[number]
        wait_for(lambda victim=victim: victim.exit_code is None or keeper.done(), 120)
        os.kill(victim.process.pid, signal.SIGKILL)
        print(f"{time.monotonic() - began:6.1f} s: killed {victim.name}")

    def ended():
        if keeper.done():
            keeper.result()
        try:
            state = ask(f"{dag}/dagRuns/{run['dag_run_id']}", token)["state"]
        except (OSError, AssertionError):  # the API server is being started again
            return None
        return state if state in {"success", "failed"} else None

    return wait_for(ended, 1800)
