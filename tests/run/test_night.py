from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pipelines.base.errors import SettingsError
from pipelines.run import night
from pipelines.run.night import (
    NIGHT,
    VERBS,
    call_verb,
    newest_night,
    resolve_as_of,
    run_in_a_row,
)


def test_the_parameter_wins_over_the_logical_date():
    assert resolve_as_of("2011-12-09", datetime(2026, 1, 1, tzinfo=UTC)) == "2011-12-09"


def test_a_scheduled_run_takes_its_logical_date():
    assert resolve_as_of(None, datetime(2011, 12, 9, 2, tzinfo=UTC)) == "2011-12-09"


def test_a_run_with_neither_is_refused():
    with pytest.raises(SettingsError, match="neither the parameter `as_of` nor a logical date"):
        resolve_as_of(None, None)


def test_call_verb_passes_settings_and_day_and_returns_small_values(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path))
    day = tmp_path / "landing" / "events" / "date=2011-12-08" / "shop.csv"
    day.parent.mkdir(parents=True)
    day.write_text("event_type,user_id,item_id,event_at\n")
    report = call_verb("load_days", "2011-12-09")
    assert report is None
    assert (tmp_path / "runs" / "night-2011-12-09" / "load.json").exists()


def test_every_verb_is_where_its_module_is_named():
    of_a_night = {"land_sources": "land_night", "load_days": "load_night"}
    assert {verb for verb, _ in NIGHT} <= set(VERBS)
    for verb in VERBS:
        assert night._function(verb).__name__ == of_a_night.get(verb, verb)


def night_of(monkeypatch, failing):
    """A night of three verbs, in which some candidates cannot be evaluated; returns its calls."""
    calls = []

    def call(verb):
        def function(settings, as_of, *subject):
            calls.append((verb, *subject))
            if set(subject) & failing:
                raise ValueError(f"{subject} is broken")
            return ["ease", "svd"]

        return function

    verbs = ("plan_candidates", "evaluate_candidate", "decide_gates")
    asked = (None, "plan_candidates", None)
    monkeypatch.setattr(night, "NIGHT", tuple(zip(verbs, asked, strict=True)))
    monkeypatch.setattr(night, "_function", call)
    return calls


def test_one_failed_candidate_loses_no_night(make_settings, monkeypatch):
    calls = night_of(monkeypatch, {"ease"})
    run_in_a_row(make_settings(), date(2024, 1, 1))
    assert calls[1:] == [
        ("evaluate_candidate", "ease"),
        ("evaluate_candidate", "svd"),
        ("decide_gates",),
    ]


def test_a_night_whose_every_candidate_failed_stops(make_settings, monkeypatch):
    calls = night_of(monkeypatch, {"ease", "svd"})
    with pytest.raises(ValueError, match="svd"):
        run_in_a_row(make_settings(), date(2024, 1, 1))
    assert ("decide_gates",) not in calls


def test_without_a_parameter_the_newest_published_night_is_looked_at(monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path))
    with pytest.raises(SettingsError, match="must have been published"):
        newest_night(None)
    for publication_id in ("2024-03-09-00000000", "2024-03-10-00000000"):
        folder = tmp_path / "publications" / publication_id
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
    assert newest_night(None) == "2024-03-10"
    assert newest_night("2024-03-09") == "2024-03-09"
