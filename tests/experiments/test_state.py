from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.errors import ExperimentError, SettingsError
from pipelines.experiments.state import (
    read_definition,
    read_experiment,
    running_experiments,
    start_experiment,
    stop_experiment,
)

TEXT = """
hypothesis = "EASE finds more that people buy."
placement = "discover"
starts = 2024-03-10
ends = 2024-04-10
goal = "conversion"
expected_users = 4000
guardrails = [{ metric = "revenue", margin = 0.05 }]
[[arms]]
name = "control"
weight = 0.5
[[arms]]
name = "ease"
weight = 0.5
candidate = "popularity"
"""


@pytest.fixture
def shop(make_settings, tmp_path):
    folder = tmp_path / "experiments"
    folder.mkdir()
    settings = make_settings(experiments_folder=folder, placements={"discover": {}, "for_you": {}})
    describe(settings, "first", TEXT)
    return settings


def describe(settings, experiment_id, text):
    (settings.experiments_folder / f"{experiment_id}.toml").write_text(text)


def test_a_file_says_what_an_experiment_is(shop):
    found = read_definition(shop, "first")
    assert [arm.name for arm in found.arms] == ["control", "ease"]
    assert found.starts == date(2024, 3, 10)
    assert found.guardrails[0].margin == 0.05


WRONG = {
    "no control": ('name = "control"', 'name = "other"', "arms must be `control` first"),
    "one name twice": ('name = "ease"', 'name = "control"', "arms must be"),
    "weights": ("weight = 0.5\ncandidate", "weight = 0.4\ncandidate", "must sum to 1"),
    "no candidate": ('candidate = "popularity"', "", "every other arm names a candidate"),
    "days": ("ends = 2024-04-10", "ends = 2024-03-10", "`ends` must be after"),
    "unknown key": ("expected_users", "expectd_users", "expectd_users"),
    "unknown candidate": ('"popularity"', '"nobody"', "candidate must be one of the settings"),
    "unknown placement": ('"discover"', '"nowhere"', "placement must be one of the settings"),
    "unknown goal": ('"conversion"', '"joy"', "goal"),
    "not toml": ("hypothesis =", "hypothesis", "must be TOML"),
    "a name that is taken": ('name = "ease"', 'name = "champion"', "these names are taken"),
}


@pytest.mark.parametrize(("old", "new", "message"), WRONG.values(), ids=WRONG)
def test_a_file_that_cannot_be_run_is_refused(shop, old, new, message):
    assert old in TEXT
    describe(shop, "first", TEXT.replace(old, new))
    with pytest.raises(ExperimentError, match=message):
        read_definition(shop, "first")


def test_a_layer_needs_a_range(shop):
    describe(shop, "first", 'layer = "home"\nlayer_from = 0.5\nlayer_to = 0.5\n' + TEXT)
    with pytest.raises(ExperimentError, match="layer_from"):
        read_definition(shop, "first")


def test_a_file_that_is_not_there_names_those_that_are(shop):
    with pytest.raises(ExperimentError, match=r"Found no second.toml. Known: first"):
        read_definition(shop, "second")


def test_a_path_is_no_experiment_id(shop):
    with pytest.raises(SettingsError, match="experiment's id"):
        read_definition(shop, "../first")


def test_a_started_experiment_runs_on_its_days(shop):
    start_experiment(shop, "first")
    on = [
        bool(running_experiments(shop, date(2024, month, day)))
        for month, day in ((3, 9), (3, 10), (4, 9), (4, 10))
    ]
    assert on == [False, True, True, False]


def test_a_running_experiment_that_is_edited_is_refused(shop):
    start_experiment(shop, "first")
    describe(shop, "first", TEXT.replace("weight = 0.5", "weight = 0.50"))
    assert running_experiments(shop)  # the same, in other words
    describe(shop, "first", TEXT.replace("expected_users = 4000", "expected_users = 4001"))
    with pytest.raises(ExperimentError, match="must not be edited"):
        running_experiments(shop)


def test_a_running_experiment_outlives_its_file(shop):
    started = start_experiment(shop, "first")
    (shop.experiments_folder / "first.toml").unlink()
    assert running_experiments(shop) == [started]


def test_an_id_is_used_once(shop):
    start_experiment(shop, "first")
    stop_experiment(shop, "first", date(2024, 3, 20), "seen enough")
    with pytest.raises(ExperimentError, match="started before"):
        start_experiment(shop, "first")


def test_a_placement_has_one_running_experiment(shop):
    start_experiment(shop, "first")
    describe(shop, "second", TEXT)
    with pytest.raises(ExperimentError, match="one running experiment. Found first"):
        start_experiment(shop, "second")
    describe(shop, "second", TEXT.replace('"discover"', '"for_you"'))
    start_experiment(shop, "second")
    assert [one.experiment_id for one in running_experiments(shop)] == ["first", "second"]


def test_a_stopped_experiment_is_over_from_that_night_on(shop):
    start_experiment(shop, "first")
    stopped = stop_experiment(shop, "first", date(2024, 3, 20), "seen enough")
    assert read_experiment(shop, "first") == stopped
    assert running_experiments(shop, date(2024, 3, 19))
    assert not running_experiments(shop, date(2024, 3, 20))
    with pytest.raises(ExperimentError, match="Only a running experiment"):
        stop_experiment(shop, "first", date(2024, 3, 21), "again")


def test_an_experiment_that_was_never_started_is_not_there(shop):
    with pytest.raises(ExperimentError, match="must have been started"):
        read_experiment(shop, "first")
