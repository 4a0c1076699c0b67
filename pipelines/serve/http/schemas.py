"""OpenAPI schemas of requests and answers; answers themselves are written without them."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pipelines.serve.http.problems import MEDIA_TYPE
from pipelines.serve.log.event_rows import FEEDBACK, IDS, MAX_POSITION, REQUIRED
from pipelines.serve.log.limits import MAX_BODY_BYTES

#: Most rows of one request.
MAX_ROWS = 500


class _Schema(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Item(_Schema):
    """An item of a list."""

    item_id: str
    rank: int = Field(ge=1)
    score: float
    reason: str
    title: str | None


class Warned(_Schema):
    """Something that is not as it should be, though there is an answer."""

    code: str
    detail: str


class Assigned(_Schema):
    """The arm of an experiment that answered."""

    id: str
    variant: str
    bucket: int = Field(ge=0, lt=10_000)


class _Listed(_Schema):
    request_id: str
    placement: str
    items: list[Item]
    source: str = Field(description="personal, recent, similar, segment, popular or static")
    experiment: Assigned | None = Field(description="The user's arm; null outside experiments")
    model_version: str
    publication_id: str
    generated_at: str
    age_seconds: int
    stale: bool
    warnings: list[Warned]


class Recommendations(_Listed):
    """A user's list."""

    user_id: str


class Similar(_Listed):
    """Items like one."""

    item_id: str


class RowResult(_Schema):
    """What became of a row."""

    index: int
    status: str = Field(description="accepted, duplicate or rejected")
    event_id: str | None = None
    item_id: str | None = None
    reason: str | None = None


class Taken(_Schema):
    """What became of the rows of a request."""

    accepted: int
    duplicates: int
    rejected: int
    results: list[RowResult]


class ProblemPart(_Schema):
    """A wrong part of a request."""

    where: str
    detail: str


class Problem(_Schema):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemPart] = []


class State(_Schema):
    """Whether the process lives, or is ready."""

    status: str


EVENT = {
    "event_id": "2f1c…-click-1",
    "event_type": "click",
    "user_id": "17841",
    "item_id": "22086",
    "event_at": "2026-11-26T10:15:00Z",
    "request_id": "0b7e3b1c5f0e4d7e9f8a6b5c4d3e2f1a",
    "position": 3,
}
LIST_EXAMPLE: dict[str, Any] = {
    "request_id": "0b7e3b1c5f0e4d7e9f8a6b5c4d3e2f1a",
    "user_id": "17841",
    "placement": "discover",
    "items": [
        {
            "item_id": "22086",
            "rank": 1,
            "score": 0.82,
            "reason": "Often follows what you bought",
            "title": "PAPER CHAIN KIT 50'S CHRISTMAS",
        }
    ],
    "source": "personal",
    "experiment": None,
    "model_version": "item_transitions-7f3a@2011-12-09",
    "publication_id": "2011-12-09-0a1b2c3d",
    "generated_at": "2011-12-09T02:11:40.000000Z",
    "age_seconds": 5400,
    "stale": False,
    "warnings": [],
}
SIMILAR_EXAMPLE: dict[str, Any] = {
    **{name: value for name, value in LIST_EXAMPLE.items() if name != "user_id"},
    "item_id": "22423",
    "source": "similar",
}
_MEANINGS = {
    400: "the request is not HTTP/1.1 that can be read",
    401: "no accepted API key",
    404: "nothing at this path",
    405: "another method",
    413: f"a body of more than {MAX_BODY_BYTES:,} bytes",
    415: "a body that is not application/json",
    422: "a parameter or the body is wrong; `errors` says where",
    429: "too many requests; `Retry-After` says when",
    500: "an error in the API",
    503: "no verified publication yet, or rows cannot be written",
}


def responses(example: dict[str, Any] | None, *statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of a route's answers: its example, and errors as problem details."""
    found: dict[int | str, dict[str, Any]] = {}
    if example is not None:
        found[200] = {"content": {"application/json": {"example": example}}}
    for status in statuses:
        found[status] = {
            "description": _MEANINGS[status],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
    return found


def rows_body(name: str, row: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    """OpenAPI of a body ``{name: [row, …]}``."""
    schema = {
        "type": "object",
        "required": [name],
        "additionalProperties": False,
        "properties": {name: {"type": "array", "minItems": 1, "maxItems": MAX_ROWS, "items": row}},
    }
    content = {"application/json": {"schema": schema, "example": {name: [example]}}}
    return {"requestBody": {"required": True, "content": content}}


_ID = {"type": "string", "minLength": 1, "maxLength": 256}
EVENT_ROW: dict[str, Any] = {
    "type": "object",
    "required": list(REQUIRED),
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys((*IDS, *FEEDBACK), _ID),
        "event_at": {"type": "string", "format": "date-time"},
        "value": {"type": "number"},
        "price": {"type": "number", "minimum": 0},
        "position": {"type": "integer", "minimum": 1, "maximum": MAX_POSITION},
    },
}
STOCK_ROW: dict[str, Any] = {
    "type": "object",
    "required": ["item_id", "is_available"],
    "additionalProperties": False,
    "properties": {"item_id": _ID, "is_available": {"type": "boolean"}},
}
