"""Checks of hyperparameters, made in `fit` because constructors only store."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, cast

from pipelines.base.errors import SettingsError

#: Weight of one event of a type, where a specification says nothing else.
PURCHASES_ONLY: Mapping[str, float] = {"purchase": 1.0}


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
    raise SettingsError(
        f"`{name}` must be {allowed}{' or left out' if optional else ''}. Got {value!r}. "
        "Set it in the candidate's `params` in recsys.toml."
    )


def check_choice(name: str, value: Any, choices: Sequence[str]) -> None:
    """Refuse a hyperparameter that is not one of the allowed words.

    Raises
    ------
    SettingsError
        Naming the parameter, what is allowed and what was found.
    """
    if value not in choices:
        raise SettingsError(
            f"`{name}` must be one of {', '.join(choices)}. Got {value!r}. "
            "Set it in the candidate's `params` in recsys.toml."
        )


def check_flag(name: str, value: Any) -> None:
    """Refuse a hyperparameter that is neither True nor False.

    Raises
    ------
    SettingsError
        Naming the parameter and what was found.
    """
    if not isinstance(value, bool):
        raise SettingsError(
            f"`{name}` must be true or false. Got {value!r}. "
            "Set it in the candidate's `params` in recsys.toml."
        )


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
