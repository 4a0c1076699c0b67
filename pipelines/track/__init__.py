"""What was shown and what people did: effects of experiments with honest intervals.

In:    `metrics.met_experiment_users`, which dbt makes of exposures, clicks and purchases.
Out:   `serving.experiment_effects`, `serving.experiment_decisions`, a report for people.
Grain: one effect per as_of, experiment, arm, metric and population; one decision per arm.
Fails when: never for want of data; then a figure is None and says why.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {
    "analyse_experiment": "analysis",
    "measure_experiments": "measure",
    "plan_experiment": "plan",
}

__all__ = ["analyse_experiment", "measure_experiments", "plan_experiment"]


def __getattr__(name: str) -> Any:
    """Import a verb's module when the verb is used."""
    if name not in _VERBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
