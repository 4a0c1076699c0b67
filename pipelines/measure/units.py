"""Units of an experiment: its users, each in one arm, and the exposures that are doubted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd
from scipy.stats import chi2

from pipelines.base.config import Settings
from pipelines.base.tables import MET_EXPERIMENT_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import Experiment

#: Users that a fault names, at most.
NAMED_USERS = 3
#: Whole days an experiment runs before anything is decided.
MIN_DAYS = 7
#: P-value below which a mismatch is taken for a fault and not for chance.
ALARM_BELOW = 0.001
#: Share of users with doubted exposures above which nothing is decided.
MAX_DOUBTED_SHARE = 0.01
#: Users an arm is expected to have before the check says anything.
MIN_EXPECTED = 8


@dataclass(frozen=True)
class SampleRatio:
    """The result of the sample ratio check.

    Parameters
    ----------
    p_value : float
        Of the chi-squared test; 1 where fewer than two arms have a weight, or nobody is there.
    is_alarm : bool
        Whether there is a fault, so that no result may be shown.
    reason : str or None
        Why it alarms, or why it cannot tell yet.
    """

    p_value: float
    is_alarm: bool
    reason: str | None


@dataclass(frozen=True)
class Units:
    """Users of an experiment before a night.

    Parameters
    ----------
    frame : DataFrame
        One row per user_id whose exposures are not doubted: columns of
        `metrics.met_experiment_users` and ``is_mature``: the days in which a purchase counts are
        over.
    excluded_count : int
        Users whose exposures are doubted; left out of `frame`.
    doubts : tuple of str
        Why, with how many users and some of their names.
    faults : tuple of str
        What makes every result void; empty if nothing does.
    ratio : SampleRatio
    days : int
        Whole days since the first exposure.
    """

    frame: pd.DataFrame
    excluded_count: int
    doubts: tuple[str, ...]
    faults: tuple[str, ...]
    ratio: SampleRatio
    days: int

    @property
    def is_healthy(self) -> bool:
        """Whether results may be shown."""
        return not self.faults and not self.ratio.is_alarm

    @property
    def all_faults(self) -> list[str]:
        """What makes every result void, the sample ratio included."""
        return [*self.faults, *([str(self.ratio.reason)] if self.ratio.is_alarm else [])]

    def describe(
        self, experiment: Experiment, as_of: date, ratio_note: str | None
    ) -> dict[str, Any]:
        """First entries of a report: the experiment, and ``health``, whether its units are sound.

        `ratio_note` is shown instead of the ratio's p-value.
        """
        return {
            "experiment_id": experiment.experiment_id,
            "as_of": as_of.isoformat(),
            "status": experiment.status,
            "definition": experiment.definition.model_dump(mode="json"),
            "health": {
                "is_healthy": self.is_healthy,
                "faults": self.all_faults,
                "doubts": list(self.doubts),
                "sample_ratio_p_value": self.ratio.p_value,
                "sample_ratio_note": ratio_note,
                "excluded_users": self.excluded_count,
                "days": self.days,
            },
        }


def read_units(settings: Settings, experiment: Experiment, as_of: date) -> Units:
    """Units of an experiment as the warehouse knows them; users first exposed before `as_of` count.

    Raises
    ------
    WarehouseLockedError
        If a night holds the warehouse.
    """
    with connect(settings, read_only=True) as warehouse:
        frame = warehouse.execute(
            f"select * from {MET_EXPERIMENT_USERS.qualified} "
            "where experiment_id = ? and first_served_at < ? order by user_id",
            [experiment.experiment_id, as_of],
        ).df()
    ripe = pd.Timestamp(as_of - timedelta(days=settings.track.attribution_days))
    return check_units(frame.assign(is_mature=frame["first_served_at"] <= ripe), experiment, as_of)


def check_units(frame: pd.DataFrame, experiment: Experiment, as_of: date) -> Units:
    """Leave out users whose exposures are doubted, and find what makes the experiment void.

    `frame` is that of `Units` with all users.

    Notes
    -----
    An exposure is doubted that this experiment's server cannot have written. A few are left out;
    above `MAX_DOUBTED_SHARE` of the users they are faults.
    """
    doubted = _doubted(frame, experiment)
    kept = frame[doubted == ""].reset_index(drop=True)
    doubts = tuple(
        _name_users(what, users.tolist())
        for what, users in frame["user_id"].groupby(doubted[doubted != ""], sort=False)
    )
    excluded = len(frame) - len(kept)
    weights = experiment.variants
    users = {name: int((kept["variant"] == name).sum()) for name in weights}
    started = kept["first_served_at"].min()
    days = 0 if pd.isna(started) else (pd.Timestamp(as_of) - started).days
    ratio = check_sample_ratio(users, weights)
    faults = doubts if excluded > MAX_DOUBTED_SHARE * len(frame) else ()
    return Units(kept, excluded, doubts, faults, ratio, days)


def check_sample_ratio(users: Mapping[str, int], weights: Mapping[str, float]) -> SampleRatio:
    """Compare users by arm with the arms' weights.

    Parameters
    ----------
    users : mapping of str to int
        Users first exposed in each arm; an arm that is not named is left out of the test.
    weights : mapping of str to float
        Of the arms, in any unit.

    Notes
    -----
    ``x = sum (o - e)² / e`` with ``e = N w / W`` over arms of positive weight, against chi-squared
    with one degree of freedom fewer than arms. An arm of weight 0 is left out of the test; if it
    has users, that is a fault of its own.

    References
    ----------
    A. Fabijan et al. (2019). Diagnosing Sample Ratio Mismatch in Online Controlled Experiments.
    KDD.

    Examples
    --------
    >>> check_sample_ratio({"a": 1000, "b": 1200}, {"a": 0.5, "b": 0.5}).is_alarm
    True
    """
    arms = [name for name, weight in weights.items() if weight > 0 and name in users]
    p_value = _p_value([users[name] for name in arms], [weights[name] for name in arms])
    if stray := sorted(name for name, count in users.items() if count and name not in arms):
        return SampleRatio(p_value, True, f"users in arms without weight: {', '.join(stray)}")
    total, whole = sum(users[name] for name in arms), sum(weights[name] for name in arms)
    if not arms or total * min(weights[name] for name in arms) / whole < MIN_EXPECTED:
        return SampleRatio(p_value, False, f"not enough data: an arm expects under {MIN_EXPECTED}")
    if p_value < ALARM_BELOW:
        return SampleRatio(p_value, True, "arms have other shares of users than their weights")
    return SampleRatio(p_value, False, None)


def _p_value(counts: list[int], weights: list[float]) -> float:
    total, whole = sum(counts), sum(weights)
    if len(counts) < 2 or not total:  # noqa: PLR2004  # a ratio is of two
        return 1.0
    expected = [total * weight / whole for weight in weights]
    statistic = sum((o - e) ** 2 / e for o, e in zip(counts, expected, strict=True))
    return float(chi2.sf(statistic, len(counts) - 1))


def _doubted(frame: pd.DataFrame, experiment: Experiment) -> pd.Series:
    """Why each user's exposures are doubted; empty where they are not."""
    recorded = zip(frame["user_id"], frame["variant"], frame["bucket"], strict=True)
    is_elsewhere = [
        pd.isna(variant) or pd.isna(bucket) or experiment.assign(user_id) != (variant, bucket)
        for user_id, variant, bucket in recorded
    ]
    doubted = pd.Series("", frame.index, dtype=object)
    for what, holds in (
        ("served without an arm", frame["variant"].isna()),
        ("served in several arms", frame["variant_count"] > 1),
        (
            "recorded in another arm than their hash gives",
            pd.Series(is_elsewhere, frame.index, dtype=bool),
        ),
        (
            "served under other settings than the experiment's",
            (frame["config_hash"] != experiment.config_hash) | (frame["config_hash_count"] > 1),
        ),
    ):
        doubted[holds & (doubted == "")] = what
    return doubted


def _name_users(what: str, users: Sequence[str]) -> str:
    named = ", ".join(users[:NAMED_USERS])
    more = f" and {len(users) - NAMED_USERS} more" if len(users) > NAMED_USERS else ""
    return f"{len(users)} users {what}: {named}{more}"
