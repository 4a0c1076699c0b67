from __future__ import annotations

from datetime import UTC, date, datetime
from types import SimpleNamespace

import pytest

from pipelines.base.config import load_settings
from pipelines.base.errors import AuditError
from pipelines.run.failures import (
    read_command,
    read_remedies,
    report_failure,
    report_stopped_run,
)
from tests.receivers import web_receiver


@pytest.fixture
def web(tmp_path, monkeypatch):
    """A receiver that the settings of this process name."""
    with web_receiver() as server:
        file = tmp_path / "recsys.toml"
        file.write_text(f'[notify]\nwebhook = "{server.url}"\n')
        monkeypatch.setenv("RECSYS_CONFIG", str(file))
        monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
        yield server


def context(dag_id="nightly_recommendations", task_id="audit_lists", **more):
    ti = {"dag_id": dag_id, "task_id": task_id, "run_id": "r", "map_index": -1, "try_number": 2}
    own = {name: more.pop(name) for name in list(more) if name in ti}
    return {
        "ti": SimpleNamespace(**{**ti, **own}),
        "params": {"as_of": "2011-12-09"},
        "exception": AuditError("Lists must be whole. Found 3 short."),
        **more,
    }


def test_a_failure_is_told_with_night_task_message_remedy_and_command(web, tmp_path):
    report_failure(context())
    assert web.texts[0].splitlines() == [
        "recsys: audit_lists failed in the night of 2011-12-09",
        "Night: 2011-12-09",
        "Task: nightly_recommendations.audit_lists",
        "Means: the lists break a rule; CURRENT stays as it was",
        "Message: AuditError: Lists must be whole. Found 3 short.",
        "What to do: `audit.json` in the run folder says which and by how much",
        f"Command: recsys run --as-of 2011-12-09 --home {tmp_path}/home"
        f" --config {tmp_path}/recsys.toml",
    ]


def test_a_failure_is_told_once_and_a_later_try_is_another_failure(web):
    for try_number in (2, 2, 3):
        report_failure(context(try_number=try_number))
    assert len(web.requests) == 2


def test_the_dag_that_looks_all_day_tells_of_itself_once_a_day(web):
    for moment in ("2026-11-30T10:00", "2026-11-30T10:15", "2026-12-01T10:00"):
        run_id = f"scheduled__{moment}"
        report_failure(context("watch", "watch_home", run_id=run_id, params={}))
    assert len(web.requests) == 2


def test_a_mapped_task_says_its_candidate(web):
    task = SimpleNamespace(op_kwargs={"as_of": "2011-12-09", "subject": "ease"})
    report_failure(context(task_id="evaluate_candidate", map_index=4, task=task))
    report_failure(context(task_id="evaluate_candidate", map_index=5))
    assert [text.splitlines()[0] for text in web.texts] == [
        f"recsys: evaluate_candidate ({name}) failed in the night of 2011-12-09"
        for name in ("ease", "5")
    ]


def test_the_night_of_a_scheduled_run_is_its_logical_date(web):
    moment = datetime(2011, 12, 10, 2, tzinfo=UTC)
    report_failure(context(params={"as_of": None}, logical_date=moment, exception=None))
    assert "Night: 2011-12-10" in web.texts[0] and "ended without an error" in web.texts[0]


def test_the_parameters_of_a_run_are_in_its_command(web):
    params = {"from": "2011-09-23", "to": "2011-12-09", "every": "7d", "name": None}
    report_failure(context("backtest", "replay_nights", params=params))
    assert "recsys backtest --from 2011-09-23 --to 2011-12-09 --every 7d" in web.texts[0]
    assert web.texts[0].startswith("recsys: replay_nights failed\n")


def test_a_run_that_ends_before_any_task_failed_is_told(web):
    report_stopped_run(load_settings(), "nightly_recommendations", date(2011, 12, 9), -9)
    (text,) = web.texts
    assert text.startswith("recsys: the night of 2011-12-09 stopped\n")
    assert "exit code -9" in text and "night-2011-12-09.log" in text


def test_without_a_channel_nobody_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path / "home"))
    report_failure(context())
    assert not (tmp_path / "home").exists()


def test_remedies_come_from_the_tables_of_the_dags():
    meaning, remedy = read_remedies("nightly_recommendations")["push_postgres"]
    assert meaning == "the lists are live; Postgres still has the last ones"
    assert "`recsys push-postgres`" in remedy
    assert read_command("nightly_recommendations") == "run --as-of DAY"


def test_a_dag_without_a_file_has_no_remedy(caplog):
    assert read_remedies("gone") == {} and read_command("gone") == "doctor"
    assert "no page of the DAG gone" in caplog.text
