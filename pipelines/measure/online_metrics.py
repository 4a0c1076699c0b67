"""Metrics of an experiment, by user: how each is summed, and when it may be looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.measure.arms import ArmSummary, Sums, adjust_by_cuped, summarise_ratio

#: Least number of users and of successes in an arm before an effect is shown.
MIN_USERS, MIN_SUCCESSES = 100, 10
#: Most skewness of the difference of two arms; a mean of 355 s² users of skewness s has as much.
MAX_SKEWNESS = 1 / math.sqrt(355)


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

    def skewness(self, units: pd.DataFrame) -> float:
        """Skewness of one user's value, of a ratio of its residual y - R x; 0 without a spread."""
        chosen = units[units["is_mature"]] if self.needs_mature else units
        y = self.value(chosen).to_numpy(dtype=np.float64)
        if self.kind == "ratio":
            x = self.other(chosen).to_numpy(dtype=np.float64)
            y = y - x * (y.sum() / x.sum() if x.sum() else 0.0)
        return skewness_of(y)

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


def skewness_of(values: np.ndarray) -> float:
    """Third central moment over the cubed standard deviation; 0 without a spread.

    Examples
    --------
    >>> round(skewness_of(np.array([0.0, 0.0, 0.0, 1.0])), 4)
    1.1547
    """
    if not len(values) or np.ptp(values) == 0:
        return 0.0
    centred = values - values.mean()
    return float(np.mean(centred**3) / np.mean(centred**2) ** 1.5)


def why_too_skewed(skewness: float, control_users: int, treatment_users: int) -> str | None:
    """Why the difference of two arms is too skewed to be looked at yet, or None.

    Parameters
    ----------
    skewness : float
        Of one user's value over both arms.
    control_users, treatment_users : int
        Both above zero.

    Notes
    -----
    With arms of n_a and n_b users, N in all, whose values have skewness s, that of the difference
    of their means is ``s (n_a - n_b) / sqrt(n_a n_b N)``. It may be at most ``1 / sqrt(355)``,
    where a mean of 355 s² users stands: beyond it, one side of an interval errs more than it says.
    Arms of equal size cancel each other's skewness, however skewed the metric is.

    References
    ----------
    R. Kohavi, A. Deng, R. Longbotham, Y. Xu (2014). Seven rules of thumb for web site
    experimenters. KDD (rule 7).
    D. D. Boos, J. M. Hughes-Oliver (2000). How large does n have to be for Z and t intervals?
    The American Statistician 54(2).

    Examples
    --------
    >>> why_too_skewed(20.0, 500, 500)
    >>> why_too_skewed(5.0, 100, 900)[:54]
    'arms of 100 and 900 users are too unequal for a metric'
    >>> why_too_skewed(5.0, 100, 900)[54:]
    ' of skewness 5: shown from 63,112 users on'
    """
    users = control_users + treatment_users
    unevenness = (control_users - treatment_users) ** 2 / (control_users * treatment_users)
    needed = (skewness / MAX_SKEWNESS) ** 2 * unevenness
    if users >= needed:
        return None
    return (
        f"arms of {control_users:,} and {treatment_users:,} users are too unequal for a metric of "
        f"skewness {skewness:.3g}: shown from {math.ceil(needed):,} users on"
    )


def why_too_few(metric: OnlineMetric, arm: str, users: int, successes: float) -> str | None:
    """Why an arm has too few users or successes to look at, or None."""
    if users < MIN_USERS:
        return f"{arm} has {users} users, nothing is shown before {MIN_USERS}"
    if successes < MIN_SUCCESSES:
        what = "clicks" if metric.kind == "ratio" else "users who bought"
        return f"{arm} has {successes} {what}, nothing is shown before {MIN_SUCCESSES}"
    return None


def why_not_yet(metric: OnlineMetric, arms: Mapping[str, pd.DataFrame]) -> str | None:
    """Why the difference of two arms is not shown yet, or None; `arms` is units by name."""
    counts = [metric.sums(units).user_count for units in arms.values()]
    for (name, units), users in zip(arms.items(), counts, strict=True):
        reason = why_too_few(metric, name, users, metric.success_count(units))
        if reason is not None:
            return reason
    return why_too_skewed(metric.skewness(pd.concat(arms.values())), *counts)
