"""Start, stop and list the experiments of a home."""

from __future__ import annotations

import logging
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path

from pydantic import ValidationError

from pipelines.base.assignment import check_experiment_id
from pipelines.base.config import Settings, explain_validation
from pipelines.base.durable import read_if_there, read_json, write_json
from pipelines.base.errors import ExperimentError
from pipelines.experiments.definition import Experiment, ExperimentDefinition, definition_hash

logger = logging.getLogger(__name__)

#: Begins the reason of an experiment that was ended by its own rule.
ROLLED_BACK = "rolled back"


def read_definition(settings: Settings, experiment_id: str) -> ExperimentDefinition:
    """Read and validate `experiments/<id>.toml`.

    Raises
    ------
    ExperimentError
        If the file is missing, not TOML, or says something that cannot be run here.
    """
    path = settings.experiments_folder / f"{check_experiment_id(experiment_id)}.toml"
    try:
        definition = ExperimentDefinition.model_validate(
            tomllib.loads(path.read_text(encoding="utf-8"))
        )
    except FileNotFoundError as error:
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.toml"))) or "none"
        raise ExperimentError(
            f"An experiment must be a file in {path.parent}. Found no {path.name}. Known: {known}."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path} must be TOML. Found: {error}.") from error
    except ValidationError as error:
        found = explain_validation(error)
        raise ExperimentError(
            f"{path} must be a valid experiment. Found: {found}. See docs/experiments.md."
        ) from error
    _check_against_settings(settings, path, definition)
    return definition


def start_experiment(settings: Settings, experiment_id: str) -> Experiment:
    """Start an experiment: freeze its definition; later nights write its arms' lists.

    Raises
    ------
    ExperimentError
        If it ran before, or another one runs on its placement and shares users with it.
    """
    definition = read_definition(settings, experiment_id)
    if settings.experiment_state(experiment_id).exists():
        raise ExperimentError(
            f"An experiment must have an id of its own. Found {experiment_id} started before. "
            "Its users and their arms are fixed: copy the file to a new id."
        )
    for other in running_experiments(settings):
        if other.definition.placement == definition.placement:
            raise ExperimentError(
                f"A placement may have one running experiment. Found {other.experiment_id} on "
                f"{definition.placement}. Stop it first: recsys experiment stop "
                f"{other.experiment_id}."
            )
    experiment = Experiment(experiment_id, definition, definition_hash(definition))
    write_json(settings.experiment_state(experiment_id), experiment.as_dict())
    return experiment


def stop_experiment(
    settings: Settings, experiment_id: str, stopped_on: date, reason: str
) -> Experiment:
    """End an experiment: the next night writes control's lists only.

    Raises
    ------
    ExperimentError
        If it is not running.
    """
    experiment = read_experiment(settings, experiment_id)
    if experiment.status != "running":
        raise ExperimentError(
            f"Only a running experiment can be stopped. Found {experiment_id} "
            f"{experiment.status} on {experiment.stopped_on}."
        )
    stopped = replace(experiment, status="stopped", stopped_on=stopped_on, reason=reason)
    write_json(settings.experiment_state(experiment_id), stopped.as_dict())
    return stopped


def read_experiment(settings: Settings, experiment_id: str) -> Experiment:
    """Read a started experiment, as it was frozen at its start.

    Raises
    ------
    ExperimentError
        If it was never started.
    """
    stored = read_if_there(settings.experiment_state(check_experiment_id(experiment_id)))
    if stored is None:
        raise ExperimentError(
            f"An experiment must have been started. Found no {experiment_id} in {settings.home}. "
            f"Start it: recsys experiment start {experiment_id}."
        )
    return Experiment.from_dict(stored)


def started_experiments(settings: Settings) -> list[Experiment]:
    """Every experiment that was ever started, by id."""
    return [
        Experiment.from_dict(read_json(path))
        for path in sorted(settings.started_experiments.glob("*.json"))
    ]


def running_experiments(settings: Settings, as_of: date | None = None) -> list[Experiment]:
    """Running experiments, by id; with `as_of`, only those that the night makes lists for.

    Raises
    ------
    ExperimentError
        If the file of one was edited since it was started.
    """
    found = [one for one in started_experiments(settings) if _is_on(one, as_of)]
    for experiment in found:
        require_unedited(settings, experiment)
    return found


def placement_experiment(settings: Settings, as_of: date, placement: str) -> Experiment | None:
    """The experiment of a placement whose arms a night writes lists for, or None.

    An experiment whose file was edited gets no lists beside control's: people get those, and the
    log says what must be put right.
    """
    for experiment in started_experiments(settings):
        if experiment.definition.placement == placement and _is_on(experiment, as_of):
            try:
                require_unedited(settings, experiment)
            except ExperimentError:
                logger.exception(
                    "experiment %s is left out of this night", experiment.experiment_id
                )
            else:
                return experiment
    return None


def _is_on(experiment: Experiment, as_of: date | None) -> bool:
    if as_of is None:
        return experiment.status == "running"
    last = min(experiment.stopped_on or experiment.definition.ends, experiment.definition.ends)
    return experiment.definition.starts <= as_of < last


def require_unedited(settings: Settings, experiment: Experiment) -> None:
    """Check that the file of an experiment still says what it said at the start.

    A file that is gone was not edited: the frozen copy holds.

    Raises
    ------
    ExperimentError
        If it was edited.
    """
    path = settings.experiments_folder / f"{experiment.experiment_id}.toml"
    if not path.exists():
        return
    found = definition_hash(read_definition(settings, experiment.experiment_id))
    if found != experiment.config_hash:
        raise ExperimentError(
            f"A running experiment must not be edited. Found {path.name} changed since "
            f"{experiment.experiment_id} was started ({found}, was {experiment.config_hash}). "
            "Put the file back, or stop the experiment and start another under a new id."
        )


def _check_against_settings(
    settings: Settings, path: Path, definition: ExperimentDefinition
) -> None:
    if definition.placement not in settings.placements:
        raise ExperimentError(
            f"An experiment's placement must be one of the settings. Got {definition.placement!r} "
            f"in {path.name}. Known: {', '.join(settings.placements)}."
        )
    known = {candidate.name for candidate in settings.candidates}
    unknown = {arm.candidate for arm in definition.arms[1:]} - known
    if unknown:
        raise ExperimentError(
            f"An arm's candidate must be one of the settings. Got {sorted(map(str, unknown))} in "
            f"{path.name}. Known: {', '.join(sorted(known))}."
        )
