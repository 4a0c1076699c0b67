"""Metrics of an experiment, by user: how each is summed, and when it may be looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.measure.arms import ArmSummary, Sums, adjust_by_cuped, summarise_ratio

#: Least number of users and of successes in an arm before an effect is shown.
MIN_USERS, MIN_SUCCESSES = 100, 10


@dataclass(frozen=True)
class OnlineMetric:
    """How a metric is computed from the rows of users.

    Parameters
    ----------
    name : str
    label : str
        For people.
    value, other : callable
        From the units to one number per user: the metric, and its denominator or covariate.
    kind : str
        ``ratio`` (other is the denominator), ``share`` or ``mean`` (other is the covariate).
    needs_mature : bool
        Only users whose days to buy are over count.
    """

    name: str
    label: str
    value: Callable[[pd.DataFrame], pd.Series]
    other: Callable[[pd.DataFrame], pd.Series]
    kind: str
    needs_mature: bool

    def sums(self, units: pd.DataFrame) -> Sums:
        """Sums over the users of a frame."""
        chosen = units[units["is_mature"]] if self.needs_mature else units
        y = self.value(chosen).to_numpy(dtype=np.float64)
        x = self.other(chosen).to_numpy(dtype=np.float64)
        return Sums(len(chosen), *(float(part) for part in (y.sum(), y @ y, x.sum(), x @ x, x @ y)))

    def success_count(self, units: pd.DataFrame) -> int:
        """Clicks, or users who bought."""
        chosen = units[units["is_mature"]] if self.needs_mature else units
        value = self.value(chosen)
        return int(value.sum() if self.kind == "ratio" else (value > 0).sum())


def _bought(column: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda units: (units[column] > 0).astype(float)


METRICS = {
    metric.name: metric
    for metric in (
        OnlineMetric(
            "ctr",
            "clicks per impression",
            lambda units: units["click_count"],
            lambda units: units["impression_count"],
            "ratio",
            needs_mature=False,
        ),
        OnlineMetric(
            "conversion",
            "share of users who buy",
            _bought("purchase_count"),
            _bought("purchase_count_before"),
            "share",
            needs_mature=True,
        ),
        OnlineMetric(
            "revenue",
            "revenue per user",
            lambda units: units["revenue"],
            lambda units: units["revenue_before"],
            "mean",
            needs_mature=True,
        ),
    )
}


def summarise_arms(
    metric: OnlineMetric, control: pd.DataFrame, treatment: pd.DataFrame
) -> tuple[ArmSummary, ArmSummary]:
    """Summarise one metric over the units of two arms, by CUPED where it has a covariate."""
    sums = metric.sums(control), metric.sums(treatment)
    if metric.kind == "ratio":
        return summarise_ratio(sums[0]), summarise_ratio(sums[1])
    return adjust_by_cuped(*sums, is_share=metric.kind == "share")


def why_too_early(metric: OnlineMetric, arm: str, units: pd.DataFrame) -> str | None:
    """Why an arm has too few users or successes to look at, or None."""
    users = metric.sums(units).user_count
    if users < MIN_USERS:
        return f"{arm} has {users} users, nothing is shown before {MIN_USERS}"
    successes = metric.success_count(units)
    if successes < MIN_SUCCESSES:
        what = "clicks" if metric.kind == "ratio" else "users who bought"
        return f"{arm} has {successes} {what}, nothing is shown before {MIN_SUCCESSES}"
    return None
