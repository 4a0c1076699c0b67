"""Point-in-time feature tables, and the frozen histories recommenders learn from.

In:    raw.events and raw.items of the warehouse.
Out:   staging.*, intermediate.* and features.* through dbt, and the run folder's snapshot.
Grain: one cutoff_date and user, item or pair; one row per user, item, event type and day.
Fails when: a dbt node fails, a source is stale, a critical check of the features fails, or a
    snapshot is asked for that was not taken.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.features.build import build_features, generate_docs
    from pipelines.features.interactions import Interactions
    from pipelines.features.profile import check_features
    from pipelines.features.read import (
        forget_histories,
        read_catalogue,
        read_interactions,
        read_manifest,
        read_truth,
        read_users,
    )
    from pipelines.features.snapshot import take_snapshot

__all__ = [
    "Interactions",
    "build_features",
    "check_features",
    "forget_histories",
    "generate_docs",
    "read_catalogue",
    "read_interactions",
    "read_manifest",
    "read_truth",
    "read_users",
    "take_snapshot",
]

#: Public name to the module that holds it, imported when it is first used.
_HOMES = {
    "Interactions": "interactions",
    "build_features": "build",
    "check_features": "profile",
    "forget_histories": "read",
    "generate_docs": "build",
    "read_catalogue": "read",
    "read_interactions": "read",
    "read_manifest": "read",
    "read_truth": "read",
    "read_users": "read",
    "take_snapshot": "snapshot",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
