"""Drops of a metric: the champion's NDCG, clicks per impression, purchases per answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from pipelines.base.config import Settings
from pipelines.base.tables import MET_LIST_DAYS, SERVING_CANDIDATE_METRICS, SERVING_CHAMPIONS
from pipelines.base.warehouse import connect
from pipelines.notify.alert import Alert, command_here
from pipelines.show.figures import format_figure, format_share

#: Rows of (placement, day, value) to the newest day's value and the mean of the days before.
_AGAINST_BEFORE = """
    , ranked as (
        select *, row_number() over (partition by placement order by day desc) as age from daily
    )
    select placement, max(value) filter (age = 1) as newest, avg(value) filter (age > 1) as before
    from ranked
    where age <= 1 + $count
    group by placement
    having max(day) = $newest and before > 0
    order by placement
"""
_NDCG = f"""
    with daily as (
        select champions.placement, champions.as_of as day, metrics.value
        from {SERVING_CHAMPIONS.qualified} as champions
        inner join {SERVING_CANDIDATE_METRICS.qualified} as metrics
            on champions.as_of = metrics.as_of
                and champions.placement = metrics.placement
                and champions.spec_hash = metrics.spec_hash
        where metrics.time_window = 'gate' and metrics.segment = 'all'
            and metrics.metric = $metric and champions.as_of <= $newest
        group by all
    )
"""
_ONLINE = f"""
    with daily as (
        select placement, served_date as day, sum({{top}}) / sum({{bottom}}) as value
        from {MET_LIST_DAYS.qualified}
        where served_date <= $newest
        group by placement, served_date
        having sum({{bottom}}) >= $least
    )
"""


@dataclass(frozen=True)
class _Drop:
    metric: str
    placement: str
    day: date
    found: float
    before: float
    share: float


def find_drops(settings: Settings, as_of: date) -> list[Alert]:
    """Compare a night's metrics with those of the nights and days before.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night; what was shown is compared by the day before, what was bought by the last day
        whose `track.attribution_days` are over.

    Returns
    -------
    list of Alert
        One per placement and metric that is too low.

    Raises
    ------
    WarehouseLockedError
        If another process writes the warehouse.
    """
    notify, yesterday = settings.notify, as_of - timedelta(days=1)
    least = {"least": notify.min_impressions}
    metric = f"ndcg_at_{settings.evaluation.k}"
    clicks = _ONLINE.format(top="click_count", bottom="impression_count")
    purchases = _ONLINE.format(top="purchase_count", bottom="answer_count")
    bought_by = yesterday - timedelta(days=settings.track.attribution_days)
    looks = (
        (f"the champion's {metric}", notify.ndcg_drop_share, _NDCG, as_of, {"metric": metric}),
        ("clicks per impression", notify.ctr_drop_share, clicks, yesterday, least),
        ("purchases per answer", notify.conversion_drop_share, purchases, bought_by, least),
    )
    alerts = []
    with connect(settings, read_only=True) as warehouse:
        has_online = _has_online_metrics(warehouse)
        for name, share, daily, newest, values in looks:
            if share is None or (daily != _NDCG and not has_online):
                continue
            asked = {**values, "newest": newest, "count": notify.baseline_count}
            for placement, found, before in warehouse.execute(
                daily + _AGAINST_BEFORE, asked
            ).fetchall():
                if found < (1 - share) * before:
                    drop = _Drop(name, placement, newest, found, before, share)
                    alerts.append(_alert(settings, as_of, drop))
    return alerts


def _has_online_metrics(warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether dbt has made the table of what was shown; it is empty where nothing was."""
    found = warehouse.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?",
        [MET_LIST_DAYS.schema, MET_LIST_DAYS.name],
    ).fetchone()
    return bool(found and found[0])


def _alert(settings: Settings, as_of: date, drop: _Drop) -> Alert:
    share = 1 - drop.found / drop.before
    return Alert(
        key=f"drop {drop.metric} {drop.placement} {drop.day}",
        subject=f"recsys: {drop.metric} of {drop.placement} fell by {format_share(share)}",
        message=f"{format_figure(drop.found)} on {drop.day}; the mean before is "
        f"{format_figure(drop.before)}, and {format_share(drop.share)} less is reported",
        remedy="Compare the night's report with the one before; `recsys rollback` goes back to "
        "the lists of the night before.",
        command=command_here(settings, "report", "--as-of", as_of.isoformat()),
        facts={"Night": as_of.isoformat(), "Placement": drop.placement},
    )
