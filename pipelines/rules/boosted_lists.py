"""Move the items of whole lists by a placement's boosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from pipelines.base.settings_sections import PlacementSettings
from pipelines.models.base import TopN
from pipelines.rules.boosts import boosted_order
from pipelines.rules.eligibility import Eligibility, Values
from pipelines.rules.eligible_groups import (
    BLOCK_CELLS,
    STRANGERS,
    aligned_columns,
    different_people,
    without_consent,
)
from pipelines.rules.pins import falling_scores


@dataclass(frozen=True)
class _Boost:
    """One boost over a vocabulary of items and the people of a users feed.

    Parameters
    ----------
    judge : Eligibility
    places : int
    columns : dict of str to Values
        Attributes of the items.
    people : list of dict
        Different combinations of the attributes that it reads; strangers first.
    person_of : ndarray of int64, shape (n_known_users,)
        Each known user's element of `people`.
    """

    judge: Eligibility
    places: int
    columns: Mapping[str, Values]
    people: list[dict[str, Any]]
    person_of: np.ndarray


class Boosts:
    """The boosts of a placement, over the items of a vocabulary.

    Parameters
    ----------
    placement : PlacementSettings
        `boosts`. Attributes of users without consent count for nothing, where it is needed.
    item_ids : ndarray of str, shape (n_items,)
    catalogue : DataFrame
        One row per item_id, columns of `feat_items`.
    users : DataFrame or None
        One row per user_id, columns of `feat_user_attributes`.
    """

    def __init__(
        self,
        placement: PlacementSettings,
        item_ids: np.ndarray,
        catalogue: pd.DataFrame,
        users: pd.DataFrame | None,
    ) -> None:
        known = np.array([], dtype=np.str_) if users is None else users["user_id"].to_numpy()
        unasked = without_consent(placement, known, users) if len(known) else None
        self._item_count = len(item_ids)
        self._users = pd.Index(known)
        self._boosts = []
        for boost in placement.boosts:
            judge = Eligibility((boost.when,))
            names = judge.item_names
            columns = judge.items(aligned_columns(catalogue, "item_id", item_ids, names))
            people, person_of = different_people(judge, known, users)
            if unasked is not None:
                person_of = np.where(unasked, STRANGERS, person_of)
            self._boosts.append(_Boost(judge, boost.places, columns, people, person_of))

    def move(self, lists: TopN, items: np.ndarray, depth: int) -> TopN:
        """Move the items among the first `depth` ranks of lists by their places.

        Parameters
        ----------
        lists : TopN
        items : ndarray of int, shape (n_users, n_ranks)
            The listed items in this vocabulary; its length for an unknown one, -1 past the end.
        depth : int
        """
        pool = min(depth, items.shape[1])
        places = self._places(lists.user_ids, items[:, :pool])
        if not places.any():
            return lists
        order = np.tile(np.arange(items.shape[1]), (len(items), 1))
        order[:, :pool] = boosted_order(places, items[:, :pool] >= 0)
        moved = np.take_along_axis(lists.items, order, axis=1)
        scores = np.take_along_axis(lists.scores, order, axis=1)
        return replace(lists, items=moved, scores=falling_scores(moved, scores))

    def _places(self, user_ids: np.ndarray, items: np.ndarray) -> np.ndarray:
        places = np.zeros(items.shape, dtype=np.int64)
        known = self._users.get_indexer(pd.Index(user_ids)) if len(self._users) else None
        # one more item, which stands for what is unknown and past the end
        at = np.where(items < 0, self._item_count, items)
        step = max(1, BLOCK_CELLS // max(1, self._item_count))
        for boost in self._boosts:
            person = np.full(len(items), STRANGERS)
            if known is not None:
                person = np.where(known < 0, STRANGERS, boost.person_of[known])
            asked, row = np.unique(person, return_inverse=True)
            for start in range(0, len(asked), step):
                people = [boost.people[one] for one in asked[start : start + step]]
                yes = boost.judge.judge(boost.columns, self._item_count, people).yes
                yes = np.pad(yes, ((0, 0), (0, 1)))
                here = np.flatnonzero((row >= start) & (row < start + step))
                places[here] += boost.places * yes[row[here, None] - start, at[here]]
        return places
