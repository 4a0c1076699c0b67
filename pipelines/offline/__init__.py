"""Compare candidates on days they did not see.

In: the night's snapshot and plan, and the recommenders of `pipelines.models`.
Out: per-user metrics and means with intervals in the run folder; runs and plots in MLflow.
Grain: one evaluation per candidate, window and placement; within it one row per user_id.
Fails when: the snapshot is missing or a candidate is unknown; never because MLflow is down.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {
    "draw_plots": "plots",
    "end_night": "tracking",
    "evaluate_candidate": "evaluate",
    "log_plots": "tracking",
    "read_evaluation": "results",
    "start_night": "tracking",
    "tune_candidate": "tune",
}

__all__ = [
    "draw_plots",
    "end_night",
    "evaluate_candidate",
    "log_plots",
    "read_evaluation",
    "start_night",
    "tune_candidate",
]


def __getattr__(name: str) -> Any:
    """Import a verb's module when the verb is first used: importing the stage stays cheap."""
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
