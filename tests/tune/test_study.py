from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipelines.base.errors import SettingsError
from pipelines.tune.study import Budget, finished_trials, open_study, search

TRIALS = Budget(trials=14, seconds=600, random_state=5)


def bowl(trial: Any) -> float:
    x = trial.suggest_float("x", 0.01, 100.0, log=True)
    return -((x - 3.0) ** 2)


def tried(path: Path) -> list[float]:
    with open_study(path, "one") as study:
        return [trial.params["x"] for trial in finished_trials(study)]


def run(path: Path, objective: Any = bowl, budget: Budget = TRIALS) -> None:
    with open_study(path, "one") as study:
        search(study, budget, objective)


@pytest.fixture(scope="module")
def in_one_go(tmp_path_factory: pytest.TempPathFactory) -> list[float]:
    path = tmp_path_factory.mktemp("study") / "whole.db"
    run(path)
    return tried(path)


def test_the_same_seed_tries_the_same_values(in_one_go: list[float], tmp_path: Path) -> None:
    run(tmp_path / "again.db")
    assert tried(tmp_path / "again.db") == in_one_go
    assert len(in_one_go) == 14


def test_a_search_that_was_killed_goes_on_as_if_it_had_not_been(
    in_one_go: list[float], tmp_path: Path
) -> None:
    calls = []

    def dies_on_the_twelfth(trial: Any) -> float:
        calls.append(trial.number)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return bowl(trial)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "study.db", dies_on_the_twelfth)
    run(tmp_path / "study.db")
    assert tried(tmp_path / "study.db") == in_one_go


def test_a_finished_search_tries_nothing_more(in_one_go: list[float], tmp_path: Path) -> None:
    run(tmp_path / "study.db")
    run(tmp_path / "study.db", lambda trial: pytest.fail("it was asked again"))
    assert tried(tmp_path / "study.db") == in_one_go


def test_no_trial_is_begun_when_time_is_up(tmp_path: Path) -> None:
    run(tmp_path / "study.db", budget=Budget(trials=14, seconds=0, random_state=5))
    assert len(tried(tmp_path / "study.db")) == 1  # one, so that there is a result


def test_a_specification_that_cannot_be_fitted_ends_its_trial_only(tmp_path: Path) -> None:
    def refuses(trial: Any) -> float:
        if trial.number == 1:
            raise SettingsError("out of range")
        return bowl(trial)

    run(tmp_path / "study.db", refuses, Budget(trials=3, seconds=600, random_state=5))
    with open_study(tmp_path / "study.db", "one") as study:
        found = finished_trials(study)
    assert [trial.user_attrs.get("error") for trial in found] == [None, "out of range", None]
