"""Features of a user that a ranker learns from."""

from __future__ import annotations

import numpy as np

from pipelines.models.choices import BasketFacts, Choices, stack_columns
from pipelines.models.ranker.items import ITEM_FEATURES
from pipelines.models.ranker.pairs import PAIR_FEATURES

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
    "user_last_basket_new_share",
    "user_last_basket_popularity",
    "user_mean_price",
)


def describe_users(
    rows: Choices,
    baskets: BasketFacts,
    keys: np.ndarray,
    pairs: np.ndarray,
    items: np.ndarray,
) -> np.ndarray:
    """Features of every user.

    Parameters
    ----------
    keys : ndarray of int64, shape (n_pairs,)
        ``user * n_items + item`` of the pairs that met.
    pairs : ndarray of float32, shape (n_pairs, n_pair_features)
    items : ndarray of float32, shape (n_items, n_item_features)
        Everybody's, as of the same cutoff.

    Returns
    -------
    ndarray of float32, shape (n_users, n_features)
        Columns `USER_FEATURES`.
    """
    n_users, n_items = len(baskets.n_baskets), len(items)
    user, item = np.divmod(keys, n_items)
    n_pairs = np.bincount(user, minlength=n_users)
    first = pairs[:, PAIR_FEATURES.index("pair_days_since_first")]
    last = pairs[:, PAIR_FEATURES.index("pair_days_since_last")]
    is_repeated = pairs[:, PAIR_FEATURES.index("pair_purchase_days")] > 1
    in_last_basket = last == baskets.last_age[user]
    is_new_in_it = in_last_basket & (first == last)

    def of_items(name: str) -> np.ndarray:
        return items[item, ITEM_FEATURES.index(name)]

    def total(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
        return np.bincount(user[mask], values[mask], minlength=n_users)

    price = of_items("item_price")
    everything, is_priced = np.ones(len(user), dtype=bool), np.isfinite(price)
    one = np.ones(len(user))
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
            "user_repeat_share": total(one, is_repeated) / n_pairs,
            "user_mean_item_popularity": total(of_items("item_user_count"), everything) / n_pairs,
            "user_last_basket_new_share": total(one, is_new_in_it) / baskets.last_size,
            "user_last_basket_popularity": total(
                of_items("item_purchase_count_30d"), in_last_basket
            )
            / baskets.last_size,
            "user_mean_price": total(price, is_priced) / total(one, is_priced),
        }
    return stack_columns(columns, USER_FEATURES)
