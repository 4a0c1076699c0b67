"""A world with known truth: people with tastes, who see lists, click, and buy days later.

In:    a publication, through the API or the service behind it.
Out:   day files of a past, then exposures and events as an API logs them; the truth beside them.
Grain: one visit per user and day at most; one answer per visit.
Fails when: the home holds another shop, or the API does not answer.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {"simulate_day": "days", "simulate_shop": "loop"}

__all__ = ["simulate_day", "simulate_shop"]


def __getattr__(name: str) -> Any:
    """Import a verb's module when the verb is used."""
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
