from __future__ import annotations

from datetime import date, timedelta

import pytest

from pipelines.base.tables import (
    MET_LIST_DAYS,
    SERVING_CANDIDATE_METRICS,
    SERVING_CHAMPIONS,
)
from pipelines.base.warehouse import connect
from pipelines.notify.drops import find_drops

NIGHT = date(2024, 3, 20)


def insert(warehouse, table, row):
    columns = ", ".join(row)
    marks = ", ".join("?" for _ in row)
    values = list(row.values())
    warehouse.execute(f"insert into {table.qualified} ({columns}) values ({marks})", values)


def store_ndcg(settings, *values):
    """The champion's NDCG of nights that end with NIGHT; a loser and a segment are other rows."""
    with connect(settings) as warehouse:
        for age, value in enumerate(reversed(values)):
            night = {"as_of": NIGHT - timedelta(days=age), "placement": "discover"}
            insert(warehouse, SERVING_CHAMPIONS, {**night, "candidate": "ease", "spec_hash": "e"})
            score = {**night, "time_window": "gate", "metric": "ndcg_at_10"}
            for candidate, hash_, segment, found in (
                ("ease", "e", "all", value),
                ("ease", "e", "new", 9.0),
                ("other", "o", "all", 9.0),
            ):
                names = {"candidate": candidate, "spec_hash": hash_, "segment": segment}
                insert(warehouse, SERVING_CANDIDATE_METRICS, {**score, **names, "value": found})


def store_days(settings, newest, *days):
    """(answers, impressions, clicks, purchases) of days that end with `newest`."""
    with connect(settings) as warehouse:
        warehouse.execute("create schema if not exists metrics")
        columns = ", ".join(f"{name} {kind}" for name, kind in MET_LIST_DAYS.columns.items())
        warehouse.execute(f"create or replace table {MET_LIST_DAYS.qualified} ({columns})")
        for age, counts in enumerate(reversed(days)):
            row = {"served_date": newest - timedelta(days=age), "placement": "discover"}
            names = ("answer_count", "impression_count", "click_count", "purchase_count")
            for variant, share in (("control", 2), ("treatment", 2)):
                halves = [count // share for count in counts]
                numbers = dict(zip(names, halves, strict=True))
                insert(warehouse, MET_LIST_DAYS, {**row, "variant": variant, **numbers})


@pytest.mark.parametrize(
    ("values", "is_drop"),
    [
        ((0.4, 0.2, 0.241), False),  # the mean before is 0.3, and 20 % less are 0.24
        ((0.4, 0.2, 0.239), True),
        ((0.3,), False),  # a first night has nothing before it
    ],
)
def test_ndcg_is_compared_with_the_mean_of_the_nights_before(make_settings, values, is_drop):
    settings = make_settings()
    store_ndcg(settings, *values)
    assert [alert.facts["Placement"] for alert in find_drops(settings, NIGHT)] == [
        "discover"
    ] * is_drop


def test_a_drop_is_told_with_figures_and_the_report_to_read(make_settings):
    settings = make_settings()
    store_ndcg(settings, 0.4, 0.1)
    (alert,) = find_drops(settings, NIGHT)
    assert alert.subject == "recsys: the champion's ndcg_at_10 of discover fell by 75%"
    assert alert.message == (
        ".1000 on 2024-03-20; the mean before is .4000, and 20% less is reported"
    )
    assert alert.command == f"recsys report --as-of 2024-03-20 --home {settings.home}"
    assert alert.name == find_drops(settings, NIGHT)[0].name


def test_only_so_many_nights_before_count(make_settings):
    settings = make_settings(notify={"baseline_count": 1})
    store_ndcg(settings, 0.9, 0.9, 0.1, 0.09)
    assert find_drops(settings, NIGHT) == []


def test_a_night_that_was_not_scored_is_not_compared(make_settings):
    settings = make_settings()
    store_ndcg(settings, 0.4, 0.1)
    assert find_drops(settings, NIGHT + timedelta(days=1)) == []


def test_clicks_are_compared_on_the_day_before_over_all_variants(make_settings):
    settings = make_settings()
    day = NIGHT - timedelta(days=1)
    store_days(settings, day, (200, 2000, 100, 0), (200, 2000, 60, 0))
    (alert,) = find_drops(settings, NIGHT)
    assert alert.subject == "recsys: clicks per impression of discover fell by 40%"
    store_days(settings, day, (200, 2000, 100, 0), (200, 2000, 70, 0))
    assert find_drops(settings, NIGHT) == []


def test_days_with_few_impressions_are_left_out(make_settings):
    settings = make_settings()
    store_days(settings, NIGHT - timedelta(days=1), (20, 2000, 100, 0), (20, 998, 2, 0))
    assert find_drops(settings, NIGHT) == []


def test_purchases_are_compared_when_their_days_are_over(make_settings):
    settings = make_settings()
    newest = NIGHT - timedelta(days=1 + settings.track.attribution_days)
    store_days(settings, newest, (2000, 0, 0, 200), (2000, 0, 0, 100))
    (alert,) = find_drops(settings, NIGHT)
    assert alert.subject == "recsys: purchases per answer of discover fell by 50%"
    assert f"on {newest}" in alert.message


def test_a_comparison_may_be_switched_off(make_settings):
    settings = make_settings()
    store_ndcg(settings, 0.4, 0.1)
    none = settings.notify.model_copy(update={"ndcg_drop_share": None})
    assert find_drops(settings.model_copy(update={"notify": none}), NIGHT) == []
