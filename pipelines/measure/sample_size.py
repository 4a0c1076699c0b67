"""Before an experiment: how many users it needs, and how many days that is at today's traffic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.base.config import Settings
from pipelines.base.errors import ExperimentError
from pipelines.base.tables import INT_USER_ITEM_DAYS
from pipelines.base.warehouse import connect
from pipelines.experiments.definition import ExperimentDefinition
from pipelines.measure.effects import users_per_arm_needed

#: Days of our own events that variances and traffic come from.
LOOKBACK_DAYS = 28
#: An experiment that lasts longer is warned about: people, seasons and catalogues change.
LONGEST_DAYS = 28
POWER = 0.8


@dataclass(frozen=True)
class Plan:
    """The users and days that an experiment needs.

    Parameters
    ----------
    metric : str
    mean, variance : float
        Per user, over a window of `attribution_days`.
    relative_difference : float
        Least relative lift to be found.
    users_per_arm, users : int
        For the smallest arm, and in all.
    users_per_day : float
        Different users a day in the last `LOOKBACK_DAYS`.
    days : int
        Days until they are there, at that traffic, plus the days to buy.
    warnings : tuple of str
    """

    metric: str
    mean: float
    variance: float
    relative_difference: float
    users_per_arm: int
    users: int
    users_per_day: float
    days: int
    warnings: tuple[str, ...]


def plan_experiment(
    settings: Settings, definition: ExperimentDefinition, as_of: date, relative_difference: float
) -> Plan:
    """Compute users and days to find a relative lift of the goal in four of five experiments.

    Events of the `LOOKBACK_DAYS` before `as_of` say how users vary; the definition gives the goal,
    weights, coverage and level.

    Raises
    ------
    ExperimentError
        If these events hold nothing to estimate the goal's variance from.

    Notes
    -----
    ``n = 2 (z_.975 + z_.8)² V / δ²`` per arm, δ the absolute difference. For clicks per impression,
    where there are no exposures yet, users' clicks per view stand in.
    """
    mean, variance, users_per_day = _observed(settings, definition.goal, as_of)
    if not mean or not variance or not users_per_day:
        raise ExperimentError(
            f"A plan needs events to estimate {definition.goal} from. Found none in the "
            f"{LOOKBACK_DAYS} days before {as_of}. Load them, or plan by another goal."
        )
    per_arm = users_per_arm_needed(
        variance, relative_difference * mean, alpha=definition.alpha, power=POWER
    )
    smallest = min(arm.weight for arm in definition.arms if arm.weight > 0)
    users = math.ceil(per_arm / smallest)
    days = math.ceil(users / (users_per_day * definition.coverage))
    days += settings.track.attribution_days
    return Plan(
        definition.goal,
        mean,
        variance,
        relative_difference,
        per_arm,
        users,
        users_per_day,
        days,
        tuple(_warnings(definition, users, days)),
    )


def _warnings(definition: ExperimentDefinition, users: int, days: int) -> list[str]:
    found = []
    if days > LONGEST_DAYS:
        found.append(
            f"{days} days are more than {LONGEST_DAYS}: look for a larger effect, a goal that "
            "varies less, or interleave the two lists"
        )
    if definition.expected_users < users:
        found.append(f"expected_users is {definition.expected_users:,}, this takes {users:,}")
    return found


def _observed(settings: Settings, goal: str, as_of: date) -> tuple[float, float, float]:
    """Mean and variance per user in a window of attribution_days, and new users a day."""
    days = settings.track.attribution_days
    with connect(settings, read_only=True) as warehouse:
        row = warehouse.execute(
            f"""
            with events as (
                select user_id, event_date, event_type, event_count, revenue
                from {INT_USER_ITEM_DAYS.qualified}
                where event_date < $1 and event_date >= $2 and is_first_landing
                    and not list_contains($3, event_type)
            ),
            users as (
                select
                    user_id,
                    (bool_or(event_type = 'purchase' and event_date >= $4))::double as conversion,
                    coalesce(sum(revenue) filter (
                        where event_type = 'purchase' and event_date >= $4
                    ), 0) as revenue,
                    coalesce(sum(event_count) filter (where event_type = 'click'), 0) as clicks,
                    coalesce(sum(event_count) filter (where event_type = 'view'), 0) as views
                from events group by user_id
            )
            select avg(conversion), var_samp(conversion), avg(revenue), var_samp(revenue),
                sum(clicks) / nullif(sum(views), 0),
                (var_samp(clicks) / avg(views) ** 2
                    + var_samp(views) * avg(clicks) ** 2 / avg(views) ** 4
                    - 2 * covar_samp(clicks, views) * avg(clicks) / avg(views) ** 3),
                count(*)
            from users
            """,
            [
                as_of,
                as_of - timedelta(days=LOOKBACK_DAYS),
                list(settings.events.exposures),
                as_of - timedelta(days=days),
            ],
        ).fetchone()
    values = [0.0 if value is None else float(value) for value in row or [0.0] * 7]
    place = {"conversion": 0, "revenue": 2, "ctr": 4}[goal]
    return values[place], values[place + 1], values[6] / LOOKBACK_DAYS
