from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from pipelines.base.cli import cli
from pipelines.experiments.definition import definition_hash
from pipelines.experiments.state import read_definition
from tests.experiments.test_state import TEXT
from tests.measure.conftest import (
    NIGHT,
    create_table,
    make_experiment,
    make_interleaved,
    make_teams,
    make_units,
    store_teams,
    store_units,
)

CONFIG = """
[placements.discover]
baselines = ["popularity"]
fallback = "popularity"
[[candidates]]
name = "popularity"
recommender = "popularity"
"""


@pytest.fixture
def run(tmp_path):
    """Run a command on a home of its own, with one experiment beside its settings."""
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "first.toml").write_text(TEXT)
    (tmp_path / "shop.toml").write_text(CONFIG)
    options = ["--home", str(tmp_path / "home"), "--config", str(tmp_path / "shop.toml")]

    def call(*words):
        return CliRunner().invoke(cli, [*words, *options], catch_exceptions=False)

    call.config = tmp_path / "shop.toml"
    call.home = tmp_path / "home"
    return call


def test_an_experiment_is_started_listed_and_stopped(run):
    assert "is frozen" in run("experiment", "start", "first").output
    assert "running" in run("experiment", "status").output
    stopped = run("experiment", "stop", "first", "--as-of", "2024-03-20", "--reason", "seen enough")
    assert "publishes control only" in stopped.output
    (found,) = json.loads(run("experiment", "status", "--json").output)
    assert (found["status"], found["stopped_on"]) == ("stopped", "2024-03-20")


def test_without_experiments_status_says_so(run):
    assert "No experiment was started" in run("experiment", "status").output


def test_a_report_prints_health_effects_and_verdict(run, monkeypatch):
    from pipelines.base.config import load_settings

    settings = load_settings(run.config, run.home)
    experiment = make_experiment()
    assert definition_hash(read_definition(settings, "first")) != experiment.config_hash
    store_units(settings, experiment, make_units(experiment, 3000))
    monkeypatch.setenv("COLUMNS", "120")  # where cells are not wrapped
    shown = run("experiment", "report", "home", "--as-of", NIGHT.isoformat()).output
    assert (
        "Users by arm: control" in shown
        and "share of users who buy" in shown
        and "report.html" in shown
    )
    stored = json.loads(
        run("experiment", "report", "home", "--as-of", NIGHT.isoformat(), "--json").output
    )
    assert stored["experiment_id"] == "home"
    assert "report.html" in run("measure", "--as-of", NIGHT.isoformat()).output


def test_the_report_of_an_interleaved_experiment_prints_who_prefers_what(run):
    from pipelines.base.config import load_settings

    settings = load_settings(run.config, run.home)
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 60, 20)
    store_units(settings, experiment, units)
    store_teams(settings, teams)
    shown = run("experiment", "report", "home", "--as-of", NIGHT.isoformat()).output
    assert "75.0% [64.1%," in shown and "prefer it" in shown and "Make this arm" in shown


def test_measuring_nothing_says_so(run):
    assert "No experiment is on" in run("measure", "--as-of", "2024-03-01").output


def test_a_plan_without_events_says_what_it_needs(run):
    from pipelines.base.config import load_settings
    from pipelines.base.errors import ExperimentError
    from pipelines.base.tables import INT_USER_ITEM_DAYS
    from pipelines.base.warehouse import connect

    with connect(load_settings(run.config, run.home)) as warehouse:
        warehouse.execute("create schema intermediate")
        create_table(warehouse, INT_USER_ITEM_DAYS)
    with pytest.raises(ExperimentError, match="needs events"):
        run("experiment", "plan", "first", "--as-of", "2024-03-01")
