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
    app.add_exception_handler(RequestRefusedError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    app.add_exception_handler(Exception, _on_error)


async def _on_refusal(_request: Request, error: Exception) -> Response:
    return refused(error) if isinstance(error, RequestRefusedError) else problem(500, _DETAILS[500])


async def _on_invalid(_request: Request, error: Exception) -> Response:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    errors = [{"where": ".".join(map(str, one["loc"])), "detail": str(one["msg"])} for one in found]
    return problem(
        422, "Every parameter must be of its kind and in its range. See `errors`.", errors=errors
    )


async def _on_http_error(_request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return problem(500, _DETAILS[500])
    detail = _DETAILS.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


async def _on_error(request: Request, _error: Exception) -> Response:
    route = getattr(request.scope.get("route"), "path_format", "unmatched")
    logger.error("an error in %s; its traceback follows", route)
    return problem(500, _DETAILS[500])
