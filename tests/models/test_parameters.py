from __future__ import annotations

from typing import Any

import pytest

from pipelines.base.errors import SettingsError
from pipelines.models.candidates import RECOMMENDERS, recommender_class
from pipelines.models.parameters import (
    check_choice,
    check_event_weights,
    check_flag,
    check_number,
)


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


def test_word_that_is_no_choice_is_refused() -> None:
    check_choice("similarity", "dot", ("cosine", "dot"))
    with pytest.raises(SettingsError, match="`similarity` must be one of cosine, dot. Got 1"):
        check_choice("similarity", 1, ("cosine", "dot"))


def test_flag_that_is_neither_true_nor_false_is_refused() -> None:
    check_flag("normalize", False)
    with pytest.raises(SettingsError, match="`normalize` must be true or false. Got 1"):
        check_flag("normalize", 1)


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
