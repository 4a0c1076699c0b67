"""Parameters and bodies of requests, checked at the edge."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from pipelines.base.errors import RequestRefusedError
from pipelines.base.ids import clean_id
from pipelines.serve.http.schemas import MAX_ROWS

#: Most ids in one parameter.
MAX_IDS = 500
#: Most attributes of a user in one request, and their largest number.
MAX_ATTRIBUTES, MAX_NUMBER = 50, 1e15


def read_id(where: str, text: str) -> str:
    """Check an id of a path or query.

    Raises
    ------
    RequestRefusedError
        422 with what is wrong with it.
    """
    try:
        return clean_id(text)
    except ValueError as error:
        raise refuse(where, str(error)) from error


def read_optional_id(where: str, text: str | None) -> str | None:
    """Check an id that may be left out."""
    return None if text is None else read_id(where, text)


def read_ids(where: str, text: str | None) -> tuple[str, ...]:
    """Split ids separated by commas, and keep each once.

    Raises
    ------
    RequestRefusedError
        422 if one is no id, or there are more than `MAX_IDS`.
    """
    if not text:
        return ()
    parts = text.split(",")
    if len(parts) > MAX_IDS:
        raise refuse(where, f"must hold at most {MAX_IDS} ids, holds {len(parts)}")
    return tuple(dict.fromkeys(read_id(where, part) for part in parts))


def read_attributes(text: str | None) -> dict[str, str | float | bool]:
    """Read what a request says of its user: a JSON object of texts, numbers, true and false.

    Raises
    ------
    RequestRefusedError
        422 if it is of another form, names more than `MAX_ATTRIBUTES`, or has a text that is too
        long.
    """
    if text is None:
        return {}
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refuse("attributes", 'must be a JSON object such as {"age": 34}') from error
    if not isinstance(value, dict) or len(value) > MAX_ATTRIBUTES:
        raise refuse("attributes", f"must be an object of at most {MAX_ATTRIBUTES} attributes")
    found: dict[str, str | float | bool] = {}
    for name, one in value.items():
        if isinstance(one, str):
            found[name] = _as_text(name, one)
        elif isinstance(one, bool | int | float):
            found[name] = _as_number(name, one)
        elif one is not None:
            raise refuse(f"attributes.{name}", "must be a text, a number, true, false or null")
    return found


def _as_text(name: str, value: str) -> str:
    try:
        return clean_id(value)
    except ValueError as error:
        raise refuse(f"attributes.{name}", str(error)) from error


def _as_number(name: str, value: float) -> float | bool:
    if isinstance(value, bool):
        return value
    if abs(value) > MAX_NUMBER:  # also what JSON cannot write, such as 1e999
        raise refuse(f"attributes.{name}", f"must be a number of at most {MAX_NUMBER:g}")
    return float(value)


async def read_rows(request: Request, name: str) -> list[Any]:
    """Read the rows of a body ``{name: [row, …]}``.

    Raises
    ------
    RequestRefusedError
        415 if it is not sent as JSON, 413 if it is too long, 400 if it does not come whole, 422 if
        it is not of this form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RequestRefusedError(
            415, "A body must be sent with Content-Type: application/json. This one was not."
        )
    try:
        body = await request.body()
    except ClientDisconnect as error:
        raise RequestRefusedError(400, "A body must come whole. This one ended before.") from error
    try:
        value = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise refuse("body", "must be JSON") from error
    rows = value.get(name) if isinstance(value, dict) and set(value) == {name} else None
    if not isinstance(rows, list):
        raise refuse("body", f'must be an object {{"{name}": [...]}}')
    if not 1 <= len(rows) <= MAX_ROWS:
        raise refuse(f"body.{name}", f"must hold 1 to {MAX_ROWS} rows, holds {len(rows)}")
    return rows


def _refuse_constant(word: str) -> float:
    raise ValueError(f"{word} is not JSON")


def refuse(where: str, detail: str) -> RequestRefusedError:
    """A 422 for one wrong part of a request."""
    return RequestRefusedError(
        422, f"{where} {detail}.", errors=[{"where": where, "detail": detail}]
    )
