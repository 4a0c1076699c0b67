"""Rows of `POST /v1/events` and `/v1/items/availability`, judged by the rules of the event load."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.base.event_meaning import (
    MAX_AMOUNT,
    OF_THE_SERVER,
    SERVED,
    SERVED_ID,
    take_units,
)
from pipelines.base.ids import clean_id, is_nobody
from pipelines.serve.log.clock import iso, parse_utc

#: How far a client's clock may be ahead; a time that is ahead by less becomes the server's.
MAX_AHEAD = timedelta(minutes=5)
#: Fields that hold ids; the first three are required.
IDS = ("event_type", "user_id", "item_id", "event_id", "session_id", "request_id")
#: Ids that tell which answer an event belongs to.
FEEDBACK = ("publication_id",)
NUMBERS = ("value", "price")
FIELDS = (*IDS, *FEEDBACK, *NUMBERS, "event_at", "position")
REQUIRED = IDS[:3]
MAX_POSITION = 10_000
_OF_THE_EVENT = ("user_id", "item_id")


@dataclass(frozen=True)
class EventRules:
    """What the settings say about events.

    Parameters
    ----------
    types : collection of str
        `events.types`; `served` is the server's and is refused.
    lookback : timedelta
        `events.lookback_days`: an older event would not be looked at any more.
    nobody : collection of str
        `events.nobody`: texts that are nobody's id.
    refuses_negative : bool
        `events.refuses_negative_quantity`; otherwise such a purchase is logged as a return.
    """

    types: Collection[str]
    lookback: timedelta
    nobody: Collection[str] = ()
    refuses_negative: bool = False


def read_event(row: Any, rules: EventRules, now: datetime) -> dict[str, Any]:
    """Check an event and complete it as the log holds it.

    Parameters
    ----------
    row : any
        A value of the request's JSON.
    rules : EventRules
    now : datetime
        The server's time: `event_at` where the row has none.

    Returns
    -------
    dict
        The fields that are there; always `event_id`, derived from the others if the row has none,
        and `event_at`.

    Raises
    ------
    ValueError
        Saying which field is wrong and how.
    """
    values = _check_fields(row, FIELDS, REQUIRED)
    event: dict[str, Any] = {}
    for name in (*IDS, *FEEDBACK):
        if name in values:
            event[name] = _id(name, values[name])
    known = sorted(set(rules.types) - {SERVED})
    if event["event_type"] not in known:
        raise ValueError(f"event_type must be one of {', '.join(known)}")
    if event.get("event_id", "").startswith(SERVED_ID):
        raise ValueError(f"event_id must not begin with {SERVED_ID!r}: such ids are the server's")
    event["event_at"] = iso(_event_at(values.get("event_at"), rules, now))
    for name in _OF_THE_EVENT:
        if is_nobody(event[name], rules.nobody):
            raise ValueError(f"{name} {event[name]!r} means nobody (events.nobody)")
    event |= {name: _number(name, values[name]) for name in NUMBERS if name in values}
    if event.get("price", 0) < 0:
        raise ValueError("price must not be below 0")
    if "value" in event:
        kind, units = event["event_type"], event["value"]
        taken = take_units(kind, units, refuses_negative=rules.refuses_negative)
        event["event_type"], event["value"] = taken
    if "position" in values:
        event["position"] = _position(values["position"])
    event.setdefault("event_id", _derived_id(event))
    return event


def read_stock(row: Any) -> tuple[str, bool]:
    """Item and availability of a row of stock.

    Raises
    ------
    ValueError
        Saying which field is wrong and how.
    """
    values = _check_fields(row, ("item_id", "is_available"), ("item_id", "is_available"))
    if not isinstance(values["is_available"], bool):
        raise ValueError("is_available must be true or false")
    return _id("item_id", values["item_id"]), values["is_available"]


def _check_fields(row: Any, known: Collection[str], required: Collection[str]) -> Mapping[str, Any]:
    """Fields of a row that are not null."""
    if not isinstance(row, dict):
        raise ValueError("a row must be a JSON object")
    if told := sorted(OF_THE_SERVER & set(row) - set(known)):
        raise ValueError(f"{told[0]} is known from request_id, and only the server says it")
    if strange := sorted(set(row) - set(known)):
        raise ValueError(f"unknown field {strange[0][:40]!r}; known: {', '.join(known)}")
    values = {name: value for name, value in row.items() if value is not None}
    if missing := [name for name in required if name not in values]:
        raise ValueError(f"{missing[0]} is missing")
    return values


def _id(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text")
    try:
        return clean_id(value)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from error


def _event_at(value: Any, rules: EventRules, now: datetime) -> datetime:
    if value is None:
        return now
    try:
        moment = parse_utc(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError("event_at must be an ISO 8601 time, like 2024-03-01T12:30:05Z") from error
    if moment > now + MAX_AHEAD:
        raise ValueError("event_at must not be in the future")
    if moment < now - rules.lookback:
        raise ValueError(f"event_at must not be older than {rules.lookback.days} days")
    return min(moment, now)


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError(f"{name} must be finite") from error
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite")
    if abs(number) > MAX_AMOUNT:
        raise ValueError(f"{name} must not be beyond {MAX_AMOUNT:,.0f}")
    return number


def _position(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_POSITION:
        raise ValueError(f"position must be a whole number from 1 to {MAX_POSITION}")
    return value


def _derived_id(event: Mapping[str, Any]) -> str:
    """sha256 over all values: the same row with the same time counts once."""
    text = "\x1f".join(str(event.get(name, "")) for name in sorted(set(FIELDS) - {"event_id"}))
    return hashlib.sha256(text.encode()).hexdigest()
