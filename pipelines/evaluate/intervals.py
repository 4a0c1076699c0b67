"""Confidence intervals of means, paired differences and ratios over users."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

from pipelines.base.errors import SettingsError

#: Fewest values that have a standard deviation, and so an interval.
MIN_VALUES = 2


@dataclass(frozen=True)
class Interval:
    """A mean with its confidence bounds.

    Parameters
    ----------
    value : float or None
        The mean; None without values.
    low, high : float or None
        Bounds; None with fewer than two values, equal to the mean if all values are equal.
    standard_error : float or None
        Standard deviation (n - 1) over the root of n; None with fewer than two values.
    user_count : int
        Number of values.
    """

    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    user_count: int


def mean_interval(values: np.ndarray, confidence: float) -> Interval:
    """Mean of one value per user, with Student's t interval.

    Parameters
    ----------
    values : ndarray of float, shape (n_users,)
        A NaN among them makes mean and bounds NaN: nothing is dropped silently.
    confidence : float
        Two-sided level, for example 0.95.

    Notes
    -----
    mean ± t(n - 1; (1 + confidence) / 2) · s / √n. Bounds are not clipped to the metric's range.

    Examples
    --------
    >>> found = mean_interval(np.array([0.0, 1.0]), 0.95)
    >>> round(found.value, 3), round(found.low, 3), round(found.high, 3)
    (0.5, -5.853, 6.853)
    """
    n = len(values)
    if n == 0:
        return Interval(None, None, None, None, 0)
    mean = float(np.mean(values))
    if n < MIN_VALUES:
        return Interval(mean, None, None, None, n)
    if np.ptp(values) == 0:
        value = float(values[0])
        return Interval(value, value, value, 0.0, n)
    standard_error = float(np.std(values, ddof=1) / math.sqrt(n))
    half = float(stdtrit(n - 1, (1 + confidence) / 2)) * standard_error
    return Interval(mean, mean - half, mean + half, standard_error, n)


def paired_interval(a: np.ndarray, b: np.ndarray, confidence: float) -> Interval:
    """Mean of a - b over the same users, with Student's t interval.

    Parameters
    ----------
    a, b : ndarray of float, shape (n_users,)
        Values of two candidates, user by user in the same order.
    confidence : float
        Two-sided level.

    Raises
    ------
    SettingsError
        If the arrays differ in length, so cannot hold values of the same users.
    """
    if len(a) != len(b):
        raise SettingsError(
            f"Paired values must be of the same users. Got {len(a)} and {len(b)} values. "
            "Compare evaluations of the same night, window and placement."
        )
    return mean_interval(np.asarray(a) - np.asarray(b), confidence)


def ratio_interval(numerators: np.ndarray, denominators: np.ndarray, confidence: float) -> Interval:
    """Ratio of two means over the same users, with an interval by the delta method.

    Parameters
    ----------
    numerators, denominators : ndarray of float, shape (n_users,)
    confidence : float
        Two-sided level.

    Returns
    -------
    Interval
        Value and bounds None where the denominators' mean is 0 or there are no users.

    Notes
    -----
    With R = mean(a) / mean(b), the error of R is about that of the mean of (a - R b) / mean(b),
    whose own mean is 0.

    References
    ----------
    W. G. Cochran (1977). Sampling Techniques, 3rd ed., section 6.3.

    Examples
    --------
    >>> ratio_interval(np.array([2.0, 4.0]), np.array([1.0, 2.0]), 0.95).value
    2.0
    """
    base = float(np.mean(denominators)) if len(denominators) else 0.0
    if base == 0:
        return Interval(None, None, None, None, len(denominators))
    ratio = float(np.mean(numerators)) / base
    spread = mean_interval((numerators - ratio * denominators) / base, confidence)
    half, error = spread.high, spread.standard_error
    if half is None or spread.value is None or error is None:
        return Interval(ratio, None, None, None, len(denominators))
    half -= spread.value
    return Interval(ratio, ratio - half, ratio + half, error, len(denominators))


def users_needed(differences: np.ndarray, confidence: float, power: float = 0.8) -> int | None:
    """Number of users needed to show that a difference of this size is above zero.

    Parameters
    ----------
    differences : ndarray of float, shape (n_users,)
        Paired differences.
    confidence : float
        Two-sided level whose lower bound must be above zero.
    power : float, default 0.8
        Chance of showing it, if the difference is what it was here.

    Returns
    -------
    int or None
        None if the mean is not above zero (no number of users would do) or there are fewer than
        two values.

    Notes
    -----
    n = ((z_level + z_power) · s / d)², rounded up, at least 2, with mean d and standard deviation s
    of the differences and z the normal quantiles of (1 + confidence) / 2 and of `power`.
    """
    if len(differences) < MIN_VALUES:
        return None
    mean = float(np.mean(differences))
    if not mean > 0:
        return None
    spread = float(np.std(differences, ddof=1))
    quantiles = float(ndtri((1 + confidence) / 2) + ndtri(power))
    return max(MIN_VALUES, math.ceil((quantiles * spread / mean) ** 2))
