"""Exclusions: items that a placement does not show to single users, or to anybody."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.rules.eligible_groups import STRANGERS, group_by_eligibility, without_consent
from pipelines.rules.shown_items import keeps_item


def placement_exclusion(
    placement: PlacementSettings,
    history: Interactions,
    catalogue: pd.DataFrame | None = None,
    users: pd.DataFrame | None = None,
) -> Exclusion:
    """Items that a placement does not show, for the users and items of a history.

    Parameters
    ----------
    placement : PlacementSettings
        `exclude` says whether none, all, or some event types of a user's history exclude an item,
        `exclude_within_days` how recent they must be.
    history : Interactions
        Everything known before the cutoff.
    catalogue : DataFrame, optional
        One row per item_id with `is_available` and `is_in_feed`; the items that `hidden_items`
        finds in it are shown to nobody. Without it, as of a time whose catalogue is not known any
        more, `eligible` does not apply either.
    users : DataFrame, optional
        One row per user_id of a users feed: attributes and consent.

    Returns
    -------
    Exclusion
        In the rows and columns of `history`. What users without consent did excludes nothing.
    """
    impersonal = without_consent(placement, history.user_ids, users)
    pairs = None
    if placement.exclude != "none":
        keeping = _keeping_rows(placement, history)
        if impersonal is not None:
            keeping &= ~impersonal[history.user]
        pairs = history.pairs_of_rows(keeping)
    if catalogue is None:
        return Exclusion(pairs, impersonal=impersonal)
    items = hidden_items(history.item_ids, catalogue, placement.show_items_without_feed)
    groups, hidden = None, None
    if placement.eligible:
        groups, hidden = group_by_eligibility(
            placement.eligible, history.item_ids, catalogue, history.user_ids, users
        )
    return Exclusion(pairs, items, groups, hidden, impersonal)


def exclusion_of_strangers(exclude: Exclusion, count: int) -> Exclusion:
    """Exclusion for people without a history and of whom nothing is known.

    Parameters
    ----------
    exclude : Exclusion
        Of known users, by `placement_exclusion`.
    count : int
        Number of strangers.
    """
    groups = None if exclude.groups is None else np.full(count, STRANGERS)
    return Exclusion(items=exclude.items, groups=groups, group_items=exclude.group_items)


def hidden_items(
    item_ids: np.ndarray, catalogue: pd.DataFrame, show_items_without_feed: bool | None
) -> np.ndarray | None:
    """Mask of the items that nobody is shown: not available, or in no items feed.

    Parameters
    ----------
    item_ids : ndarray of str, shape (n_items,)
    catalogue : DataFrame
        One row per item_id with `is_available` and `is_in_feed`. Items without a row or without a
        value count as available.
    show_items_without_feed : bool or None
        See `items_without_feed`.

    Returns
    -------
    ndarray of bool, shape (n_items,), or None
        None when all may be shown.
    """
    is_gone = catalogue["is_available"].astype("boolean").eq(False).fillna(False).to_numpy(bool)
    hidden = np.isin(item_ids, catalogue["item_id"].to_numpy()[is_gone].astype(np.str_))
    hidden |= items_without_feed(item_ids, catalogue, show_items_without_feed)
    return hidden if hidden.any() else None


def items_without_feed(
    item_ids: np.ndarray, catalogue: pd.DataFrame, show_items_without_feed: bool | None
) -> np.ndarray:
    """Mask of the items that nobody is shown because no items feed has them.

    Parameters
    ----------
    item_ids : ndarray of str, shape (n_items,)
    catalogue : DataFrame
        One row per item_id with `is_in_feed`.
    show_items_without_feed : bool or None
        Whether such items are shown; None shows them only where no item is in a feed.

    Returns
    -------
    ndarray of bool, shape (n_items,)
    """
    in_feed = catalogue.loc[catalogue["is_in_feed"].to_numpy(bool), "item_id"]
    is_shown = in_feed.empty if show_items_without_feed is None else show_items_without_feed
    hidden: np.ndarray = ~np.isin(item_ids, in_feed.to_numpy(dtype=np.str_)) & (not is_shown)
    return hidden


def _keeping_rows(placement: PlacementSettings, history: Interactions) -> np.ndarray:
    """Mask of the history's rows that exclude their item; each type and age is decided once."""
    ages = range(int(history.age_days.max(initial=0)) + 1)
    answers = [
        [
            keeps_item(placement.exclude, placement.exclude_within_days, event_type, age)
            for age in ages
        ]
        for event_type in history.event_types
    ]
    table = np.array(answers, dtype=bool).reshape(len(history.event_types), len(ages))
    kept: np.ndarray = table[history.event_type, history.age_days]
    return kept
