from __future__ import annotations

from typing import Any

import pytest

from pipelines.base.errors import SettingsError
from pipelines.base.settings_sections import CandidateSettings
from pipelines.models.candidates import Spec
from pipelines.tune.search_space import check_space, suggest_spec

BASE = Spec("ease", "ease", {"regularization": 20.0, "half_life_days": 40.0}, {"purchase": 1.0})


class FixedTrial:
    """Answers what it was told to, and remembers what it was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: dict[str, tuple[Any, ...]] = {}

    def suggest_categorical(self, name: str, choices: list[Any]) -> Any:
        self.asked[name] = tuple(choices)
        return self.answers[name.replace(" none?", "_none")]

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> Any:
        self.asked[name] = ("int", low, high, log)
        return self.answers[name]

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> Any:
        self.asked[name] = ("float", low, high, log)
        return self.answers[name.replace("event_weights.", "")]


def candidate(search: dict[str, Any]) -> CandidateSettings:
    return CandidateSettings.model_validate(
        {"name": "ease", "recommender": "ease", "search": search}
    )


def test_what_is_not_searched_stays() -> None:
    trial = FixedTrial(regularization=7.0)
    space = candidate({"regularization": {"low": 1.0, "high": 100.0, "log": True}}).search
    found = suggest_spec(trial, BASE, space)  # type: ignore[arg-type]  # a trial as far as it is used
    assert found.params == {"regularization": 7.0, "half_life_days": 40.0}
    assert found.event_weights == {"purchase": 1.0}
    assert trial.asked["regularization"] == ("float", 1.0, 100.0, True)


def test_no_value_is_a_choice_of_its_own() -> None:
    space = candidate({"half_life_days": {"low": 5, "high": 400, "none": True}}).search
    without = suggest_spec(FixedTrial(half_life_days_none=True), BASE, space)  # type: ignore[arg-type]  # see above
    trial = FixedTrial(half_life_days_none=False, half_life_days=9)
    with_value = suggest_spec(trial, BASE, space)  # type: ignore[arg-type]  # see above
    assert without.params["half_life_days"] is None
    assert with_value.params["half_life_days"] == 9
    assert trial.asked["half_life_days"] == ("int", 5, 400, False)


def test_event_weights_are_searched_by_type() -> None:
    space = candidate({"event_weights.return": {"low": -5.0, "high": 0.0}}).search
    found = suggest_spec(FixedTrial(**{"return": -2.0}), BASE, space)  # type: ignore[arg-type]  # see above
    assert found.event_weights == {"purchase": 1.0, "return": -2.0}
    assert BASE.event_weights == {"purchase": 1.0}


def test_choices_are_taken_as_they_are() -> None:
    space = candidate({"regularization": {"choices": [1.0, 10.0]}}).search
    trial = FixedTrial(regularization=10.0)
    assert suggest_spec(trial, BASE, space).params["regularization"] == 10.0  # type: ignore[arg-type]  # see above
    assert trial.asked["regularization"] == (1.0, 10.0)


def test_candidate_without_a_search_space_is_refused() -> None:
    with pytest.raises(SettingsError, match="must say what may be tuned"):
        check_space(candidate({}))


def test_parameter_that_does_not_exist_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"must name parameters among .*Got \['n_factors'\]"):
        check_space(candidate({"n_factors": {"low": 1, "high": 9}}))
