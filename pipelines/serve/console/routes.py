"""`add_console`: the routes of the console."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import date
from functools import partial

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from pipelines.base.config import Settings
from pipelines.base.current import find_current
from pipelines.base.errors import (
    PipelineError,
    PublicationNotFoundError,
    UnknownItemError,
    UnknownNightError,
    UnknownUserError,
)
from pipelines.serve.console.data import (
    data_page,
    night_file,
    report_files,
    reports_page,
)
from pipelines.serve.console.frame import POLICY, ROOMS, STYLE, Page, render
from pipelines.serve.console.items import items_page
from pipelines.serve.console.lists import lists_page
from pipelines.serve.console.nights import night_page, tonight
from pipelines.serve.console.people import people_page
from pipelines.show.document import Heading, Paragraph

#: Files that a night or a command wrote hold their own style and pictures, and no script.
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
PEOPLE = "/console/people"
_STATUSES: dict[type[Exception], int] = {
    PublicationNotFoundError: 503,
    UnknownItemError: 404,
    UnknownNightError: 404,
    UnknownUserError: 404,
    ValueError: 422,
}


def add_console(app: FastAPI, settings: Settings) -> None:
    """Add the pages of `settings.console` to an app; none if it is switched off."""
    if not settings.console.enabled:
        return
    rooms = set(ROOMS) if settings.console.people else set(ROOMS) - {PEOPLE}
    pages = {path: make for path, make in _PAGES.items() if path != PEOPLE or path in rooms}
    for path, make in pages.items():
        app.add_route(path, partial(_show, settings, rooms, make), include_in_schema=False)
    for path, read in _FILES.items():
        app.add_route(path, partial(_send, settings, rooms, read), include_in_schema=False)
    app.add_route("/console/style.css", _style, include_in_schema=False)


def _report(settings: Settings, request: Request) -> str:
    name = request.path_params["name"]
    path = report_files(settings).get(name)
    if path is None:
        raise UnknownNightError(f"A report must be among those of Reports. Found no {name[:80]!r}.")
    return path.read_text(encoding="utf-8")


def _night_file(settings: Settings, request: Request) -> str:
    return night_file(settings, _day(request), request.path_params["name"])


_PAGES: dict[str, Callable[[Settings, Request], Page]] = {
    "/console": lambda settings, _: tonight(settings),
    "/console/nights/{night}": lambda settings, request: night_page(settings, _day(request)),
    PEOPLE: lambda settings, request: people_page(settings, request.query_params.get("user", "")),
    "/console/items": lambda settings, request: items_page(
        settings, request.query_params.get("item", ""), request.query_params.get("words", "")
    ),
    "/console/lists": lambda settings, _: lists_page(settings),
    "/console/data": lambda settings, _: data_page(settings),
    "/console/reports": lambda settings, _: reports_page(settings),
}
_FILES: dict[str, Callable[[Settings, Request], str]] = {
    "/console/nights/{night}/{name}": _night_file,
    "/console/reports/{name:path}": _report,
}


def _show(
    settings: Settings,
    rooms: set[str],
    make: Callable[[Settings, Request], Page],
    request: Request,
) -> Response:
    """A page; or one that says why there is none, and what to do."""
    status = 200
    try:
        page = make(settings, request)
    except (PipelineError, ValueError) as error:
        status = next((code for kind, code in _STATUSES.items() if isinstance(error, kind)), 500)
        page = Page([Heading("This cannot be shown", 1), Paragraph(str(error))])
    text = render(page, request.url.path, find_current(settings), rooms=rooms)
    return HTMLResponse(text, status, _headers(POLICY))


def _send(
    settings: Settings,
    rooms: set[str],
    read: Callable[[Settings, Request], str],
    request: Request,
) -> Response:
    """A page that a night or a command wrote, as it is."""
    try:
        return HTMLResponse(read(settings, request), headers=_headers(FILE_POLICY))
    except PipelineError as error:
        return _show(settings, rooms, partial(_refuse, error), request)


def _refuse(error: Exception, *_: object) -> Page:
    raise error


def _style(_: Request) -> Response:
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=300"})


def _day(request: Request) -> date:
    text = request.path_params["night"]
    with suppress(ValueError):
        return date.fromisoformat(text)
    raise UnknownNightError(f"A night must be a day like 2024-03-11. Found {text[:40]!r}.")


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-store",
    }
