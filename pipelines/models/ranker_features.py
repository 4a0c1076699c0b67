"""What a ranker knows of a user, an item, and the two together, as of a history's cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.baskets import read_baskets

#: Spans in days over which an item's choices are counted.
ITEM_SPANS = (3, 7, 14, 30, 60)
#: Half-lives in days of a user's own choices of an item.
PAIR_HALF_LIVES = (10.0, 40.0)
#: Baskets of a user that are recent.
RECENT_BASKETS = 3
#: Days of a year, and of it the days after last year's cutoff in which choices are counted.
YEAR_DAYS, SEASON_DAYS = 365, 14

ITEM_FEATURES = (
    *(f"item_purchase_count_{days}d" for days in ITEM_SPANS),
    "item_purchase_count",
    "item_user_count",
    "item_trend_7d_30d",
    "item_trend_14d_60d",
    "item_age_days",
    "item_days_since_last",
    "item_repeat_share",
    "item_last_season_share",
)
USER_FEATURES = (
    "user_purchase_count",
    "user_item_count",
    "user_active_days",
    "user_days_since_last",
    "user_days_since_first",
    "user_basket_size",
    "user_last_basket_size",
    "user_gap_days",
    "user_overdue",
    "user_repeat_share",
    "user_mean_item_popularity",
)
PAIR_FEATURES = (
    "pair_purchase_count",
    "pair_purchase_days",
    *(f"pair_decayed_count_{half_life:g}d" for half_life in PAIR_HALF_LIVES),
    "pair_days_since_last",
    "pair_days_since_first",
    "pair_baskets_since_last",
    "pair_gap_days",
    "pair_overdue",
    "pair_basket_share",
    "pair_recent_basket_share",
)


@dataclass(frozen=True)
class Facts:
    """Features of a history, to be read for any user and item of it.

    Parameters
    ----------
    items : ndarray of float32, shape (n_items, n_item_features)
        Columns `ITEM_FEATURES`.
    users : ndarray of float32, shape (n_users, n_user_features)
        Columns `USER_FEATURES`.
    pair_keys : ndarray of int64, shape (n_pairs,)
        ``user * n_items + item`` of pairs that met, ascending.
    pairs : ndarray of float32, shape (n_pairs, n_pair_features)
        Columns `PAIR_FEATURES`.
    """

    items: np.ndarray
    users: np.ndarray
    pair_keys: np.ndarray
    pairs: np.ndarray

    def read(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        """Features of pairs, met or not.

        Parameters
        ----------
        user, item : ndarray of int, shape (n_rows,)

        Returns
        -------
        ndarray of float32, shape (n_rows, n_features)
            Pairs that never met have counts of 0 and no times (NaN).
        """
        never = np.full(len(PAIR_FEATURES), np.nan, dtype=np.float32)
        never[[n for n, name in enumerate(PAIR_FEATURES) if "count" in name or "share" in name]] = 0
        never[PAIR_FEATURES.index("pair_purchase_days")] = 0
        wanted = user.astype(np.int64) * len(self.items) + item
        at = np.searchsorted(self.pair_keys, wanted)
        known = np.append(self.pair_keys, -1)[np.minimum(at, len(self.pair_keys))] == wanted
        met = np.where(known, at, len(self.pairs))
        pairs = np.vstack([self.pairs, never])[met]
        return np.hstack([self.items[item], self.users[user], pairs])


def read_facts(
    history: Interactions, event_weights: Mapping[str, float], items: np.ndarray | None = None
) -> Facts:
    """Features of every item, user and pair of a history.

    Parameters
    ----------
    history : Interactions
    event_weights : mapping of str to float
        Weight of one event of a type; types of positive weight are choices ("purchase").
    items : ndarray of float32, shape (n_items, n_item_features), optional
        `Facts.items` of everybody's history, where `history` is that of some users only.

    Notes
    -----
    A `purchase_count` counts events and a `purchase_days` days, as the columns of these names in
    the feature tables do. A *gap* is the mean number of days from one choice to the next, and
    *overdue* the days since the last choice over that gap. Shares are from 0 to 1.
    """
    rows = _choices(history, event_weights)
    baskets = _describe_baskets(history, event_weights)
    keys, pairs = _describe_pairs(rows, baskets, history.n_items)
    if items is None:
        items = _describe_items(rows, keys, pairs, history.n_items)
    users = _describe_users(rows, keys, pairs, items, baskets)
    return Facts(items, users, keys, pairs)


@dataclass(frozen=True)
class _Rows:
    """Choices: one row per user, item and day, in that order."""

    user: np.ndarray
    item: np.ndarray
    age: np.ndarray
    count: np.ndarray


@dataclass(frozen=True)
class _BasketFacts:
    """Baskets by user: how many, how large, how far apart; and each basket's place by its age."""

    n_baskets: np.ndarray
    last_age: np.ndarray
    first_age: np.ndarray
    last_size: np.ndarray
    mean_size: np.ndarray
    keys: np.ndarray
    place: np.ndarray


def _choices(history: Interactions, event_weights: Mapping[str, float]) -> _Rows:
    codes = [n for n, kind in enumerate(history.event_types) if event_weights.get(kind, 0.0) > 0]
    chosen = np.flatnonzero(np.isin(history.event_type, codes))
    order = chosen[
        np.lexsort((-history.age_days[chosen], history.item[chosen], history.user[chosen]))
    ]
    user, item, age = history.user[order], history.item[order], history.age_days[order]
    new = np.ones(len(order), dtype=bool)
    new[1:] = (np.diff(user) != 0) | (np.diff(item) != 0) | (np.diff(age) != 0)
    starts = np.flatnonzero(new)
    count = np.add.reduceat(history.event_count[order], starts) if len(order) else order
    return _Rows(user[starts].astype(np.int64), item[starts].astype(np.int64), age[starts], count)


def _describe_baskets(history: Interactions, event_weights: Mapping[str, float]) -> _BasketFacts:
    baskets = read_baskets(history, event_weights)
    size = np.diff(baskets.items.indptr).astype(np.float32)
    n_users = history.n_users
    number = np.bincount(baskets.user, minlength=n_users)
    total = np.bincount(baskets.user, size, minlength=n_users)
    last_age = np.full(n_users, np.nan, dtype=np.float32)
    first_age, last_size = last_age.copy(), last_age.copy()
    is_last = baskets.place == 0
    last_age[baskets.user[is_last]] = baskets.age_days[is_last]
    last_size[baskets.user[is_last]] = size[is_last]
    is_first = baskets.place == number[baskets.user] - 1
    first_age[baskets.user[is_first]] = baskets.age_days[is_first]
    with np.errstate(invalid="ignore"):
        mean_size = (total / number).astype(np.float32)
    keys = _age_keys(baskets.user, baskets.age_days)
    order = np.argsort(keys)
    return _BasketFacts(
        number, last_age, first_age, last_size, mean_size, keys[order], baskets.place[order]
    )


def _age_keys(user: np.ndarray, age: np.ndarray) -> np.ndarray:
    return np.asarray(user.astype(np.int64) * 2**20 + age)


def _describe_pairs(
    rows: _Rows, baskets: _BasketFacts, n_items: int
) -> tuple[np.ndarray, np.ndarray]:
    """Keys of the pairs that met, and their features; rows are oldest first within a pair."""
    row_keys = rows.user * n_items + rows.item
    keys, starts, days = np.unique(row_keys, return_index=True, return_counts=True)
    if not len(keys):
        return keys, np.empty((0, len(PAIR_FEATURES)), dtype=np.float32)
    user = keys // n_items
    last = rows.age[starts + days - 1].astype(np.float32)
    first = rows.age[starts].astype(np.float32)
    place = baskets.place[np.searchsorted(baskets.keys, _age_keys(rows.user, rows.age))]
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
            "pair_recent_basket_share": np.add.reduceat(
                place < RECENT_BASKETS, starts, dtype=np.int64
            )
            / np.minimum(RECENT_BASKETS, baskets.n_baskets[user]),
        }
    for half_life in PAIR_HALF_LIVES:
        decayed = np.exp2(-rows.age / half_life) * rows.count
        columns[f"pair_decayed_count_{half_life:g}d"] = np.add.reduceat(decayed, starts)
    return keys, _stack(columns, PAIR_FEATURES)


def _describe_items(rows: _Rows, keys: np.ndarray, pairs: np.ndarray, n_items: int) -> np.ndarray:
    def count(mask: np.ndarray) -> np.ndarray:
        return np.bincount(rows.item[mask], rows.count[mask], minlength=n_items)

    spans = {days: count(rows.age <= days) for days in ITEM_SPANS}
    total = count(np.ones(len(rows.age), dtype=bool))
    pair_item = keys % n_items
    users = np.bincount(pair_item, minlength=n_items).astype(np.float32)
    days = pairs[:, PAIR_FEATURES.index("pair_purchase_days")]
    repeaters = np.bincount(pair_item[days > 1], minlength=n_items)
    oldest, newest = np.full(n_items, np.nan), np.full(n_items, np.nan)
    order = np.argsort(rows.age, kind="stable")
    oldest[rows.item[order]] = rows.age[order]  # the last one written stays
    newest[rows.item[order[::-1]]] = rows.age[order[::-1]]
    season = (rows.age > YEAR_DAYS - SEASON_DAYS) & (rows.age <= YEAR_DAYS)
    has_season = bool(season.any())
    with np.errstate(divide="ignore", invalid="ignore"):
        columns = {
            **{f"item_purchase_count_{days}d": found for days, found in spans.items()},
            "item_purchase_count": total,
            "item_user_count": users,
            "item_trend_7d_30d": (spans[7] + 0.5) * 30 / ((spans[30] + 2.0) * 7),
            "item_trend_14d_60d": (spans[14] + 0.5) * 60 / ((spans[60] + 2.0) * 14),
            "item_age_days": oldest,
            "item_days_since_last": newest,
            "item_repeat_share": repeaters / users,
            "item_last_season_share": count(season) / total
            if has_season
            else np.full(n_items, np.nan),
        }
    return _stack(columns, ITEM_FEATURES)


def _describe_users(
    rows: _Rows,
    keys: np.ndarray,
    pairs: np.ndarray,
    items: np.ndarray,
    baskets: _BasketFacts,
) -> np.ndarray:
    n_users, n_items = len(baskets.n_baskets), len(items)
    pair_user = keys // n_items
    n_pairs = np.bincount(pair_user, minlength=n_users)
    days = pairs[:, PAIR_FEATURES.index("pair_purchase_days")]
    popularity = items[keys % n_items, ITEM_FEATURES.index("item_user_count")]
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(
            baskets.n_baskets > 1,
            (baskets.first_age - baskets.last_age) / (baskets.n_baskets - 1),
            np.nan,
        )
        columns = {
            "user_purchase_count": np.bincount(rows.user, rows.count, minlength=n_users),
            "user_item_count": n_pairs,
            "user_active_days": baskets.n_baskets,
            "user_days_since_last": baskets.last_age,
            "user_days_since_first": baskets.first_age,
            "user_basket_size": baskets.mean_size,
            "user_last_basket_size": baskets.last_size,
            "user_gap_days": gap,
            "user_overdue": baskets.last_age / gap,
            "user_repeat_share": np.bincount(pair_user[days > 1], minlength=n_users) / n_pairs,
            "user_mean_item_popularity": np.bincount(pair_user, popularity, minlength=n_users)
            / n_pairs,
        }
    return _stack(columns, USER_FEATURES)


def _stack(columns: Mapping[str, np.ndarray], names: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([columns[name] for name in names]).astype(np.float32)
