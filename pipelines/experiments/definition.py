"""Definition of an experiment: its arms, its goal, and which users are in which arm."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.base.assignment import Arm, assign_bucket, assign_weighted, layer_bucket
from pipelines.base.config import stable_hash

#: Arm that gets the champion's lists; every experiment has it, first.
CONTROL = "control"
#: Variant of users who are shown one list interleaved from both arms' lists.
INTERLEAVED = "interleaved"
#: Names no arm may have: roles and lists use them.
TAKEN_NAMES = {"champion", "challenger", "fallback", INTERLEAVED}
#: How far the weights' sum may be from 1.
_ROUNDING = 1e-9

Metric = Literal["ctr", "conversion", "revenue"]
Method = Literal["split", "interleave"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ArmDefinition(_Part):
    """One arm of an experiment."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    weight: float = Field(ge=0, le=1)
    """Share of the covered traffic."""
    candidate: str | None = None
    """Candidate whose lists the arm shows; control has none and shows the champion's."""


class Guardrail(_Part):
    """A metric that must not get worse by more than a margin."""

    metric: Metric
    margin: float = Field(0.02, ge=0, lt=1)
    """Relative loss that is still accepted."""


class ExperimentDefinition(_Part):
    """Contents of `experiments/<id>.toml`."""

    hypothesis: str = Field(min_length=1)
    placement: str
    arms: tuple[ArmDefinition, ...]
    starts: date
    """First day on which users may be exposed."""
    ends: date
    """First day after the experiment."""
    goal: Metric
    guardrails: tuple[Guardrail, ...] = ()
    expected_users: int = Field(ge=1)
    """Users in all arms for which the interval is tuned to be narrowest; fixed in advance."""
    coverage: float = Field(1.0, gt=0, le=1)
    """Share of each arm's range of users that takes part."""
    layer: str | None = None
    """Layer of which only users in buckets [layer_from, layer_to) take part; unset, all do."""
    layer_from: float = Field(0.0, ge=0, le=1)
    layer_to: float = Field(1.0, ge=0, le=1)
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Error of the goal's interval; guardrails share as much in equal parts."""
    rolls_back: bool = True
    """Whether a significant loss on a guardrail ends the experiment by itself."""
    method: Method = "split"
    """`split`: a user gets one arm's lists; `interleave`: one list drafted from both arms'."""

    def error_of(self, metric: str) -> float:
        """Error of a metric's interval: each guardrail's is an equal part of `alpha` (Bonferroni).

        So the chance that any of them is said to be worse, where none is, is at most `alpha`.
        """
        guarded = {rail.metric for rail in self.guardrails}
        return self.alpha / len(guarded) if metric in guarded else self.alpha

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
        if self.method == "interleave" and (
            len(names) != 2 or self.goal != "ctr" or self.guardrails  # noqa: PLR2004  # drafts are of two
        ):
            raise ValueError(
                "`interleave` is for two arms, goal `ctr` and no guardrails: every user sees both "
                "arms, so a purchase belongs to neither"
            )
        return self


@dataclass(frozen=True)
class Experiment:
    """An experiment as it was frozen at its start.

    Parameters
    ----------
    experiment_id : str
    definition : ExperimentDefinition
    config_hash : str
        Hash of the definition; every exposure carries it.
    status : str
        ``running`` or ``stopped``.
    stopped_on : date or None
        First night without the experiment.
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
        """Variant and bucket of a user; None for a user who takes no part."""
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
        if arm is None:
            return None
        return (INTERLEAVED if self.is_interleaved else arm), bucket

    @property
    def is_interleaved(self) -> bool:
        """Whether users are shown one list drafted from both arms' lists."""
        return self.definition.method == "interleave"

    @property
    def variants(self) -> dict[str, float]:
        """Variants that users are recorded in, with their share of the covered traffic."""
        if self.is_interleaved:
            return {INTERLEAVED: 1.0}
        return {arm.name: arm.weight for arm in self.definition.arms}

    def as_dict(self) -> dict[str, Any]:
        """The experiment as plain values, as stored in JSON."""
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
        """The experiment that `as_dict` gave these values for."""
        day = stored.get("stopped_on")
        return cls(
            stored["experiment_id"],
            ExperimentDefinition.model_validate(stored["definition"]),
            stored["config_hash"],
            stored["status"],
            date.fromisoformat(day) if day else None,
            stored.get("reason", ""),
        )


def definition_hash(definition: ExperimentDefinition) -> str:
    """Hash of every field of an experiment's definition.

    The method is left out for a split, so that experiments frozen before there was another method
    keep their hash.
    """
    said = definition.model_dump(mode="json")
    if said["method"] == "split":
        del said["method"]
    return stable_hash(said)
