"""Lists for every user, their audit, and their publication.

In:    models/<placement>/<role>, the night's snapshot, the publications already there.
Out:   publications/<id>/, CURRENT.json, PIN.json, `serving.recommendations`, the night's report.
Grain: one row per placement, variant, user_id and rank; one publication per `as_of`.
Fails when: a list breaks a rule of the audit, or another publisher holds the lock.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {
    "generate_lists": "lists",
    "generate_similar": "similar_items",
    "audit_lists": "audit",
    "publish": "publication",
    "push_postgres": "postgres",
    "read_current": "current",
    "pin": "live",
    "rollback": "live",
    "unpin": "live",
    "query_user": "query",
    "run_sql": "query",
    "explain_user": "why",
    "report_night": "report",
    "replay_later_nights": "replay",
}

__all__ = [
    "audit_lists",
    "explain_user",
    "generate_lists",
    "generate_similar",
    "pin",
    "publish",
    "push_postgres",
    "query_user",
    "read_current",
    "replay_later_nights",
    "report_night",
    "rollback",
    "run_sql",
    "unpin",
]


def __getattr__(name: str) -> Any:
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
