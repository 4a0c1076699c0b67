from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipelines.config import PROJECT_ROOT
from pipelines.errors import SettingsError
from pipelines.night import NIGHT, call_verb, resolve_as_of


def test_the_parameter_wins_over_the_logical_date():
    assert resolve_as_of("2011-12-09", datetime(2026, 1, 1, tzinfo=UTC)) == "2011-12-09"


def test_a_scheduled_run_takes_its_logical_date():
    assert resolve_as_of(None, datetime(2011, 12, 9, 2, tzinfo=UTC)) == "2011-12-09"


def test_a_run_with_neither_is_refused():
    with pytest.raises(SettingsError, match="neither the parameter `as_of` nor a logical date"):
        resolve_as_of(None, None)


def test_call_verb_passes_settings_and_day_and_returns_small_values(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_HOME", str(tmp_path))
    report = call_verb("events.load_days", "2011-12-09")
    assert report is None
    assert (tmp_path / "runs" / "night-2011-12-09" / "load.json").exists()


def test_no_verb_has_the_name_of_a_module_that_would_hide_it():
    modules = {
        f"{path.parent.name}.{path.stem}" for path in (PROJECT_ROOT / "pipelines").glob("*/*.py")
    }
    assert not modules & {verb for verb, _ in NIGHT}
