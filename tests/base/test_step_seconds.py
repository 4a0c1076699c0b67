from __future__ import annotations

import json
from datetime import date

import pytest

from pipelines.base.step_seconds import read_step_seconds, timed_step
from pipelines.run.night import call_verb
from tests.conftest import shop_night

AS_OF = date(2024, 3, 1)


def note(settings, verb, seconds, subject=None):
    with timed_step(settings, AS_OF, verb, subject):
        pass
    name = verb if subject is None else f"{verb}.{subject}"
    path = settings.run_folder(AS_OF).steps / f"{name}.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "seconds": seconds}))


def test_subjects_of_a_step_add_up_and_the_slowest_step_is_first(make_settings):
    settings = make_settings()
    note(settings, "load_days", 2.0)
    note(settings, "evaluate_candidate", 1.0, "ease")
    note(settings, "evaluate_candidate", 5.0, "popularity")
    assert read_step_seconds(settings, AS_OF) == [
        {"verb": "evaluate_candidate", "run_count": 2, "seconds": 6.0, "share": 0.75},
        {"verb": "load_days", "run_count": 1, "seconds": 2.0, "share": 0.25},
    ]


def test_a_step_that_runs_again_counts_once(make_settings):
    settings = make_settings()
    for seconds in (9.0, 1.0):
        note(settings, "load_days", seconds)
    (step,) = read_step_seconds(settings, AS_OF)
    assert (step["run_count"], step["seconds"]) == (1, 1.0)


def test_a_step_that_fails_notes_nothing(make_settings):
    settings = make_settings()
    with pytest.raises(ValueError, match="broken"), timed_step(settings, AS_OF, "load_days"):
        raise ValueError("broken")
    assert read_step_seconds(settings, AS_OF) == []


def test_a_task_of_the_dag_is_timed(tmp_path, monkeypatch, make_settings):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path))
    day = tmp_path / "landing" / "events" / "date=2024-02-29" / "shop.csv"
    day.parent.mkdir(parents=True)
    day.write_text("event_type,user_id,item_id,event_at\nview,u1,i1,2024-02-29\n")
    call_verb("load_days", AS_OF.isoformat())
    (step,) = read_step_seconds(make_settings(home=tmp_path), AS_OF)
    assert step["verb"] == "load_days" and step["seconds"] >= 0


def test_a_night_in_a_row_times_every_step_before_its_report(shop_after):
    settings = shop_after(10)
    report = json.loads(settings.run_folder(shop_night(10)).report.read_text())
    runs = {step["verb"]: step["run_count"] for step in report["steps"]}
    assert runs["evaluate_candidate"] == len(settings.candidates)
    assert runs["generate_lists"] == len(settings.placements)
    assert runs["load_days"] == 1 and "report_night" not in runs
    assert {row["candidate"] for row in report["seconds"]} == {
        candidate.name for candidate in settings.candidates
    }
