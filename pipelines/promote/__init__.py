"""The night's plan, the choice of a challenger, the gate, the refit, and MLflow's registry.

In:    settings, snapshot, `candidates/<name>/<window>/<placement>/`, `serving.champions` before.
Out:   plan.json, `serving.{candidate_metrics,rule_prices,gate_decisions,champions}`, gate/, models.
Grain: one decision per `as_of` and placement; one row per rule and subject it looked at.
Fails when: no candidate could be evaluated, or a placement has neither champion nor baseline.
"""

from __future__ import annotations

import importlib
from typing import Any

_VERBS = {
    "plan_candidates": "plan",
    "select_challengers": "select",
    "decide_gates": "gate",
    "refit_placement": "refit",
    "promote_aliases": "registry",
}

__all__ = [
    "decide_gates",
    "plan_candidates",
    "promote_aliases",
    "refit_placement",
    "select_challengers",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_VERBS[name]}"), name)
