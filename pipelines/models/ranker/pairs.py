"""Features of a user and an item that met, which a ranker learns from."""

from __future__ import annotations

import numpy as np

from pipelines.models.choices import BasketFacts, Choices, pair_starts, stack_columns

#: Half-lives in days of a user's own choices of an item.
HALF_LIVES = (10.0, 40.0)
#: Number of a user's last baskets that are recent.
RECENT_BASKETS = 3

PAIR_FEATURES = (
    "pair_purchase_count",
    "pair_purchase_days",
    *(f"pair_decayed_count_{half_life:g}d" for half_life in HALF_LIVES),
    "pair_days_since_last",
    "pair_days_since_first",
    "pair_baskets_since_last",
    "pair_gap_days",
    "pair_overdue",
    "pair_basket_share",
    "pair_recent_basket_share",
)
#: Features of pairs that never met: counts and shares of 0, and no times (NaN).
NEVER_MET = np.array(
    [
        0.0 if "count" in name or "share" in name or name == "pair_purchase_days" else np.nan
        for name in PAIR_FEATURES
    ],
    dtype=np.float32,
)


def describe_pairs(
    rows: Choices, baskets: BasketFacts, n_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the pairs that met, and their features.

    Returns
    -------
    keys : ndarray of int64, shape (n_pairs,)
        ``user * n_items + item``, ascending.
    features : ndarray of float32, shape (n_pairs, n_features)
        Columns `PAIR_FEATURES`.
    """
    starts = pair_starts(rows.user, rows.item)  # a pair's oldest day
    keys = rows.user[starts] * n_items + rows.item[starts]
    days = np.diff(starts, append=len(rows.user))
    if not len(keys):
        return keys, np.empty((0, len(PAIR_FEATURES)), dtype=np.float32)
    user = keys // n_items
    last = rows.age[starts + days - 1].astype(np.float32)
    first = rows.age[starts].astype(np.float32)
    place = baskets.place_of(rows)
    recent = np.add.reduceat(place < RECENT_BASKETS, starts, dtype=np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(days > 1, (first - last) / (days - 1), np.nan)
        columns = {
            "pair_purchase_count": np.add.reduceat(rows.count, starts),
            "pair_purchase_days": days,
            "pair_days_since_last": last,
            "pair_days_since_first": first,
            "pair_baskets_since_last": np.minimum.reduceat(place, starts),
            "pair_gap_days": gap,
            "pair_overdue": last / gap,
            "pair_basket_share": days / baskets.n_baskets[user],
            "pair_recent_basket_share": recent
            / np.minimum(RECENT_BASKETS, baskets.n_baskets[user]),
        }
    for half_life in HALF_LIVES:
        decayed = np.exp2(-rows.age / half_life) * rows.count
        columns[f"pair_decayed_count_{half_life:g}d"] = np.add.reduceat(decayed, starts)
    return keys, stack_columns(columns, PAIR_FEATURES)
