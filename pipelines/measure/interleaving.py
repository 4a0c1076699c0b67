"""An interleaved experiment's analysis: which arm's items each user clicks more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from pipelines.base.config import Settings
from pipelines.base.tables import MET_INTERLEAVED_USERS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import CONTROL, INTERLEAVED, Experiment
from pipelines.measure.decision import GO_ON, NO_DECISION, ROLL_BACK, SHIP, VOID, ArmDecision
from pipelines.measure.units import MIN_DAYS, Units
from pipelines.show.figures import format_share


@dataclass(frozen=True)
class Preference:
    """How many users prefer an arm, by the items they click.

    Parameters
    ----------
    user_count : int
        Users who were shown an interleaved list.
    arm_user_count, control_user_count, tied_user_count : int
        Users with more clicks on the arm's items, on control's, and with as many on both (none,
        for the most part).
    share : float or None
        Of the users who are not tied, those who prefer the arm.
    low, high : float or None
        Exact interval of the share.
    p_value : float or None
        Of the sign test, two-sided.
    reason : str or None
        Why there is no figure.
    """

    user_count: int
    arm_user_count: int
    control_user_count: int
    tied_user_count: int
    share: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    reason: str | None = None


def sign_test(arm_users: int, control_users: int, tied_users: int, *, alpha: float) -> Preference:
    """Sign test of the users who prefer one of two arms.

    Parameters
    ----------
    arm_users, control_users, tied_users : int
        Ties are left out of the test, and counted.
    alpha : float
        The interval is of ``1 - alpha``.

    Notes
    -----
    Under no difference the users who prefer the arm are binomial with chance 1/2; the interval is
    Clopper and Pearson's. Both are exact, so they err less often than alpha says. They hold for one
    look.

    Examples
    --------
    >>> found = sign_test(9, 1, 5, alpha=0.05)
    >>> found.share, round(found.p_value, 4), found.tied_user_count
    (0.9, 0.0215, 5)
    """
    counts = (arm_users + control_users + tied_users, arm_users, control_users, tied_users)
    decided = arm_users + control_users
    if not decided:
        why = "no user clicked more on the items of one arm" if tied_users else "no user was served"
        return Preference(*counts, reason=why)
    found = binomtest(arm_users, decided, 0.5)
    interval = found.proportion_ci(1 - alpha, method="exact")
    share = arm_users / decided
    return Preference(
        *counts, share, float(interval.low), float(interval.high), float(found.pvalue)
    )


def read_teams(settings: Settings, experiment: Experiment, as_of: date) -> pd.DataFrame:
    """Rows of `metrics.met_interleaved_users` of users first served before a night.

    Raises
    ------
    WarehouseLockedError
        If a night holds the warehouse.
    """
    with connect(settings, read_only=True) as warehouse:
        return warehouse.execute(
            f"select * from {MET_INTERLEAVED_USERS.qualified} "
            "where experiment_id = ? and first_served_at < ? order by user_id, team",
            [experiment.experiment_id, as_of],
        ).df()


def analyse_interleaving(
    experiment: Experiment, units: Units, teams: pd.DataFrame, as_of: date
) -> dict[str, Any]:
    """Analyse an interleaved experiment: everything its report says.

    Users who are left out of `units` are left out here; `teams` is what `read_teams` returned.

    Returns
    -------
    dict
        As `analyse_units`, without effects and with ``preferences``: one per arm but control.
    """
    given = experiment.definition
    known = teams[teams["user_id"].isin(units.frame["user_id"])]
    arm = given.arms[1].name
    faults = units.all_faults
    preference = _preference(units, known, arm, given.alpha)
    if faults:
        preference = Preference(len(units.frame), 0, 0, 0, reason="the experiment is at fault")
    is_full = len(units.frame) >= given.expected_users
    decision = _decide(preference, given.alpha, faults, units.days, is_full=is_full)
    return {
        **units.describe(experiment, as_of, "every user is shown both arms"),
        "users": {INTERLEAVED: len(units.frame)},
        "arms": {one.name: _figures(known[known["team"] == one.name]) for one in given.arms},
        "effects": [],
        "preferences": [{"arm": arm, **asdict(preference)}],
        "decisions": [{"arm": arm, **asdict(decision)}],
    }


def _preference(units: Units, teams: pd.DataFrame, arm: str, alpha: float) -> Preference:
    clicks = teams.pivot_table(
        index="user_id", columns="team", values="click_count", aggfunc="sum", fill_value=0
    )
    clicks = clicks.reindex(
        index=units.frame["user_id"].unique(), columns=[CONTROL, arm], fill_value=0
    )
    difference = clicks[arm] - clicks[CONTROL]
    counts = (int((difference > 0).sum()), int((difference < 0).sum()))
    return sign_test(*counts, len(difference) - sum(counts), alpha=alpha)


def _figures(frame: pd.DataFrame) -> dict[str, Any]:
    """Users, impressions and clicks of an arm's items."""
    impressions, clicks = (int(frame[name].sum()) for name in ("impression_count", "click_count"))
    return {
        "user_count": len(frame),
        "impression_count": impressions,
        "click_count": clicks,
        "ctr": clicks / impressions if impressions else None,
        "conversion": None,
        "revenue": None,
    }


def _decide(
    preference: Preference, alpha: float, faults: list[str], days: int, *, is_full: bool
) -> ArmDecision:
    """Decide in one look, once the planned users are there and seven whole days have passed."""
    if faults:
        return ArmDecision(VOID, "; ".join(faults))
    waits = [] if is_full else ["the planned users are not there yet"]
    if days < MIN_DAYS:
        waits.append(f"{days} of {MIN_DAYS} days have passed")
    if waits:
        return ArmDecision(GO_ON, "; ".join(waits))
    if preference.share is None or preference.p_value is None or preference.p_value >= alpha:
        return ArmDecision(
            NO_DECISION, preference.reason or "as many users prefer one as the other"
        )
    share, low, high = (
        format_share(one, 1) for one in (preference.share, preference.low, preference.high)
    )
    words = f"{share} of the users who are not tied prefer it ({low} to {high})"
    return ArmDecision(SHIP if preference.share > 0.5 else ROLL_BACK, words)  # noqa: PLR2004  # a half is no preference
