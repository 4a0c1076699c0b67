"""Sample ratio check: whether arms have as many users as their weights say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import chi2

#: P-value below which a mismatch is taken for a fault and not for chance.
ALARM_BELOW = 0.001
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
