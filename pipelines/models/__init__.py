"""Recommenders that learn from histories and rank items for them.

In: `Interactions` and the catalogue as of one cutoff.
Out: fitted recommenders, `TopN` lists, saved recommenders (`arrays.npz`, `recommender.json`).
Grain: one list per user of the history; one folder per saved recommender.
Fails when: a specification or parameter is unknown, a history has no items, a score is NaN.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipelines.models.base import Exclusion, Recommender, TopN
    from pipelines.models.candidates import (
        RECOMMENDERS,
        Spec,
        candidate_spec,
        fit_candidate,
        make_recommender,
    )
    from pipelines.models.exclusion import placement_exclusion
    from pipelines.models.store import load_recommender, save_recommender

_MODULE_OF = {
    "Exclusion": "base",
    "Recommender": "base",
    "TopN": "base",
    "RECOMMENDERS": "candidates",
    "Spec": "candidates",
    "candidate_spec": "candidates",
    "fit_candidate": "candidates",
    "make_recommender": "candidates",
    "placement_exclusion": "exclusion",
    "load_recommender": "store",
    "save_recommender": "store",
}

__all__ = [
    "RECOMMENDERS",
    "Exclusion",
    "Recommender",
    "Spec",
    "TopN",
    "candidate_spec",
    "fit_candidate",
    "load_recommender",
    "make_recommender",
    "placement_exclusion",
    "save_recommender",
]


def __getattr__(name: str) -> Any:
    """Import scikit-learn, scipy and faiss only when a recommender is asked for."""
    if name in _MODULE_OF:
        return getattr(import_module(f"pipelines.models.{_MODULE_OF[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
