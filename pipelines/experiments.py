"""Experiments as files under version control: read, validated, and frozen once they run."""

from __future__ import annotations

import json
import logging
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipelines.assignment import (
    Arm,
    assign_bucket,
    assign_weighted,
    check_experiment_id,
    layer_bucket,
)
from pipelines.config import Settings, explain_validation, stable_hash
from pipelines.durable import read_if_there, write_json
from pipelines.errors import ExperimentError

logger = logging.getLogger(__name__)

#: Arm that gets the champion's lists; every experiment has it, first.
CONTROL = "control"
#: Names that roles and lists have already.
TAKEN_NAMES = {"champion", "challenger", "fallback"}
#: How far the weights' sum may be from 1.
_ROUNDING = 1e-9

Metric = Literal["ctr", "conversion", "revenue"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArmDefinition(_Part):
    """One arm of an experiment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    weight: float = Field(ge=0, le=1)
    """Share of the covered traffic."""
    candidate: str | None = None
    """Candidate whose lists it gets; control has none and gets the champion's."""


class Guardrail(_Part):
    """A metric that must not get worse by more than a margin."""

    metric: Metric
    margin: float = Field(0.02, ge=0, lt=1)
    """Relative loss that is still accepted."""


class ExperimentDefinition(_Part):
    """What `experiments/<id>.toml` says."""

    hypothesis: str = Field(min_length=1)
    placement: str
    arms: tuple[ArmDefinition, ...]
    starts: date
    """First day on which users may be exposed."""
    ends: date
    """Day after the last."""
    goal: Metric
    guardrails: tuple[Guardrail, ...] = ()
    expected_users: int = Field(ge=1)
    """Users of all arms at which the interval is narrowest; fixed before the start."""
    coverage: float = Field(1.0, gt=0, le=1)
    """Share of each arm's range of users that takes part."""
    layer: str | None = None
    """Users outside [layer_from, layer_to) of this layer take no part."""
    layer_from: float = Field(0.0, ge=0, le=1)
    layer_to: float = Field(1.0, ge=0, le=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Level of error of the goal's interval."""
    rolls_back: bool = True
    """Whether a significant loss on a guardrail ends the experiment by itself."""

    @model_validator(mode="after")
    def _check(self) -> ExperimentDefinition:
        names = [arm.name for arm in self.arms]
        if taken := TAKEN_NAMES & set(names):
            raise ValueError(f"arms must not be named {sorted(taken)}: these names are taken")
        if len(names) < 2 or names[0] != CONTROL or len(set(names)) != len(names):  # noqa: PLR2004  # a comparison is of two
            raise ValueError(f"arms must be `{CONTROL}` first and others of other names: {names}")
        if self.arms[0].candidate or not all(arm.candidate for arm in self.arms[1:]):
            raise ValueError(f"`{CONTROL}` is the champion's; every other arm names a candidate")
        if abs(sum(arm.weight for arm in self.arms) - 1) > _ROUNDING:
            raise ValueError("the weights of the arms must sum to 1")
        if not self.starts < self.ends:
            raise ValueError(f"`ends` must be after `starts`, got {self.starts} and {self.ends}")
        if not self.layer_from < self.layer_to:
            raise ValueError("`layer_from` must be below `layer_to`")
        return self


@dataclass(frozen=True)
class Experiment:
    """An experiment as it was frozen at its start.

    Parameters
    ----------
    experiment_id : str
    definition : ExperimentDefinition
    config_hash : str
        Of the definition; every exposure carries it.
    status : str
        ``running`` or ``stopped``.
    stopped_on : date or None
        First night without it.
    reason : str
        Why it was stopped.
    """

    experiment_id: str
    definition: ExperimentDefinition
    config_hash: str
    status: str = "running"
    stopped_on: date | None = None
    reason: str = ""

    def assign(self, user_id: str) -> tuple[str, int] | None:
        """Arm and bucket of a user; None for a user who takes no part."""
        given = self.definition
        if not user_id:
            return None
        if given.layer is not None:
            place = layer_bucket(user_id, given.layer) / 10_000
            if not given.layer_from <= place < given.layer_to:
                return None
        bucket = assign_bucket(user_id, self.experiment_id)
        arms = [Arm(arm.name, arm.weight) for arm in given.arms]
        arm = assign_weighted(bucket, arms, given.coverage)
        return None if arm is None else (arm, bucket)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as they are stored."""
        return {
            "experiment_id": self.experiment_id,
            "definition": self.definition.model_dump(mode="json"),
            "config_hash": self.config_hash,
            "status": self.status,
            "stopped_on": self.stopped_on.isoformat() if self.stopped_on else None,
            "reason": self.reason,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Experiment:
        """The experiment of stored values."""
        day = stored.get("stopped_on")
        return cls(
            stored["experiment_id"],
            ExperimentDefinition.model_validate(stored["definition"]),
            stored["config_hash"],
            stored["status"],
            date.fromisoformat(day) if day else None,
            stored.get("reason", ""),
        )


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
    """Freeze an experiment; nights from now on write its arms' lists.

    Raises
    ------
    ExperimentError
        If it ran before, or another one runs on its placement and shares users with it.
    """
    definition = read_definition(settings, experiment_id)
    if _stored_path(settings, experiment_id).exists():
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
    write_json(_stored_path(settings, experiment_id), experiment.as_dict())
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
    stopped = Experiment(
        experiment_id, experiment.definition, experiment.config_hash, "stopped", stopped_on, reason
    )
    write_json(_stored_path(settings, experiment_id), stopped.as_dict())
    return stopped


def read_experiment(settings: Settings, experiment_id: str) -> Experiment:
    """An experiment that was started, as it was frozen then.

    Raises
    ------
    ExperimentError
        If it was never started.
    """
    stored = read_if_there(_stored_path(settings, check_experiment_id(experiment_id)))
    if stored is None:
        raise ExperimentError(
            f"An experiment must have been started. Found no {experiment_id} in {settings.home}. "
            f"Start it: recsys experiment start {experiment_id}."
        )
    return Experiment.from_dict(stored)


def started_experiments(settings: Settings) -> list[Experiment]:
    """Every experiment that was ever started, by id."""
    return [
        Experiment.from_dict(json.loads(path.read_text(encoding="utf-8")))
        for path in sorted((settings.home / "experiments").glob("*.json"))
    ]


def running_experiments(settings: Settings, as_of: date | None = None) -> list[Experiment]:
    """Experiments that run, by id; on a night, those whose days it serves.

    Raises
    ------
    ExperimentError
        If the file of one was edited since it was started.
    """
    found = []
    for experiment in started_experiments(settings):
        if not _is_on(experiment, as_of):
            continue
        require_unedited(settings, experiment)
        found.append(experiment)
    return found


def placement_experiment(settings: Settings, as_of: date, placement: str) -> Experiment | None:
    """The experiment whose arms a night writes lists for; None if there is none.

    An experiment whose file was edited gets no lists beside control's: people are served, and the
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


def definition_hash(definition: ExperimentDefinition) -> str:
    """Hash of everything an experiment says."""
    return stable_hash(definition.model_dump(mode="json"))


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


def _stored_path(settings: Settings, experiment_id: str) -> Path:
    return settings.home / "experiments" / f"{experiment_id}.json"
