"""What an evaluation depends on: specification, placements, data and code."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.base.config import PROJECT_ROOT, Settings, stable_hash
from pipelines.base.errors import MissingSnapshotError
from pipelines.base.windows import Window
from pipelines.evaluate.source_files import files_in_turn, hash_files
from pipelines.features.snapshot import MANIFEST_FILE

if TYPE_CHECKING:
    from pipelines.models.candidates import Spec

#: The module that evaluates; its code and all code that it runs are part of the input hash.
EVALUATION = "pipelines.evaluate.evaluation"
#: Settings of a placement that decide which items its lists hold.
LIST_SETTINGS = (
    "exclude",
    "exclude_within_days",
    "show_items_without_feed",
    "max_per_category",
    "diversity",
    "rerank_depth",
    "pinned",
    "boosts",
    "eligible",
    "personalise_without_consent",
)


def planned_spec(settings: Settings, as_of: date, name: str) -> Spec:
    """A candidate's specification: from the night's `plan.json`, else as the night would plan it.

    Raises
    ------
    SettingsError
        If neither the plan nor the settings know the name.
    """
    from pipelines.models.candidates import Spec, candidate_spec

    for planned in planned_candidates(settings, as_of):
        if planned["name"] == name:
            keys = ("recommender", "params", "event_weights")
            return Spec.from_dict(name, {key: planned[key] for key in keys})
    return candidate_spec(settings, settings.candidate(name), as_of)


def planned_candidates(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Entries of the night's `plan.json`; empty if the night has no plan yet."""
    path = settings.run_folder(as_of).plan
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["candidates"]
    return entries


def competing_names(settings: Settings, placement: str) -> tuple[str, ...]:
    """Names of the candidates that compete in a placement, baselines and fallback included."""
    rules = settings.placements[placement]
    asked = {*settings.placement_candidates(placement), *rules.baselines, rules.fallback}
    return tuple(one.name for one in settings.candidates if one.name in asked)


def placements_of(settings: Settings, name: str) -> tuple[str, ...]:
    """Placements a candidate is evaluated for, in the order of the settings.

    Baselines and fallback of a placement are evaluated for it even if its `candidates` leave
    them out. A champion whose name is no longer in the settings is evaluated for all.
    """
    if name not in {candidate.name for candidate in settings.candidates}:
        return tuple(settings.placements)
    return tuple(one for one in settings.placements if name in competing_names(settings, one))


def input_hash(settings: Settings, as_of: date, spec: Spec, window: Window, placement: str) -> str:
    """Hash of everything that could change an evaluation; equal means it need not be repeated.

    Raises
    ------
    MissingSnapshotError
        If the night's snapshot is not there.
    """
    rules = settings.placements[placement]
    return stable_hash(
        {
            "spec": spec.as_dict(),
            "window": [window.name, window.start, window.end],
            "placement": rules.model_dump(mode="json", include=set(LIST_SETTINGS)),
            "evaluation": settings.evaluation.model_dump(mode="json", exclude={"memory_budget_gb"}),
            "exposures": settings.events.exposures,
            "snapshot": snapshot_hash(settings, as_of),
            "code": code_hash(),
        }
    )


def snapshot_hash(settings: Settings, as_of: date) -> str:
    """Content hash of the night's snapshot.

    Raises
    ------
    MissingSnapshotError
        If the night has no snapshot yet.
    """
    path = settings.run_folder(as_of).snapshot / MANIFEST_FILE
    if not path.exists():
        raise MissingSnapshotError(
            f"The night of {as_of} must have a snapshot before candidates are evaluated. "
            f"Found no {path}. Run `recsys features --as-of {as_of}`."
        )
    return str(json.loads(path.read_text(encoding="utf-8"))["content_hash"])


@cache
def code_hash(root: Path = PROJECT_ROOT) -> str:
    """Hash of the source files and library versions that determine lists and metrics.

    Files below `root` are read once per process: imported code does not change.
    """
    return hash_files(files_in_turn(EVALUATION, root), root)
