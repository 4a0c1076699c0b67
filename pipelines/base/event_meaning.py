"""What an event says by its value: the type it counts as, what it weighs, and which way it goes.

Day files keep what was told; `dbt_project/macros/event_meaning.sql` and `events/row_rules.py` say
the same in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.base.settings_sections import LOW, EventSettings

PURCHASE, RETURN, ADD_TO_CART = "purchase", "return", "add_to_cart"
#: Types whose value is a number of units.
UNITS = (PURCHASE, RETURN, ADD_TO_CART)
#: Type of what an answer of the API showed. Only the server writes it; clients say what was seen
#: (``impression``) and done.
SERVED = "served"
#: Beginning of the ids of such events, and of no other's.
SERVED_ID = "served:"
#: What the server alone knows of an answer; the answer's `request_id` stands for all of it.
OF_THE_SERVER = frozenset(
    {
        *("experiment_id", "variant", "bucket", "config_hash", "lists_differ"),
        *("placement", "source", "team", "propensity"),
    }
)
#: Largest price, and largest value in either direction, of an event.
MAX_AMOUNT = 1e9


def counted_type(event_type: str, value: float | None, min_value: Mapping[str, float]) -> str:
    """The type that an event counts as: its own, or the low one if its value is below the least.

    Parameters
    ----------
    event_type : str
    value : float or None
        Without a value an event is never low.
    min_value : mapping of str to float
        `events.min_value`.

    Examples
    --------
    >>> counted_type("rating", 3.5, {"rating": 4.0}), counted_type("rating", 4.0, {"rating": 4.0})
    ('low_rating', 'rating')
    """
    least = min_value.get(event_type)
    return event_type if least is None or value is None or value >= least else LOW + event_type


def told_type(event_type: str) -> str:
    """The type that an event was told with, from the one that it counts as.

    Examples
    --------
    >>> told_type("low_rating"), told_type("rating")
    ('rating', 'rating')
    """
    return event_type.removeprefix(LOW)


def is_unwanted(event_type: str) -> bool:
    """Whether an event of this type says that its user does not want the item."""
    return event_type == RETURN or event_type.startswith(LOW)


def counted_weights(events: EventSettings, weights: Mapping[str, float]) -> dict[str, float]:
    """Weight of one event of each type, low ones included.

    Parameters
    ----------
    events : EventSettings
        `below_min_value` says whether low events weigh what a return weighs, or nothing.
    weights : mapping of str to float
        `events.weights`, or a candidate's own.
    """
    low = weights.get(RETURN, 0.0) if events.below_min_value == "return" else 0.0
    return {**{LOW + kind: low for kind in events.min_value if low}, **weights}


def take_units(
    event_type: str, value: float | None, *, refuses_negative: bool = False
) -> tuple[str, float | None]:
    """Type and units of an event, with returns told as units above zero.

    A purchase of less than nothing is a return, and so is a return of less than nothing: shops
    tell it either way.

    Parameters
    ----------
    event_type : str
    value : float or None
    refuses_negative : bool, default False
        `events.refuses_negative_quantity`: such a purchase is an error instead.

    Raises
    ------
    ValueError
        If units below zero are refused, or mean nothing, as in a cart.
    """
    if event_type not in UNITS or value is None or value >= 0:
        return event_type, value
    if event_type == RETURN or (event_type == PURCHASE and not refuses_negative):
        return RETURN, -value
    raise ValueError(f"value must not be below 0 where the type is {event_type}")
