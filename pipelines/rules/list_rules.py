"""A placement's rules on whole lists: boosts, category cap, diversification and pins.

Order: items that a user has seen or that are not available never enter a list
(`placement_exclusion`); boosts move the rest; cap and diversification choose the first ranks in one
pass; pinned items come last.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from pipelines.base.settings_sections import PinSettings, PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.models.base import TopN
from pipelines.rules.boosted_lists import Boosts
from pipelines.rules.pins import Pin, falling_scores
from pipelines.rules.rerank import Similarity, item_categories, item_similarity, rerank
from pipelines.rules.shown_items import POOL_FACTOR


@dataclass(frozen=True)
class ListRules:
    """Boosts, category cap, diversification and pins over one vocabulary of items.

    Parameters
    ----------
    item_ids : ndarray of str, shape (n_items,)
    depth : int
        Number of first ranks that cap and diversification choose.
    max_per_category : int or None
    categories : ndarray of int32, shape (n_items, most_categories)
    diversity : float
    similarity : Similarity or None
        None without diversification.
    pins : tuple of PinSettings
    boosts : Boosts or None
    """

    item_ids: np.ndarray
    depth: int
    max_per_category: int | None
    categories: np.ndarray
    diversity: float
    similarity: Similarity | None
    pins: tuple[PinSettings, ...]
    boosts: Boosts | None = None

    @property
    def is_reordering(self) -> bool:
        """Whether boosts, cap or diversification can change the order of a list."""
        return self.boosts is not None or self._is_chosen

    @property
    def _is_chosen(self) -> bool:
        return self._is_capped or self.diversity > 0

    @property
    def _is_capped(self) -> bool:
        return self.max_per_category is not None and bool((self.categories >= 0).any())

    @property
    def names(self) -> tuple[str, ...]:
        """Names, as in the settings, of the rules that can change a list."""
        active = {
            "boosts": self.boosts is not None,
            "max_per_category": self._is_capped,
            "diversity": self.diversity > 0,
            "pinned": bool(self.pins_of(self.item_ids)),
        }
        return tuple(name for name, is_active in active.items() if is_active)

    def without(self, name: str) -> ListRules:
        """List rules like these with the named one turned off."""
        off = {"boosts": None, "max_per_category": None, "diversity": 0.0, "pinned": ()}
        key = "pins" if name == "pinned" else name
        return replace(self, **{key: off[name]})  # type: ignore[arg-type]  # each is its field's type

    def fetch_length(self, k: int) -> int:
        """Number of items to ask a recommender for where lists of `k` items are wanted.

        The pool of boosts, cap and diversification is ``POOL_FACTOR * depth`` whatever `k` is, so
        a short list is the beginning of a long one.
        """
        return max(k, POOL_FACTOR * self.depth) if self.is_reordering else k

    def reorder(self, lists: TopN, k: int) -> TopN:
        """Apply boosts, cap and diversification, and cut the lists to at most `k` items.

        Parameters
        ----------
        lists : TopN
            As long as `fetch_length` says.
        """
        if not self.is_reordering:
            return _cut(lists, lists.items, lists.scores, k)
        lists = self.boosted(lists)
        if not self._is_chosen:
            return _cut(lists, lists.items, lists.scores, k)
        pool = min(POOL_FACTOR * self.depth, lists.items.shape[1])
        known = self._positions(lists)
        order = np.tile(np.arange(lists.items.shape[1]), (len(lists.items), 1))
        order[:, :pool] = rerank(
            known[:, :pool],
            self.depth,
            # one more row: an unknown item is in no category and similar to no other
            categories=np.pad(self.categories, ((0, 1), (0, 0)), constant_values=-1),
            max_per_category=self.max_per_category,
            similarity=self.similarity,
            diversity=self.diversity,
        )
        items = np.take_along_axis(lists.items, order, axis=1)
        scores = falling_scores(items, np.take_along_axis(lists.scores, order, axis=1))
        return _cut(lists, items, scores, k)

    def boosted(self, lists: TopN) -> TopN:
        """Apply the boosts alone, among the first ``POOL_FACTOR * depth`` ranks."""
        if self.boosts is None:
            return lists
        return self.boosts.move(lists, self._positions(lists), POOL_FACTOR * self.depth)

    def pins_of(self, item_ids: np.ndarray) -> list[Pin]:
        """Pins whose items are in `item_ids`, each item as its position there."""
        position = {item_id: n for n, item_id in enumerate(item_ids.tolist())} if self.pins else {}
        return [
            Pin(pin.rank, position[pin.item_id]) for pin in self.pins if pin.item_id in position
        ]

    def _positions(self, lists: TopN) -> np.ndarray:
        """Items of lists as positions in `self.item_ids`; its length for an unknown item."""
        if np.array_equal(lists.item_ids, self.item_ids):
            return lists.items
        position = pd.Index(self.item_ids).get_indexer(pd.Index(lists.item_ids))
        position = np.where(position < 0, len(self.item_ids), position)
        return np.where(lists.items < 0, -1, position[lists.items]).astype(np.int32)


def make_list_rules(
    placement: PlacementSettings,
    history: Interactions,
    catalogue: pd.DataFrame | None,
    users: pd.DataFrame | None = None,
    *,
    similarity: Similarity | None = None,
) -> ListRules:
    """Make a placement's list rules over the items of a history.

    Parameters
    ----------
    placement : PlacementSettings
        `boosts`, `max_per_category`, `diversity`, `rerank_depth`, `pinned`.
    history : Interactions
        Of all users; item similarities are computed from it, unless they are given.
    catalogue : DataFrame or None
        One row per item_id; column `category` if known. Items without a category are not capped;
        without a catalogue, none is boosted.
    users : DataFrame, optional
        One row per user_id of a users feed, for boosts that read the user.
    similarity : Similarity, optional
        Of the items of `history` by all users, where that history has only some of them.

    Returns
    -------
    ListRules
        Over the items of `history`.
    """
    category_of = {}
    is_capped = placement.max_per_category is not None
    if is_capped and catalogue is not None and "category" in catalogue:
        known = catalogue[["item_id", "category"]].dropna()
        category_of = dict(zip(known["item_id"], known["category"], strict=True))
    return ListRules(
        item_ids=history.item_ids,
        depth=placement.rerank_depth,
        max_per_category=placement.max_per_category,
        categories=item_categories(history.item_ids, category_of),
        diversity=placement.diversity,
        similarity=(similarity or item_similarity(history)) if placement.diversity > 0 else None,
        pins=placement.pinned,
        boosts=Boosts(placement, history.item_ids, catalogue, users)
        if placement.boosts and catalogue is not None
        else None,
    )


def _cut(lists: TopN, items: np.ndarray, scores: np.ndarray, k: int) -> TopN:
    return replace(lists, items=items[:, :k], scores=scores[:, :k])
