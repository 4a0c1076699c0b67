"""`recsys tune`: search a candidate's specification on windows before the gate window."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import SettingsError
from pipelines.base.settings_sections import CandidateSettings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import HeldOut
from pipelines.evaluate.inputs import code_hash, placements_of
from pipelines.models.candidates import Spec, candidate_spec
from pipelines.models.specifications import entry_at, read_entries, specifications_file
from pipelines.show.figures import format_figure, format_interval
from pipelines.tune.runs import log_trial, log_tuning
from pipelines.tune.search_space import check_space, suggest_spec
from pipelines.tune.search_windows import (
    TuningScore,
    difference_interval,
    read_windows,
    score_interval,
    score_spec,
    windows_hash,
)
from pipelines.tune.study import Budget, finished_trials, open_study, search

if TYPE_CHECKING:
    from optuna.study import Study

logger = logging.getLogger(__name__)

#: How a tuned specification replaces the one in use; printed with every result.
RULE = (
    "A tuned specification replaces the one in use if the lower bound of the paired difference on "
    "the tuning windows is above zero."
)


@dataclass(frozen=True)
class _Search:
    """Everything a search is given: candidate, night, placements, windows, specifications."""

    candidate: CandidateSettings
    as_of: date
    placements: tuple[str, ...]
    windows: Mapping[Window, HeldOut]
    base: Spec
    in_use: Spec
    study_name: str


def tune_candidate(
    settings: Settings,
    as_of: date,
    name: str,
    *,
    placement: str | None = None,
    trials: int | None = None,
    seconds: float | None = None,
    show: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Search for a better specification of a candidate; nights use it if it is shown to be better.

    Parameters
    ----------
    settings : Settings
        `tuning`, and the candidate's `search`.
    as_of : date
        The night from which the result holds; its snapshot must be there. Nothing that happened
        or landed in its gate window or later is looked at.
    name : str
        A candidate of the settings.
    placement : str, optional
        Tune for this placement only; default all placements the candidate competes in.
    trials : int, optional
        Number of trials in all, those of earlier runs of the same search included.
    seconds : float, optional
        No trial begins after this many seconds.
    show : callable, optional
        Receives a line for each trial.

    Returns
    -------
    dict
        What `tuning/<candidate>-<as_of>.json` holds: the best specification found, its score and
        those of the specification in the settings and of the one in use, paired differences,
        trials, and whether nights use it from `as_of` on.

    Raises
    ------
    SettingsError
        If the candidate, its search space or the placement is unknown.
    MissingSnapshotError
        If the night has no snapshot.
    MissingEvaluationError
        If a tuning window has nobody to score.
    """
    prepared = _prepare(settings, as_of, name, placement)
    rules = settings.tuning
    budget = Budget(trials or rules.trials, seconds or rules.seconds, rules.random_state)
    tell = show or (lambda line: logger.info("%s", line))
    with _opened(settings, prepared) as study:
        search(study, budget, lambda trial: _try(settings, prepared, trial, tell))
        found = _conclude(settings, prepared, study)
    _keep(settings, prepared, found)
    write_ordered_json(settings.tuning_folder / f"{name}-{as_of}.json", found)
    log_tuning(settings, as_of, found)
    tell(found["in_words"])
    return found


def _prepare(settings: Settings, as_of: date, name: str, placement: str | None) -> _Search:
    candidate = settings.candidate(name)
    check_space(candidate)
    competes = placements_of(settings, name)
    if placement is not None and placement not in competes:
        raise SettingsError(
            f"A candidate is tuned for a placement it competes in. Got {placement!r}. "
            f"{name!r} competes in: {', '.join(competes) or 'none'}."
        )
    placements = competes if placement is None else (placement,)
    windows = read_windows(settings, as_of)
    base = candidate_spec(settings, candidate)
    before = [one for one in read_entries(settings, name) if one["as_of"] < as_of.isoformat()]
    entry = entry_at(before, base.spec_hash, as_of) if candidate.tuned else None
    in_use = base if entry is None else Spec.from_dict(name, entry["spec"])
    inputs = {
        "base": base.as_dict(),
        "search": {key: one.model_dump(mode="json") for key, one in candidate.search.items()},
        "placements": [
            [one, settings.placements[one].model_dump(mode="json")] for one in placements
        ],
        "evaluation": settings.evaluation.model_dump(mode="json"),
        "random_state": settings.tuning.random_state,
        "windows": windows_hash(windows),
        "code": code_hash(),
    }
    study_name = f"{name}-{as_of}-{stable_hash(inputs)}"
    return _Search(candidate, as_of, placements, windows, base, in_use, study_name)


def _opened(settings: Settings, prepared: _Search) -> AbstractContextManager[Study]:
    path = settings.tuning_folder / f"{prepared.candidate.name}.db"
    path.parent.mkdir(parents=True, exist_ok=True)
    return open_study(path, prepared.study_name)


def _try(settings: Settings, prepared: _Search, trial: Any, tell: Callable[[str], None]) -> float:
    """Score the specification a trial suggests; one tried before is not fitted again."""
    spec = suggest_spec(trial, prepared.base, prepared.candidate.search)
    trial.set_user_attr("spec", spec.as_dict())
    same = [
        one
        for one in finished_trials(trial.study)
        if one.value is not None and one.user_attrs["spec"] == spec.as_dict()
    ]
    started = time.monotonic()
    if same:
        cells = same[0].user_attrs["cells"]
        value = float(same[0].value or 0.0)
    else:
        score = score_spec(settings, spec, prepared.windows, prepared.placements)
        cells, value = score.by_cell(), score.value
    trial.set_user_attr("cells", cells)
    tell(
        f"[{trial.number + 1}] NDCG@{settings.evaluation.k} {format_figure(value)} "
        f"{_changed(prepared.base, spec)} ({time.monotonic() - started:.1f} s)"
    )
    log_trial(
        *(settings, prepared.as_of, prepared.study_name),
        number=trial.number,
        spec=spec,
        value=value,
        cells=cells,
    )
    return value


def _changed(base: Spec, spec: Spec) -> str:
    """Parameters and event weights in which a specification differs from its base, as JSON."""
    params = {key: value for key, value in spec.params.items() if base.params.get(key, "") != value}
    weights = {
        f"event_weights.{key}": value
        for key, value in spec.event_weights.items()
        if base.event_weights.get(key) != value
    }
    return json.dumps({**params, **weights}) if params or weights else "as in the settings"


def _conclude(settings: Settings, prepared: _Search, study: Study) -> dict[str, Any]:
    """Compare the best trial with the settings' specification and with the one in use."""
    trials = finished_trials(study)
    sound = [one for one in trials if one.value is not None]
    if not sound:
        raise SettingsError(
            f"At least one trial must succeed. All {len(trials)} of {prepared.candidate.name!r} "
            "failed. Read the log, and narrow its `search`."
        )
    best = min(sound, key=lambda one: (-float(one.value or 0.0), one.number))
    spec = Spec.from_dict(prepared.candidate.name, best.user_attrs["spec"])
    scores = {
        key: score_spec(settings, one, prepared.windows, prepared.placements)
        for key, one in (("tuned", spec), ("settings", prepared.base), ("in_use", prepared.in_use))
    }
    return _described(settings, prepared, spec, scores, trial_count=len(trials))


def _described(
    settings: Settings,
    prepared: _Search,
    spec: Spec,
    scores: Mapping[str, TuningScore],
    *,
    trial_count: int,
) -> dict[str, Any]:
    level = settings.evaluation.confidence
    differences = {
        key: asdict(difference_interval(scores["tuned"], scores[key], level))
        for key in ("settings", "in_use")
    }
    low = differences["in_use"]["low"]
    found = {
        "candidate": prepared.candidate.name,
        "as_of": prepared.as_of.isoformat(),
        "is_better": low is not None and low > 0,
        "spec": spec.as_dict(),
        "spec_hash": spec.spec_hash,
        "base_spec_hash": prepared.base.spec_hash,
        "in_use_spec_hash": prepared.in_use.spec_hash,
        "placements": list(prepared.placements),
        "windows": [[one.start.isoformat(), one.end.isoformat()] for one in prepared.windows],
        "k": settings.evaluation.k,
        "confidence": level,
        "scores": {key: asdict(score_interval(one, level)) for key, one in scores.items()},
        "cells": {key: one.by_cell() for key, one in scores.items()},
        "differences": differences,
        "trial_count": trial_count,
        "study": prepared.study_name,
        "rule": RULE,
    }
    return {**found, "in_words": _in_words(found, _changed(prepared.base, spec))}


def _in_words(found: Mapping[str, Any], changed: str) -> str:
    one = found["differences"]["in_use"]
    gain = format_interval(one["value"], one["low"], one["high"], signed=True)
    score = format_figure(found["scores"]["tuned"]["value"])
    outcome = (
        f"nights from {found['as_of']} on use it"
        if found["is_better"]
        else "the one in use stays, because it is not shown to be better"
    )
    return (
        f"{found['candidate']}: best of {found['trial_count']} trials is {changed}, "
        f"NDCG@{found['k']} {score} on {len(found['windows'])} "
        f"windows before the gate window, {gain} against the one in use; "
        f"{outcome}. {found['rule']}"
    )


def _keep(settings: Settings, prepared: _Search, found: Mapping[str, Any]) -> None:
    """Write the candidate's tuned entries; this one replaces an earlier one of the same night."""
    name = prepared.candidate.name
    entries = read_entries(settings, name)
    others = [entry for entry in entries if entry["as_of"] != found["as_of"]]
    if found["is_better"]:
        others.append({key: value for key, value in found.items() if key not in ("rule", "cells")})
    if others != entries:
        others.sort(key=lambda entry: str(entry["as_of"]))
        write_ordered_json(
            specifications_file(settings, name), {"candidate": name, "entries": others}
        )
