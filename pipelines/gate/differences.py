"""Paired differences between two contenders on the same users, as figures and in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.base.config import Settings
from pipelines.evaluate.intervals import MIN_VALUES, paired_interval, users_needed
from pipelines.gate.contenders import Contender, contender_problem, have_same_users
from pipelines.show.figures import (
    format_figure,
    format_interval,
    format_level,
    format_threshold,
)

#: Nights that share the yearly error.
NIGHTS_A_YEAR = 365


@dataclass(frozen=True)
class Thresholds:
    """Thresholds that a placement's challenger must reach; `recsys.toml` explains each.

    Notes
    -----
    Each night may spend ``night_error = yearly_error / 365``, whatever other nights did. By Boole's
    inequality the chance that 365 nights promote anything that is not better is at most
    `yearly_error`, however much their windows overlap and however challengers are redrawn. A
    challenger must beat champion and baseline, each at `night_error`: an intersection-union test,
    which errs no more often than one of them.

    References
    ----------
    K. K. G. Lan, D. L. DeMets (1983). Discrete sequential boundaries for clinical trials.
    Biometrika 70(3): error is spent by a plan that is fixed beforehand, here in equal parts.
    R. L. Berger (1982). Multiparameter hypothesis testing and acceptance sampling. Technometrics
    24(4).
    """

    k: int
    confidence: float
    min_users: int
    ndcg_floor: float
    ndcg_ceiling: float
    coverage_margin: float
    segment_margin: float
    min_segment_users: int
    yearly_error: float

    @property
    def night_error(self) -> float:
        """Chance that one night promotes a challenger that is not better."""
        return self.yearly_error / NIGHTS_A_YEAR

    @property
    def night_confidence(self) -> float:
        """Level of the two-sided interval whose lower bound errs with `night_error`."""
        return 1 - 2 * self.night_error

    @classmethod
    def from_settings(cls, settings: Settings, placement: str) -> Thresholds:
        """Take the gate's thresholds and the placement's floor and ceiling from the settings."""
        own = settings.placements[placement]
        return cls(
            k=settings.evaluation.k,
            confidence=settings.evaluation.confidence,
            ndcg_floor=own.ndcg_floor,
            ndcg_ceiling=own.ndcg_ceiling,
            **settings.gate.model_dump(),
        )


@dataclass(frozen=True)
class Difference:
    """Paired difference of two contenders over the same users, at least two of them.

    Parameters
    ----------
    value, low, high : float
        Mean and interval of first minus second.
    user_count : int
    users_needed : int or None
        None where no number of users would show such a difference.
    confidence : float
        Level of the interval.
    """

    value: float
    low: float
    high: float
    user_count: int
    users_needed: int | None
    confidence: float


def paired_difference(
    first: Contender,
    second: Contender,
    thresholds: Thresholds,
    *,
    confidence: float | None = None,
    chosen: np.ndarray | None = None,
    margin: float = 0.0,
) -> Difference | None:
    """Mean difference, first minus second, paired by user; None if they cannot be compared.

    Parameters
    ----------
    first, second : Contender
    thresholds : Thresholds
    confidence : float, optional
        Level of the interval; default that of whatever is reported.
    chosen : ndarray of bool, shape (n_users,), optional
        Mask of the users to compare; default all.
    margin : float, default 0
        How far below zero the lower bound may be; `users_needed` is for that bound.
    """
    if any(contender_problem(one, thresholds.k) for one in (first, second)):
        return None
    if not have_same_users(first, second):
        return None
    keep = np.ones(first.user_count, dtype=bool) if chosen is None else chosen
    if keep.sum() < MIN_VALUES:
        return None
    level = thresholds.confidence if confidence is None else confidence
    mine = np.asarray(first.user_ndcg, dtype=np.float64)[keep]
    theirs = np.asarray(second.user_ndcg, dtype=np.float64)[keep]
    needed = users_needed(mine - theirs + margin, level)
    found = paired_interval(mine, theirs, level)
    if found.value is None or found.low is None or found.high is None:
        return None
    return Difference(found.value, found.low, found.high, found.user_count, needed, level)


def describe_difference(
    found: Difference | None, thresholds: Thresholds, missed: float | None
) -> str:
    """Describe a difference in words; with `missed`, say by how much it fell short and why.

    `missed` is the value that the interval's lower bound had to exceed.
    """
    if found is None:
        return "the two cannot be compared"
    text = (
        f"NDCG@{thresholds.k} {format_interval(found.value, found.low, found.high, signed=True)} "
        f"({format_level(found.confidence)} interval, {found.user_count:,} users)"
    )
    if missed is None:
        return text
    if found.users_needed is None:
        remedy = "no number of users would be enough at such a difference"
    else:
        remedy = f"about {found.users_needed:,} users would be needed to tell such a difference"
    short, bound = format_figure(missed - found.low), format_threshold(missed)
    return f"{text}; the lower bound is {short} short of {bound}; {remedy}"
