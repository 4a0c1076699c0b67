"""Errors as RFC 9457 problem details, whoever raises them."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from pipelines.base.errors import RequestRefusedError

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_DETAILS = {
    404: "There is nothing at this path. /openapi.json lists what there is.",
    405: "This path has other methods. /openapi.json lists them.",
    500: "The request could not be answered because of an error in the API. Its log says more.",
}


def problem(
    status: int,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: Iterable[Mapping[str, str]] = (),
) -> Response:
    """A response with problem details.

    Parameters
    ----------
    status : int
    detail : str
    headers : mapping of str to str, optional
    errors : iterable of mapping
        One entry per wrong part: ``where`` and ``detail``.
    """
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        body["errors"] = list(errors)
    content = json.dumps(body).encode()
    return Response(content, status, dict(headers or {}), MEDIA_TYPE)


def refused(error: RequestRefusedError) -> Response:
    """The answer to a request that is refused."""
    return problem(error.status, error.detail, headers=error.headers, errors=error.errors)


def handle_problems(app: FastAPI) -> None:
    """Make an app answer every error with problem details."""
    for kind in (RequestRefusedError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _on_error)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestRefusedError):
        return refused(error)
    if isinstance(error, RequestValidationError):
        errors = [
            {"where": ".".join(map(str, one["loc"])), "detail": str(one["msg"])}
            for one in error.errors()
        ]
        detail = "Every parameter must be of its kind and in its range. See `errors`."
        return problem(422, detail, errors=errors)
    if isinstance(error, HTTPException):
        detail = _DETAILS.get(error.status_code, str(error.detail))
        return problem(error.status_code, detail, headers=error.headers)
    route = getattr(request.scope.get("route"), "path_format", "unmatched")
    logger.error("an error in %s; its traceback follows", route)
    return problem(500, _DETAILS[500])
