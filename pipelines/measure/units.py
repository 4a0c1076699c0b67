"""Units of an experiment: its users, each in one arm, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.tables import MET_EXPERIMENT_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import Experiment
from pipelines.measure.sample_ratio import SampleRatio, check_sample_ratio

#: Users that a fault names, at most.
NAMED_USERS = 3
#: Whole days an experiment runs before anything is decided.
MIN_DAYS = 7


@dataclass(frozen=True)
class Units:
    """Users of an experiment before a night.

    Parameters
    ----------
    frame : DataFrame
        One row per user_id in exactly one arm: columns of `metrics.met_experiment_users` and
        ``is_mature``: the days in which a purchase counts are over.
    excluded_count : int
        Users who were served in several arms; left out of `frame`.
    faults : tuple of str
        What makes every result void; empty if nothing does.
    ratio : SampleRatio
    days : int
        Whole days since the first exposure.
    """

    frame: pd.DataFrame
    excluded_count: int
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

    def health(self, ratio_note: str | None) -> dict[str, Any]:
        """The report's entry on the units; `ratio_note` is shown instead of the ratio's p-value."""
        return {
            "is_healthy": self.is_healthy,
            "faults": self.all_faults,
            "sample_ratio_p_value": self.ratio.p_value,
            "sample_ratio_note": ratio_note,
            "excluded_users": self.excluded_count,
            "days": self.days,
        }


def read_units(settings: Settings, experiment: Experiment, as_of: date) -> Units:
    """Units of an experiment as the warehouse knows them.

    Parameters
    ----------
    settings : Settings
    experiment : Experiment
    as_of : date
        Users first exposed before it count.

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
    """Leave out users who were in several arms, and find what makes the experiment void.

    Parameters
    ----------
    frame : DataFrame
        See `Units.frame`, with users in several arms.
    experiment : Experiment
    as_of : date
    """
    kept = frame[frame["variant_count"] == 1].reset_index(drop=True)
    weights = experiment.variants
    users = {name: int((kept["variant"] == name).sum()) for name in weights}
    faults = [
        fault
        for fault in (
            _wrong_arm(kept, experiment),
            _other_settings(frame, experiment),
        )
        if fault
    ]
    started = frame["first_served_at"].min()
    days = 0 if pd.isna(started) else (pd.Timestamp(as_of) - started).days
    ratio = check_sample_ratio(users, weights)
    return Units(kept, len(frame) - len(kept), tuple(faults), ratio, days)


def _wrong_arm(frame: pd.DataFrame, experiment: Experiment) -> str | None:
    """Users whose recorded arm or bucket is not the one the hash gives."""
    recorded = zip(frame["user_id"], frame["variant"], frame["bucket"], strict=True)
    wrong = [
        user_id
        for user_id, variant, bucket in recorded
        if experiment.assign(user_id) != (variant, bucket)
    ]
    return _name_users("recorded in another arm than their hash gives", wrong)


def _other_settings(frame: pd.DataFrame, experiment: Experiment) -> str | None:
    """Users who were served under other settings than the frozen ones."""
    is_other = (frame["config_hash"] != experiment.config_hash) | (frame["config_hash_count"] > 1)
    return _name_users(
        "served under other settings than the experiment's", frame.loc[is_other, "user_id"].tolist()
    )


def _name_users(what: str, users: Sequence[str]) -> str | None:
    if not users:
        return None
    named = ", ".join(users[:NAMED_USERS])
    more = f" and {len(users) - NAMED_USERS} more" if len(users) > NAMED_USERS else ""
    return f"{len(users)} users {what}: {named}{more}"
