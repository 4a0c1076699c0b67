"""The one chain that makes a list: rank, reorder by the rules, fill, pin, and say who chose what.

Evaluation, published lists, the registered model and the prices of rules all make lists by
`place`. The API answers row by row; its tests hold it to the same lists.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.popularity import Popularity
from pipelines.rules.fill import back_fill
from pipelines.rules.list_rules import ListRules
from pipelines.rules.pins import insert_pins
from pipelines.rules.shown_items import PINNED, PINNED_REASON, WITHOUT_CONSENT

#: Who chose an item: the recommender from the user's history, the recommender to complete its own
#: list, the fallback for a whole list, the fallback for the rest of a list, the fallback for
#: somebody who does not consent to more, the shop.
OWN, OWN_COMPLETION, FALLBACK_LIST, FALLBACK_REST, NO_CONSENT, PIN = range(6)
#: End of the reason of every row in a list shorter than was asked for.
SHORT_LIST = "short list: no other item may be shown"
FOR_ANYONE = "fallback: for anyone not known on this night"


@dataclass(frozen=True)
class PlacedLists(TopN):
    """Lists as a placement shows them.

    Parameters
    ----------
    source : ndarray of int, shape (n_users, k)
        Who chose each item: `OWN`, `OWN_COMPLETION`, `FALLBACK_LIST`, `FALLBACK_REST`,
        `NO_CONSENT` or `PIN`; without meaning past the end.
    """

    source: np.ndarray


@dataclass(frozen=True)
class Labels:
    """Strategy (a word) and reason (a sentence) that go with each source of a listed item.

    Parameters
    ----------
    strategies, reasons : list of str
        One per source, then one per source again for lists that are short.
    """

    strategies: list[str]
    reasons: list[str]

    def of_rows(self, lists: PlacedLists) -> np.ndarray:
        """Positions in `strategies` and `reasons` of all listed items, list by list."""
        is_listed = lists.items >= 0
        is_short = ~is_listed.all(axis=1, keepdims=True)
        positions: np.ndarray = (lists.source + (PIN + 1) * is_short)[is_listed]
        return positions


def place(
    recommender: Recommender,
    fallback: Recommender | None,
    history: Interactions,
    k: int,
    *,
    rules: ListRules,
    exclude: Exclusion,
) -> PlacedLists:
    """Make the lists of a history's users by all rules of a placement.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    fallback : Recommender or None
        Fitted; completes short lists. None leaves them short.
    history : Interactions
        Of the users to make lists for.
    k : int
        Maximum length of a list.
    rules : ListRules
        Boosts, cap, diversification and pins.
    exclude : Exclusion
        In the rows and columns of `history`.

    Returns
    -------
    PlacedLists
        One row per user of `history`, in its order.

    Notes
    -----
    Excluded items never enter a list. Boosts move items, and cap and diversification choose the
    first ranks, of the recommender's list and of the fallback's; then the fallback's completes the
    recommender's (`back_fill`), and pinned items come last. Users without consent
    (`Exclusion.impersonal`) get the fallback's list for somebody who did nothing; without a
    fallback, none.
    """
    own = _without_impersonal(_rank(recommender, history, k, rules, exclude), exclude)
    source = _own_source(recommender, history, own)
    lists: TopN = own
    if fallback is not None:
        short = np.flatnonzero((own.items < 0).any(axis=1))
        spare = _rank(fallback, history.select_users(short), k, rules, exclude.select_users(short))
        lists = back_fill(own, spare, short)
        has_own = (own.items >= 0).any(axis=1, keepdims=True)
        whole = np.full(len(own.items), FALLBACK_LIST)
        if exclude.impersonal is not None:
            whole[exclude.impersonal] = NO_CONSENT
        filled = np.where(has_own, FALLBACK_REST, whole[:, None])
        source = np.where(own.items >= 0, source, filled)
    pins = rules.pins_of(lists.item_ids)
    if pins:
        kept = exclude.with_items(history.item_ids, lists.item_ids)
        pinned = insert_pins(lists.items, lists.scores, pins, kept)
        source = np.take_along_axis(source, np.maximum(pinned.origin, 0), axis=1)
        source = np.where(pinned.is_pinned, PIN, source)
        lists = replace(lists, items=pinned.items, scores=pinned.scores)
    return PlacedLists(lists.user_ids, lists.item_ids, lists.items, lists.scores, source)


def place_for_anyone(
    fallback: Recommender,
    history: Interactions,
    user_ids: np.ndarray,
    k: int,
    *,
    rules: ListRules,
    exclude: Exclusion,
) -> PlacedLists:
    """Make the fallback's list for users without history, by what each may be shown.

    Parameters
    ----------
    fallback, k, rules
        As in `place`.
    history : Interactions
        Its items are those known; its users do not matter.
    user_ids : ndarray of str, shape (n_users,)
        Not in `history`.
    exclude : Exclusion
        In the rows of `user_ids` and the columns of `history`; pairs do not matter.

    Returns
    -------
    PlacedLists
        Every item is of source `FALLBACK_LIST`, or `PIN`.
    """
    strangers = without_history(history, user_ids)
    everybody = replace(exclude, pairs=None, impersonal=None)
    lists = place(fallback, None, strangers, k, rules=rules, exclude=everybody)
    return replace(lists, source=np.where(lists.source == PIN, PIN, FALLBACK_LIST))


def without_history(history: Interactions, user_ids: np.ndarray) -> Interactions:
    """Empty histories of the given users, over the items of a history."""
    return replace(history.select_users(np.array([], dtype=int)), user_ids=user_ids)


def make_labels(recommender: Recommender | None, fallback: Recommender) -> Labels:
    """Make the labels of a recommender's lists that a fallback completes.

    Parameters
    ----------
    recommender : Recommender or None
        None for the lists of users unknown on this night, which are the fallback's.
    """
    writer = recommender or fallback
    whole = f"fallback: no history that {writer.strategy} can learn from"
    strategies = [writer.strategy, Popularity.strategy, *[fallback.strategy] * 3]
    reasons = [
        writer.reason or writer.strategy,
        Popularity.reason,
        FOR_ANYONE if recommender is None else whole,
        f"fallback: {writer.strategy} had no more items",
        WITHOUT_CONSENT,
        PINNED_REASON,
    ]
    return Labels(
        [*strategies, PINNED] * 2, reasons + [f"{reason}; {SHORT_LIST}" for reason in reasons]
    )


def _rank(
    recommender: Recommender, history: Interactions, k: int, rules: ListRules, exclude: Exclusion
) -> TopN:
    """Lists of at most `k` items by all rules but the pins."""
    fetched = recommender.recommend(history, rules.fetch_length(k), exclude=exclude)
    return rules.reorder(fetched, k)


def _without_impersonal(lists: TopN, exclude: Exclusion) -> TopN:
    """The same lists, but none of the users whose history must not be used."""
    if exclude.impersonal is None:
        return lists
    gone = exclude.impersonal[:, None]
    return replace(
        lists, items=np.where(gone, -1, lists.items), scores=np.where(gone, np.nan, lists.scores)
    )


def _own_source(recommender: Recommender, history: Interactions, own: TopN) -> np.ndarray:
    """Source of a recommender's items: `OWN_COMPLETION` where it completed a list itself."""
    if not recommender.completes_itself:
        return np.full(own.items.shape, OWN)
    known = history.with_items(own.item_ids)
    met = known.matrix(recommender.get_params()["event_weights"]).tocoo()
    row = np.arange(len(own.items), dtype=np.int64)[:, None]
    is_met = np.isin(
        row * known.n_items + own.items, met.row.astype(np.int64) * known.n_items + met.col
    )
    return np.where(is_met, OWN, OWN_COMPLETION)
