"""Summary of a metric in one arm: users, mean, and the variance of one user."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ArmSummary:
    """One metric in one arm, with the user as the unit.

    Parameters
    ----------
    user_count : int
    mean : float
        NaN, as are the others, where it has no value, such as clicks per impression without
        impressions.
    variance : float
        Of one user: the squared standard error of the mean is ``variance / user_count``.
    unadjusted_mean : float
        The mean before CUPED; without CUPED the mean.
    raw_variance : float
        Variance before CUPED; without CUPED the variance.
    covariate_variance, covariance, theta : float
        Variance of the covariate, covariance with it, and its coefficient; 0 without CUPED.
    """

    user_count: int
    mean: float
    variance: float
    unadjusted_mean: float
    raw_variance: float
    covariate_variance: float = 0.0
    covariance: float = 0.0
    theta: float = 0.0


@dataclass(frozen=True)
class Sums:
    """Users of an arm and the sums of a value y and, if any, a covariate or denominator x.

    Parameters
    ----------
    user_count : int
    y, yy : float
        Sum over users of y and of y².
    x, xx, xy : float
        Likewise for x, and of the product.
    """

    user_count: int
    y: float
    yy: float
    x: float = 0.0
    xx: float = 0.0
    xy: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.user_count + other.user_count,
            *(getattr(self, name) + getattr(other, name) for name in ("y", "yy", "x", "xx", "xy")),
        )

    def variance(self, first: str = "y", second: str = "y") -> float:
        """Sample covariance (n - 1) of two of the values; 0 with fewer than two users."""
        n = self.user_count
        if n < 2:  # noqa: PLR2004  # a spread needs two
            return 0.0
        product = getattr(self, "xy" if first != second else first * 2)
        found: float = (product - getattr(self, first) * getattr(self, second) / n) / (n - 1)
        return found


def summarise_mean(sums: Sums) -> ArmSummary:
    """Summarise a mean per user, such as revenue; variance with n - 1."""
    if not sums.user_count:
        return _plain(0, math.nan, math.nan)
    return _plain(sums.user_count, sums.y / sums.user_count, sums.variance())


def summarise_share(sums: Sums) -> ArmSummary:
    """Summarise a share of users, such as conversion: y is 0 or 1; variance p(1 - p)."""
    if not sums.user_count:
        return _plain(0, math.nan, math.nan)
    share = sums.y / sums.user_count
    return _plain(sums.user_count, share, share * (1 - share))


def summarise_ratio(sums: Sums) -> ArmSummary:
    """Summarise a ratio of two sums, such as clicks y per impressions x, by the delta method.

    Notes
    -----
    ``R = sum(y) / sum(x)`` and ``V = s²_y/x̄² + s²_x ȳ²/x̄⁴ - 2 s_xy ȳ/x̄³``. Users see many
    items, and items of one user go together: a test that takes impressions for the unit is wrong.

    References
    ----------
    A. Deng, U. Knoblich, J. Lu (2018). Applying the Delta Method in Metric Analytics. KDD.
    """
    if not sums.user_count or sums.x == 0:
        return _plain(sums.user_count, math.nan, math.nan)
    y, x = sums.y / sums.user_count, sums.x / sums.user_count
    # V = s²_y/x̄² + s²_x ȳ²/x̄⁴ - 2 s_xy ȳ/x̄³
    variance = (
        sums.variance() / x**2
        + sums.variance("x", "x") * y**2 / x**4
        - 2 * sums.variance("x", "y") * y / x**3
    )
    return _plain(sums.user_count, y / x, variance)


def adjust_by_cuped(
    control: Sums, treatment: Sums, *, is_share: bool = False
) -> tuple[ArmSummary, ArmSummary]:
    """Adjust both arms' means per user for what the same users did before exposure (CUPED).

    y is the metric, x the same metric before the user's first exposure; if `is_share`, both are 0
    or 1, with variance p(1 - p).

    Notes
    -----
    ``theta = Cov(Y, X) / Var(X)`` over both arms, 0 if X does not vary;
    ``Y_adjusted = Ȳ - theta X̄`` with variance ``Var(Y) + theta² Var(X) - 2 theta Cov(Y, X)``.
    Variances of shares divide by n, others by n - 1.

    References
    ----------
    A. Deng, Y. Xu, R. Kohavi, T. Walker (2013). Improving the Sensitivity of Online Controlled
    Experiments by Utilizing Pre-Experiment Data. WSDM.
    """
    pooled = control + treatment
    spread = _spread(pooled, "x", "x", is_share)
    theta = _spread(pooled, "x", "y", is_share) / spread if spread > 0 else 0.0
    first, second = (_adjusted(sums, theta, is_share) for sums in (control, treatment))
    return first, second


def _adjusted(sums: Sums, theta: float, is_share: bool) -> ArmSummary:
    plain = summarise_share(sums) if is_share else summarise_mean(sums)
    if not sums.user_count:
        return plain
    x_variance, covariance = (_spread(sums, "x", other, is_share) for other in ("x", "y"))
    return replace(
        plain,
        mean=plain.mean - theta * sums.x / sums.user_count,
        variance=plain.variance + theta**2 * x_variance - 2 * theta * covariance,
        covariate_variance=x_variance,
        covariance=covariance,
        theta=theta,
    )


def _spread(sums: Sums, first: str, second: str, is_share: bool) -> float:
    """Covariance of two of the values; for shares (0 or 1) divided by n instead of n - 1."""
    n = sums.user_count
    if not is_share or not n:
        return sums.variance(first, second)
    product: float = sums.xy if first != second else getattr(sums, first)
    found: float = product / n - getattr(sums, first) / n * (getattr(sums, second) / n)
    return found


def _plain(user_count: int, mean: float, variance: float) -> ArmSummary:
    return ArmSummary(user_count, mean, variance, mean, variance)
