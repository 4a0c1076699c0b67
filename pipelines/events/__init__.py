"""Day files into the raw tables.

In: `landing/{events,items}/date=YYYY-MM-DD/*.{parquet,csv,jsonl}`, written by anyone, by `land` or
    by `generate`, and the API's logs, `exposures/date=YYYY-MM-DD/*.jsonl`.
Out: `raw.events`, `raw.items`, `raw.quarantine`, `raw.loads`, `load.json`, `check_events.json`.
Grain: one row per event_id (or item_id and valid_from) and landed_date; a day is replaced whole.
Fails when: a column is missing or retyped, too many rows are bad, or a critical check fails.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.events.check import check_events
    from pipelines.events.landing import land
    from pipelines.events.load import load_days
    from pipelines.events.quarantine import list_quarantine, release_quarantine
    from pipelines.events.synthetic_log import generate

_HOMES = {
    "generate": "synthetic_log",
    "land": "landing",
    "load_days": "load",
    "check_events": "check",
    "list_quarantine": "quarantine",
    "release_quarantine": "quarantine",
}
__all__ = [
    "check_events",
    "generate",
    "land",
    "list_quarantine",
    "load_days",
    "release_quarantine",
]


def __getattr__(name: str) -> Any:
    """Import a verb when it is asked for: the package itself loads no database."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
