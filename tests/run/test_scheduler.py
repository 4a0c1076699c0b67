from __future__ import annotations

import sys
from datetime import date

import pytest

from pipelines.base.errors import NightFailedError
from pipelines.run import scheduler
from pipelines.run.scheduler import _follow, airflow_environment, prepare_airflow, run_night

LINES = """\
2026 [info     ] [DAG TEST] starting task_id=load_days map_index=-1 [airflow.sdk.definitions.dag] loc=dag.py:1
2026 [info     ] loaded 305 days [pipelines.events.load] loc=load.py:9
2026 [info     ] [DAG TEST] end task task_id=load_days map_index=-1 [airflow.sdk.definitions.dag] loc=dag.py:2
2026 [info     ] [DAG TEST] starting task_id=evaluate_candidate map_index=2 [airflow.sdk.definitions.dag] loc=dag.py:1
pipelines.base.errors.AuditError: no lists
2026 [info     ] [DAG TEST] end task task_id=evaluate_candidate map_index=2 [airflow.sdk.definitions.dag] loc=dag.py:2
""".splitlines()


def follow(lines):
    shown = []
    return _follow(iter(lines), shown.append), [line.split(" (")[0].strip() for line in shown]


def test_progress_shows_each_task_our_own_lines_and_the_error():
    failures, shown = follow(LINES)
    assert shown == [
        "loaded 305 days",
        "done   load_days",
        "AuditError: no lists",
        "FAILED evaluate_candidate[2]",
    ]
    assert failures == {"evaluate_candidate[2]": "AuditError: no lists"}


def test_a_retry_that_succeeds_is_no_failure():
    again = [line for line in LINES[3:] if "AuditError" not in line]
    failures, _ = follow([*LINES, *again])
    assert failures == {}


def test_airflow_is_kept_inside_the_home(make_settings):
    settings = make_settings()
    environment = airflow_environment(settings)
    assert environment["RECSYS_HOME"] == str(settings.home)
    assert environment["AIRFLOW_HOME"].startswith(str(settings.home))
    assert str(settings.home) in environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"


def test_a_process_that_fails_is_said_with_its_last_lines_and_the_log(make_settings, monkeypatch):
    settings, night = make_settings(), date(2024, 3, 1)
    stop = (sys.executable, "-c", "raise SystemExit('disk full')")
    monkeypatch.setattr(scheduler, "AIRFLOW_PROCESS", stop)
    with pytest.raises(NightFailedError, match="prepare its database.*disk full"):
        prepare_airflow(settings)
    with pytest.raises(NightFailedError, match=r"Failed: the run .*night-2024-03-01\.log"):
        run_night(settings, night, print)
    log = settings.night_log(night)
    assert log.read_text() == "disk full\n"
