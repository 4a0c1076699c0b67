"""Features of an item that a ranker learns from."""

from __future__ import annotations

import numpy as np

from pipelines.models.choices import Choices, order_by_age, pair_starts, stack_columns

#: Spans in days over which an item's choices are counted.
SPANS = (3, 7, 14, 30, 60)
#: Days of a year, and of the season: the days after the cutoff a year ago.
YEAR_DAYS, SEASON_DAYS = 365, 14

ITEM_FEATURES = (
    *(f"item_purchase_count_{days}d" for days in SPANS),
    "item_purchase_count",
    "item_user_count",
    "item_trend_7d_30d",
    "item_trend_14d_60d",
    "item_age_days",
    "item_days_since_last",
    "item_repeat_share",
    "item_last_season_share",
    "item_price",
)


def describe_items(rows: Choices, price: np.ndarray) -> np.ndarray:
    """Features of every item.

    Parameters
    ----------
    rows : Choices
        As `choice_rows` gives them.
    price : ndarray of float64, shape (n_items,)
        NaN where unknown.

    Returns
    -------
    ndarray of float32, shape (n_items, n_features)
        Columns `ITEM_FEATURES`.
    """
    n_items = len(price)
    columns = {
        **_count_choices(rows, n_items),
        **_count_users(rows, n_items),
        "item_price": price,
    }
    return stack_columns(columns, ITEM_FEATURES)


def _count_choices(rows: Choices, n_items: int) -> dict[str, np.ndarray]:
    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(rows.item[mask], rows.count[mask], minlength=n_items)

    spans = {days: count(rows.age <= days) for days in SPANS}
    total = count(np.ones(len(rows.age), dtype=bool))
    oldest, newest = np.full(n_items, np.nan), np.full(n_items, np.nan)
    order = order_by_age(rows.age)
    oldest[rows.item[order]] = rows.age[order]  # the last one written stays
    newest[rows.item[order[::-1]]] = rows.age[order[::-1]]
    season = (rows.age > YEAR_DAYS - SEASON_DAYS) & (rows.age <= YEAR_DAYS)
    with np.errstate(divide="ignore", invalid="ignore"):
        last_season = count(season) / total
    return {
        **{f"item_purchase_count_{days}d": found for days, found in spans.items()},
        "item_purchase_count": total,
        "item_trend_7d_30d": (spans[7] + 0.5) * 30 / ((spans[30] + 2.0) * 7),
        "item_trend_14d_60d": (spans[14] + 0.5) * 60 / ((spans[60] + 2.0) * 14),
        "item_age_days": oldest,
        "item_days_since_last": newest,
        "item_last_season_share": last_season if season.any() else np.full(n_items, np.nan),
    }


def _count_users(rows: Choices, n_items: int) -> dict[str, np.ndarray]:
    starts = pair_starts(rows.user, rows.item)
    item = rows.item[starts]
    is_repeated = np.zeros(0, dtype=bool)
    if len(starts):
        is_repeated = np.maximum.reduceat(rows.age, starts) > np.minimum.reduceat(rows.age, starts)
    users = np.bincount(item, minlength=n_items).astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        repeat_share = np.bincount(item[is_repeated], minlength=n_items) / users
    return {"item_user_count": users, "item_repeat_share": repeat_share}
