"""Answers over HTTP from the live publication, and the log of what was shown and done.

In:    publications/ (PIN.json, CURRENT.json, lists.sqlite), requests.
Out:   answers; exposures/date=YYYY-MM-DD/{served,events,items}-<instance>.jsonl.
Grain: one line per answer, per accepted event, per accepted change of availability.
Fails when: it would be open to other machines without keys; the port is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.serve.app import create_app

__all__ = ["create_app"]


def __getattr__(name: str) -> Any:
    if name != "create_app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from pipelines.serve.app import create_app

    return create_app
