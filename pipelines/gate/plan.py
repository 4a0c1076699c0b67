"""The night's plan: which candidates are fitted and compared."""

from __future__ import annotations

import json
import logging
from datetime import date
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import NoCandidateError
from pipelines.base.tracking import start_night
from pipelines.evaluate.inputs import competing_names
from pipelines.gate.champions import Champion, read_champions
from pipelines.models.candidates import candidate_spec

logger = logging.getLogger(__name__)

#: Suffix of a champion's name where the settings use the name for another specification.
CHAMPION_SUFFIX = "_champion"


def plan_candidates(settings: Settings, as_of: date) -> list[str]:
    """Write `plan.json`, open the night's run in MLflow, and name the candidates to evaluate.

    The candidates are those of the settings that compete in at least one placement, and the
    champions that are no longer among them: a champion is a specification, and stays champion
    when it is changed in the settings or removed from them.

    Returns
    -------
    list of str
        Names, in the order of the settings, then champions by placement.

    Raises
    ------
    NoCandidateError
        If no candidate competes anywhere.
    """
    planned = _settings_candidates(settings, as_of)
    if not planned:
        raise NoCandidateError(
            "At least one candidate must compete in a placement. Found none in the settings. "
            "Add a [[candidates]] entry and a [placements.<name>] section."
        )
    for placement, champion in read_champions(settings, as_of).items():
        if placement in settings.placements:
            _add_champion(settings, planned, placement, champion)
    write_ordered_json(settings.run_folder(as_of).plan, {"candidates": list(planned.values())})
    start_night(settings, as_of, {"candidates": str(len(planned))})
    logger.info("%s candidates: %s", len(planned), ", ".join(planned))
    return list(planned)


def champion_entry(
    settings: Settings, planned: dict[str, dict[str, Any]], placement: str, champion: Champion
) -> str | None:
    """Name under which a champion is evaluated for its placement tonight.

    `planned` holds the entries of `plan.json` by name. None if no planned candidate has its
    specification and is evaluated for the placement.
    """
    known = {one.name for one in settings.candidates}
    evaluated = (*competing_names(settings, placement), *(set(planned) - known))
    same = [
        name
        for name in evaluated
        if name in planned and planned[name]["spec_hash"] == champion.spec_hash
    ]
    return champion.name if champion.name in same else min(same, default=None)


def _settings_candidates(settings: Settings, as_of: date) -> dict[str, dict[str, Any]]:
    """Entries of the settings' candidates by name, in their order, as tuned before the night."""
    asked = {name for one in settings.placements for name in competing_names(settings, one)}
    planned = {}
    for candidate in settings.candidates:
        if candidate.name in asked:
            spec = candidate_spec(settings, candidate, as_of)
            is_tuned = spec != candidate_spec(settings, candidate)
            if is_tuned:
                logger.info("%s: tuned, %s", spec.name, json.dumps(spec.as_dict()))
            planned[candidate.name] = {
                "name": candidate.name,
                **spec.as_dict(),
                "spec_hash": spec.spec_hash,
                "is_tuned": is_tuned,
            }
    return planned


def _add_champion(
    settings: Settings, planned: dict[str, dict[str, Any]], placement: str, champion: Champion
) -> None:
    """Add a champion to the plan unless a planned candidate has its specification."""
    if champion_entry(settings, planned, placement, champion) is not None:
        return
    name = _free_name(settings, planned, champion)
    logger.info(
        "%s: champion %s (%s) is not a candidate of the settings any more; it is planned as %s",
        *(placement, champion.name, champion.spec_hash, name),
    )
    planned[name] = {"name": name, **champion.spec, "spec_hash": champion.spec_hash}


def _free_name(settings: Settings, planned: dict[str, dict[str, Any]], champion: Champion) -> str:
    taken = {one.name for one in settings.candidates} | set(planned)
    wished = (champion.name, champion.name + CHAMPION_SUFFIX)
    for name in wished:
        if name not in taken:
            return name
    return f"{champion.name}{CHAMPION_SUFFIX}_{champion.spec_hash}"
