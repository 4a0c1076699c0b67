"""The effect of an arm against control: at the planned end, or at any look before it.

Decisions are made on differences. A lift is the same interval told relative to control.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy.stats import norm, t

from pipelines.measure.arms import ArmSummary

#: Fewest users of an arm with a variance.
MIN_USERS = 2


@dataclass(frozen=True)
class Effect:
    """A difference of two arms; every figure is None where there is none, and `reason` says why.

    Parameters
    ----------
    estimate : float or None
        Treatment minus control, absolute or as a share of control's unadjusted mean.
    standard_error : float or None
    low, high : float or None
        Bounds of the interval.
    p_value : float or None
    reason : str or None
    """

    estimate: float | None = None
    standard_error: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str | None = None


#: Bounds and p-value of an estimate and its standard error, given both arms.
Bound = Callable[[float, float, ArmSummary, ArmSummary], Effect]


def compare_at_the_end(
    control: ArmSummary, treatment: ArmSummary, *, alpha: float, relative: bool
) -> Effect:
    """Compare arms by Welch's interval, valid for one look that was planned beforehand.

    Parameters
    ----------
    control, treatment : ArmSummary
    alpha : float
        Two-sided level of error, such as 0.05.
    relative : bool
        Effect as a share of control's unadjusted mean.

    Notes
    -----
    Relative effects by the delta method: ``Var = V_b/(R_a² n_b) + V_a R_b²/(R_a⁴ n_a)``; with CUPED
    the covariate keeps its own term, since it is not divided by a moving mean. Degrees of freedom
    are Welch and Satterthwaite's on the arms' variances.
    """
    return _effect(control, treatment, relative, partial(_welch, alpha=alpha))


def compare_at_any_time(
    control: ArmSummary,
    treatment: ArmSummary,
    *,
    alpha: float,
    relative: bool,
    planned_users: int,
) -> Effect:
    """Compare arms by an asymptotic confidence sequence, valid at every look.

    It is valid also if looking decides when to stop.

    Parameters
    ----------
    control, treatment, relative
        As for `compare_at_the_end`.
    alpha : float
        Chance of ever excluding the true effect.
    planned_users : int
        N*, users of both arms at which the interval is narrowest; fixed before the start.

    Notes
    -----
    ``rho² = (-2 ln alpha + ln(1 - 2 ln alpha)) / N*``; half-width
    ``SE sqrt(N) sqrt(2 (N rho² + 1) / (N rho)² ln(sqrt(N rho² + 1) / alpha))`` with N users so far.

    References
    ----------
    I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas (2021). Time-uniform central
    limit theory and asymptotic confidence sequences. arXiv:2103.06476, equations 9 and 155.
    """

    def bound(estimate: float, error: float, first: ArmSummary, second: ArmSummary) -> Effect:
        users = first.user_count + second.user_count
        rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / planned_users
        growth = users * rho2 + 1
        half = (
            error
            * math.sqrt(users)
            * math.sqrt(2 * growth / (users**2 * rho2) * math.log(math.sqrt(growth) / alpha))
        )
        evidence = -rho2 * users * (estimate / error) ** 2 / (2 * growth)
        p_value = min(1.0, math.sqrt(growth) * math.exp(evidence))
        return Effect(estimate, error, estimate - half, estimate + half, p_value)

    return _effect(control, treatment, relative, bound)


def lift_of(difference: Effect, control: ArmSummary, treatment: ArmSummary) -> Effect:
    """Tell a difference relative to control's unadjusted mean, with an interval that agrees.

    Parameters
    ----------
    difference : Effect
        Absolute, of these arms; how many standard errors wide it is holds for the lift too.
    control, treatment : ArmSummary

    Returns
    -------
    Effect
        Bounds by Fieller's method; standard error by the delta method; the difference's p-value.
        Without bounds where control's mean is not told apart from zero.

    Notes
    -----
    The interval holds every lift l for which ``Ȳ_b - (1 + l) Ȳ_a`` (less the covariate's part) is
    within c standard errors of zero, c being those of the difference: the roots L = 1 + l of
    ``(D - L m)² = c² (V_b/n_b + (L² V_y + θ² V_x - 2 L θ C)/n_a)``, with m control's mean and
    D - m the difference. So it excludes zero exactly where the difference does, and lies above
    minus a margin exactly where treatment is better than that share of control. A ratio of means is
    skewed where the metric is, and the delta method's interval then errs on one side; the contrast
    is as symmetric as the difference.

    References
    ----------
    E. C. Fieller (1954). Some problems in interval estimation. JRSS B 16(2).
    """
    m, error = control.unadjusted_mean, difference.standard_error
    estimate, low, high = difference.estimate, difference.low, difference.high
    if estimate is None or error is None or low is None or high is None:
        return difference
    c2 = ((high - low) / 2 / error) ** 2
    n_a, theta = control.user_count, control.theta
    leading = m * m - c2 * control.raw_variance / n_a
    if not (m > 0 and leading > 0):
        reason = "control's mean is not told apart from zero, so there is no relative effect"
        return Effect(p_value=difference.p_value, reason=reason)
    d = estimate + m
    # leading L² - 2 half L + rest = 0
    half = d * m - c2 * theta * control.covariance / n_a
    from_covariate = theta * theta * control.covariate_variance / n_a
    rest = d * d - c2 * (treatment.variance / treatment.user_count + from_covariate)
    root = math.sqrt(max(half * half - leading * rest, 0.0))
    spread = math.sqrt(max(sum(_relative_parts(control, treatment)), 0.0))
    bounds = ((half - root) / leading - 1, (half + root) / leading - 1)
    return Effect(estimate / m, spread, *bounds, difference.p_value)


def adjust_by_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given: the family errs at most with probability alpha.

    Examples
    --------
    >>> [round(p, 3) for p in adjust_by_holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    # running maximum of p_(i) (m - i), i from 0
    scaled = np.maximum.accumulate(values[order] * (len(values) - np.arange(len(values))))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(scaled, 1.0)
    found: list[float] = adjusted.tolist()
    return found


def users_per_arm_needed(variance: float, difference: float, *, alpha: float, power: float) -> int:
    """Users per arm for an absolute difference to be found with a given power.

    The variance is that of one user; the difference is the least one worth finding, not 0.

    Notes
    -----
    ``n = 2 (z_(1 - alpha/2) + z_power)² V / δ²``.

    Examples
    --------
    >>> users_per_arm_needed(0.09, 0.01, alpha=0.05, power=0.8)
    14128
    """
    z = norm.ppf(1 - alpha / 2) + norm.ppf(power)
    return math.ceil(2 * z**2 * variance / difference**2)


def _effect(control: ArmSummary, treatment: ArmSummary, relative: bool, bound: Bound) -> Effect:
    """Estimate and standard error, then their bounds; or None with a reason."""
    reason = _why_not(control, treatment, relative)
    if reason is not None:
        return Effect(reason=reason)
    scale = abs(control.unadjusted_mean) if relative else 1.0
    arms = (control, treatment)
    parts = _relative_parts(*arms) if relative else [one.variance / one.user_count for one in arms]
    estimate, error = (treatment.mean - control.mean) / scale, math.sqrt(max(sum(parts), 0.0))
    if not (error > 0 and math.isfinite(error) and math.isfinite(estimate)):
        return Effect(reason="the figures are beyond what can be computed")
    return bound(estimate, error, control, treatment)


def _relative_parts(a: ArmSummary, b: ArmSummary) -> tuple[float, float]:
    """Variance of ``(R_b - R_a) / |R_a|`` that comes from control and from treatment."""
    base = a.unadjusted_mean
    lift = b.unadjusted_mean / base
    # V_a R_b²/R_a⁴ + theta² Var(X)/R_a² - 2 theta Cov(Y, X) R_b/R_a³, over n_a
    from_control = (
        a.raw_variance * lift * lift
        + a.theta * a.theta * a.covariate_variance
        - 2 * a.theta * a.covariance * lift
    ) / a.user_count
    return from_control / base / base, b.variance / b.user_count / base / base


def _welch(estimate: float, error: float, a: ArmSummary, b: ArmSummary, *, alpha: float) -> Effect:
    """Student's t bounds with Welch and Satterthwaite's degrees of freedom."""
    share_a, share_b = a.variance / a.user_count, b.variance / b.user_count
    part_a, part_b = share_a / (share_a + share_b), share_b / (share_a + share_b)
    freedom = 1 / (part_a**2 / (a.user_count - 1) + part_b**2 / (b.user_count - 1))
    half = float(t.ppf(1 - alpha / 2, freedom)) * error
    p_value = 2 * float(t.sf(abs(estimate) / error, freedom))
    return Effect(estimate, error, estimate - half, estimate + half, p_value)


def _why_not(control: ArmSummary, treatment: ArmSummary, relative: bool) -> str | None:
    """Why no effect can be computed, or None."""
    for name, arm in (("control", control), ("treatment", treatment)):
        if arm.user_count < MIN_USERS:
            return f"{name} has {arm.user_count} users, an interval needs {MIN_USERS}"
        if math.isnan(arm.mean):
            return f"{name} has a denominator of zero"
        if not arm.variance > 0:
            return f"{name} has no variance: every user has the same value"
    if relative and control.unadjusted_mean == 0:
        return "control's mean is zero, so there is no relative effect"
    return None
