"""Hyperparameters with their ranges, checked in `fit` because constructors only store."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import field, fields
from functools import partial
from numbers import Integral, Real
from typing import Any, TypeVar, cast

from pipelines.base.errors import SettingsError

Value = TypeVar("Value")

#: Weight of one event of a type, where a specification says nothing else.
PURCHASES_ONLY: Mapping[str, float] = {"purchase": 1.0}


def number(
    default: Value,
    *,
    above: float | None = None,
    at_least: float | None = None,
    optional: bool = False,
) -> Value:
    """Declare a numeric hyperparameter and its range; arguments as in `check_number`."""
    check = partial(check_number, above=above, at_least=at_least, optional=optional)
    return _checked(default, check)


def whole(default: Value, *, at_least: int = 1, optional: bool = False) -> Value:
    """Declare a hyperparameter that is a whole number of at least `at_least`."""
    check = partial(check_number, at_least=at_least, integer=True, optional=optional)
    return _checked(default, check)


def choice(default: str, choices: Sequence[str]) -> str:
    """Declare a hyperparameter that is one of some words."""

    def check(name: str, value: Any) -> None:
        require(value in choices, name, value, f"be one of {', '.join(choices)}")

    return _checked(default, check)


def flag(default: bool) -> bool:
    """Declare a hyperparameter that is True or False."""

    def check(name: str, value: Any) -> None:
        require(isinstance(value, bool), name, value, "be true or false")

    return _checked(default, check)


def event_list() -> Sequence[str] | None:
    """Declare a hyperparameter that lists event types; default None."""

    def check(name: str, value: Any) -> None:
        require(value is None or isinstance(value, (list, tuple)), name, value, "be a list")

    return _checked(None, check)


def _checked(default: Value, check: Callable[[str, Any], None]) -> Value:
    return field(default=default, metadata={"check": check})


def check_parameters(recommender: Any) -> None:
    """Refuse a recommender of which a declared hyperparameter is out of its range.

    Raises
    ------
    SettingsError
        Naming the first such parameter, what is allowed and what was found.
    """
    for parameter in fields(recommender):
        if "check" in parameter.metadata:
            parameter.metadata["check"](parameter.name, getattr(recommender, parameter.name))


def require(is_valid: bool, name: str, value: Any, must: str) -> None:
    """Refuse a hyperparameter that is not valid.

    Raises
    ------
    SettingsError
        Naming the parameter, what it must be and what was found.
    """
    if not is_valid:
        raise SettingsError(
            f"`{name}` must {must}. Got {value!r}. "
            "Set it in the candidate's `params` in recsys.toml."
        )


def choice_types(event_weights: Mapping[str, float]) -> tuple[str, ...]:
    """Event types of positive weight: what a user did by choice."""
    return tuple(kind for kind, weight in event_weights.items() if weight > 0)


def check_number(
    name: str,
    value: Any,
    *,
    above: float | None = None,
    at_least: float | None = None,
    integer: bool = False,
    optional: bool = False,
) -> None:
    """Refuse a hyperparameter that is no finite number or is out of range.

    Parameters
    ----------
    name : str
        Constructor keyword, for the message.
    value : object
        What was passed.
    above, at_least : float, optional
        Open and closed lower bound.
    integer : bool, default False
        Whether only whole numbers are allowed.
    optional : bool, default False
        Whether None is allowed.

    Raises
    ------
    SettingsError
        Naming the parameter, what is allowed and what was found.
    """
    if value is None and optional:
        return
    kind = Integral if integer else Real
    if isinstance(value, kind) and not isinstance(value, bool):
        number = float(cast(float, value))
        high_enough = at_least is None or number >= at_least
        if math.isfinite(number) and high_enough and (above is None or number > above):
            return
    bound = f" above {above:g}" if above is not None else f" of at least {at_least:g}"
    allowed = f"{'a whole' if integer else 'a finite'} number{bound}"
    require(False, name, value, f"be {allowed}{' or left out' if optional else ''}")


def check_event_weights(event_weights: Any) -> None:
    """Refuse event weights that are not finite numbers by event type.

    Raises
    ------
    SettingsError
        If `event_weights` is no mapping of str to finite numbers, or is empty.
    """
    is_valid = isinstance(event_weights, Mapping) and len(event_weights) > 0
    if is_valid and all(
        isinstance(kind, str) and isinstance(weight, Real) and math.isfinite(weight)
        for kind, weight in event_weights.items()
    ):
        return
    raise SettingsError(
        "`event_weights` must map event types to finite numbers, at least one. "
        f"Got {event_weights!r}. Set `events.weights` in recsys.toml."
    )
