"""What a ranker knows of a user, an item, and the two together, as of a history's cutoff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.choices import choice_rows, describe_baskets, read_choices
from pipelines.models.ranker.items import ITEM_FEATURES, describe_items
from pipelines.models.ranker.pairs import NEVER_MET, PAIR_FEATURES, describe_pairs
from pipelines.models.ranker.users import USER_FEATURES, describe_users

#: Features of an item and a user together, whether they met or not.
CROSS_FEATURES = ("price_over_user_mean",)
#: The columns of `Facts.read`.
FACT_FEATURES = (*ITEM_FEATURES, *USER_FEATURES, *PAIR_FEATURES, *CROSS_FEATURES)


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
            Columns `FACT_FEATURES`; pairs that never met have `NEVER_MET`.
        """
        wanted = user.astype(np.int64) * len(self.items) + item
        at = np.searchsorted(self.pair_keys, wanted)
        known = np.append(self.pair_keys, -1)[np.minimum(at, len(self.pair_keys))] == wanted
        met = np.where(known, at, len(self.pairs))
        pairs = np.vstack([self.pairs, NEVER_MET])[met]
        price = self.items[item, ITEM_FEATURES.index("item_price")]
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = price / self.users[user, USER_FEATURES.index("user_mean_price")]
        return np.hstack([self.items[item], self.users[user], pairs, relative[:, None]])


def read_facts(
    history: Interactions, event_weights: Mapping[str, float], items: np.ndarray | None = None
) -> Facts:
    """Features of every item, user and pair of a history.

    Parameters
    ----------
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
    rows = read_choices(history, event_weights)
    baskets = describe_baskets(history, event_weights)
    keys, pairs = describe_pairs(rows, baskets, history.n_items)
    if items is None:
        items = read_item_facts(history, event_weights)
    return Facts(items, describe_users(rows, baskets, keys, pairs, items), keys, pairs)


def read_item_facts(history: Interactions, event_weights: Mapping[str, float]) -> np.ndarray:
    """`Facts.items` of a history, without the features of users and pairs."""
    return describe_items(choice_rows(history, event_weights), history.current_attributes().price)
