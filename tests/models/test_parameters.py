from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pipelines.base.errors import SettingsError
from pipelines.models.candidates import RECOMMENDERS, recommender_class
from pipelines.models.parameters import (
    check_event_weights,
    check_number,
    check_parameters,
    choice,
    event_list,
    flag,
    number,
    require,
    whole,
)


@dataclass(kw_only=True)
class Declared:
    half_life_days: float | None = number(None, above=0, optional=True)
    depth: int = whole(5)
    similarity: str = choice("dot", ("cosine", "dot"))
    normalize: bool = flag(False)
    target_events: Sequence[str] | None = event_list()
    free: Any = None


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "3", True, None])
def test_number_outside_its_range_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match=r"`half_life_days` must be a finite number above 0\."):
        check_number("half_life_days", value, above=0)


@pytest.mark.parametrize("value", [0, 2.0, 1.5])
def test_number_that_is_not_whole_is_refused(value: Any) -> None:
    with pytest.raises(SettingsError, match="must be a whole number of at least 1 or left out"):
        check_number("n", value, at_least=1, integer=True, optional=True)


def test_number_at_a_closed_bound_or_left_out_is_allowed() -> None:
    check_number("n", 1, at_least=1, integer=True)
    check_number("x", 1e-9, above=0)
    check_number("x", None, above=0, optional=True)


def test_declared_parameters_within_their_ranges_are_allowed() -> None:
    check_parameters(Declared())
    check_parameters(Declared(half_life_days=0.5, depth=1, similarity="cosine", free=-1))
    check_parameters(Declared(normalize=True, target_events=["purchase"]))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"half_life_days": 0}, "`half_life_days` must be a finite number above 0 or left out"),
        ({"depth": 0}, "`depth` must be a whole number of at least 1. Got 0"),
        ({"similarity": 1}, "`similarity` must be one of cosine, dot. Got 1"),
        ({"normalize": 1}, "`normalize` must be true or false. Got 1"),
        ({"target_events": "view"}, "`target_events` must be a list. Got 'view'"),
    ],
)
def test_declared_parameter_out_of_its_range_is_refused(parameter: Any, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        check_parameters(Declared(**parameter))


def test_parameter_that_is_not_valid_is_refused_with_what_it_must_be() -> None:
    require(True, "b", 0.5, "be at most 1")
    with pytest.raises(SettingsError, match="`b` must be at most 1. Got 2. Set it in the cand"):
        require(False, "b", 2, "be at most 1")


@pytest.mark.parametrize("weights", [{}, None, {"view": float("nan")}, {"view": "1"}, {1: 1.0}])
def test_event_weights_that_are_not_numbers_by_type_are_refused(weights: Any) -> None:
    with pytest.raises(SettingsError, match="`event_weights` must map event types"):
        check_event_weights(weights)


@pytest.mark.parametrize("key", sorted(RECOMMENDERS))
def test_every_numeric_parameter_is_checked_in_fit(key: str, random_history: Any) -> None:
    for name in recommender_class(key)().get_params():
        bad = {} if name == "event_weights" else -1
        with pytest.raises(SettingsError, match=f"`{name}` must"):
            recommender_class(key)(**{name: bad}).fit(random_history)
