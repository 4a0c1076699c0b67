"""`create_app`: the routes of the API and their documentation."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.responses import Response
from starlette.convertors import Convertor, register_url_convertor

from pipelines.base.config import Settings
from pipelines.base.errors import RequestRefusedError
from pipelines.serve.answer import answers
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.console.routes import add_console
from pipelines.serve.http import schemas
from pipelines.serve.http.auth import KeyRing, read_keys
from pipelines.serve.http.guard import Guard
from pipelines.serve.http.problems import handle_problems
from pipelines.serve.http.requests import (
    read_attributes,
    read_id,
    read_ids,
    read_optional_id,
    read_rows,
)
from pipelines.serve.log.clock import Clock, utc_now
from pipelines.serve.log.limits import RateLimiter
from pipelines.serve.runtime import Runtime

JSON = "application/json"


class _IdConvertor(Convertor[str]):
    """Any text in a path, slashes and line ends too, so that a bad id is a 422 and not a 404."""

    regex = "(?s:.*)"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("id", _IdConvertor())
#: Error statuses that any route under /v1 may answer with.
_EVERYWHERE = (400, 401, 404, 405, 413, 422, 429, 500, 503)
#: Example lists by route; FastAPI would leave out their nulls.
_EXAMPLES = {
    "/v1/recommendations/{user_id}": schemas.LIST_EXAMPLE,
    "/v1/items/{item_id}/similar": schemas.SIMILAR_EXAMPLE,
}
_Count = Annotated[int, Query(ge=1, le=100, description="Items wanted.")]
_Strict = Annotated[bool, Query(description="Rather a short list than one that is completed.")]
_Attributes = Annotated[
    str | None,
    Query(
        max_length=4096,
        examples=['{"country": "DE", "age": 34}'],
        description="JSON object: attributes of a user whom the publication does not know.",
    ),
]


def create_app(
    settings: Settings,
    *,
    clock: Clock = utc_now,
    n_workers: int = 1,
    keys: KeyRing | None = None,
) -> FastAPI:
    """The API over a home's live publication.

    Parameters
    ----------
    settings : Settings
    clock : Clock
        What time it is.
    n_workers : int, default 1
        Processes that answer at the same address; each allows its share of the rates.
    keys : KeyRing, optional
        The accepted keys; default those of the settings.

    Returns
    -------
    FastAPI
        An ASGI app. Publications, logs and threads are opened when it starts, not here.

    Raises
    ------
    SettingsError
        If `serve.keys_file` is named but holds no keys.
    """
    metrics = ServeMetrics()
    keys = keys or read_keys(settings)
    serve = settings.serve

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runtime = Runtime(settings, metrics, clock, keys)
        runtime.start()
        app.state.runtime = runtime
        yield
        runtime.stop()

    app = FastAPI(
        title="recsys",
        version="1",
        summary="Lists of the live publication, filtered by what happened since.",
        lifespan=lifespan,
        docs_url=None,  # its page loads scripts from another site
        redoc_url=None,
        redirect_slashes=False,
        responses=schemas.responses(None, *_EVERYWHERE),
    )
    app.state.metrics = metrics
    _add_lists(app)
    _add_rows(app)
    _add_state(app, metrics)
    add_console(app, settings)
    handle_problems(app)
    burst = max(1, serve.burst // n_workers)
    limiter = RateLimiter(serve.requests_per_second / n_workers, burst, serve.max_clients)
    app.add_middleware(Guard, keys=keys, limiter=limiter, metrics=metrics)
    _describe(app, needs_key=not keys.is_open)
    return app


def _add_lists(app: FastAPI) -> None:
    @app.get(
        "/v1/recommendations/{user_id:id}",
        response_model=schemas.Recommendations,
        tags=["lists"],
    )
    async def recommendations(  # noqa: PLR0917 - one parameter per part of the question
        request: Request,
        user_id: Annotated[str, Path(examples=["17841"], max_length=1024)],
        n: _Count = 10,
        placement: Annotated[str | None, Query(examples=["discover"])] = None,
        recent: Annotated[str | None, Query(examples=["22086,22423"])] = None,
        exclude: Annotated[str | None, Query(examples=["85123A"])] = None,
        category: str | None = None,
        strict: _Strict = False,
        dry_run: Annotated[bool, Query(description="The answer is shown to nobody.")] = False,
        experiment: str | None = None,
        attributes: _Attributes = None,
    ) -> Response:
        """Items for a user, known or not; `source` says where they are from."""
        query = answers.Query(
            user_id=read_id("user_id", user_id),
            n=n,
            placement=read_optional_id("placement", placement),
            recent=read_ids("recent", recent),
            exclude=read_ids("exclude", exclude),
            category=read_optional_id("category", category),
            is_strict=strict,
            is_dry_run=dry_run,
            experiment=read_optional_id("experiment", experiment),
            attributes=read_attributes(attributes),
        )
        answer = _runtime(request).service.recommend(query)
        return _json(answer.as_dict({"user_id": query.user_id}))

    @app.get(
        "/v1/items/{item_id:id}/similar",
        response_model=schemas.Similar,
        tags=["lists"],
    )
    async def similar(
        request: Request,
        item_id: Annotated[str, Path(examples=["22423"], max_length=1024)],
        n: _Count = 10,
        strict: _Strict = False,
        attributes: _Attributes = None,
    ) -> Response:
        """Items like one; without such, the list for anyone of its category, with a warning."""
        subject = read_id("item_id", item_id)
        answer = _runtime(request).service.similar(
            subject, n, is_strict=strict, attributes=read_attributes(attributes)
        )
        return _json(answer.as_dict({"item_id": subject}))


def _add_rows(app: FastAPI) -> None:
    taken = {
        "accepted": 1,
        "duplicates": 0,
        "rejected": 0,
        "results": [{"index": 0, "status": "accepted", "event_id": schemas.EVENT["event_id"]}],
    }

    @app.post(
        "/v1/events",
        response_model=schemas.Taken,
        responses=schemas.responses(taken, 415),
        openapi_extra=schemas.rows_body("events", schemas.EVENT_ROW, schemas.EVENT),
        tags=["rows"],
    )
    async def events(request: Request) -> Response:
        """Take what people did: written before it is acknowledged, in the lists at once."""
        rows = await read_rows(request, "events")
        return _json(_taken(_runtime(request).service.take_events(rows)))

    stock = {"item_id": "22086", "is_available": False}
    changed = {**taken, "results": [{"index": 0, "status": "accepted", "item_id": "22086"}]}

    @app.post(
        "/v1/items/availability",
        response_model=schemas.Taken,
        responses=schemas.responses(changed, 415),
        openapi_extra=schemas.rows_body("items", schemas.STOCK_ROW, stock),
        tags=["rows"],
    )
    async def availability(request: Request) -> Response:
        """Take what is in stock and what is not; what is not is shown to nobody from now on."""
        rows = await read_rows(request, "items")
        return _json(_taken(_runtime(request).service.take_stock(rows)))


def _add_state(app: FastAPI, metrics: ServeMetrics) -> None:
    @app.get("/healthz", response_model=schemas.State, tags=["state"])
    async def healthz() -> Response:
        """Whether the process answers."""
        return _json({"status": "ok"})

    @app.get("/readyz", response_model=schemas.State, tags=["state"])
    async def readyz(request: Request) -> Response:
        """Whether a verified publication is live; 503 until then."""
        if not _runtime(request).is_ready:
            raise RequestRefusedError(503, "A verified publication must be live. There is none.")
        return _json({"status": "ready"})

    @app.get(
        "/metrics",
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        response_class=Response,
        tags=["state"],
    )
    async def show_metrics() -> Response:
        """Counters and gauges of this process, for Prometheus."""
        return Response(metrics.render(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _json(value: dict[str, Any]) -> Response:
    content = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(content.encode(), media_type=JSON)


def _taken(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    counts = {
        name: sum(result["status"] == status for result in results)
        for name, status in (
            ("accepted", "accepted"),
            ("duplicates", "duplicate"),
            ("rejected", "rejected"),
        )
    }
    return {**counts, "results": results}


def _describe(app: FastAPI, *, needs_key: bool) -> None:
    """Complete what FastAPI knows of the API: the schema of problems, and the keys."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        for path, example in _EXAMPLES.items():
            answer = document["paths"][path]["get"]["responses"]["200"]
            answer["content"][JSON]["example"] = example
        parts = document.setdefault("components", {})
        problem = schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        parts["schemas"].update(problem.pop("$defs"))
        parts["schemas"]["Problem"] = problem
        if needs_key:
            parts["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            document["security"] = [{"bearer": []}, {"header": []}]
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's own way to extend it
