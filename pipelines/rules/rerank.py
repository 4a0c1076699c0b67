"""Re-rank lists: no category too often, no item too similar to the ones above it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.item_knn import ItemKNN
from pipelines.rules.shown_items import category_names

#: Neighbours per item whose cosine is kept; other items count as cosine 0.
NEIGHBORS = 100
#: Users whose lists are re-ranked at once.
BLOCK_USERS = 4096


@dataclass(frozen=True)
class Similarity:
    """Cosine similarities of pairs of items.

    Parameters
    ----------
    keys : ndarray of int64, shape (n_pairs,)
        ``row * n_items + column``, sorted.
    values : ndarray of float32, shape (n_pairs,)
    n_items : int
    """

    keys: np.ndarray
    values: np.ndarray
    n_items: int

    def of(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Cosine of each pair of items, the larger of both directions; 0 where none is kept."""
        return np.maximum(self._of_one_way(first, second), self._of_one_way(second, first))

    def _of_one_way(self, row: np.ndarray, column: np.ndarray) -> np.ndarray:
        if not len(self.keys):
            return np.zeros(np.broadcast(row, column).shape, dtype=np.float32)
        wanted = row.astype(np.int64) * self.n_items + column
        place = np.searchsorted(self.keys, wanted).clip(0, len(self.keys) - 1)
        return np.where(self.keys[place] == wanted, self.values[place], np.float32(0))


def item_similarity(history: Interactions) -> Similarity:
    """Cosine similarities of items by the users who met them.

    Parameters
    ----------
    history : Interactions
        Every event type counts, as in `Interactions.pairs`.

    Notes
    -----
    The `NEIGHBORS` nearest of each item are kept, so memory is bounded by
    ``n_items * NEIGHBORS`` whatever the length of the histories.
    """
    weights = dict.fromkeys(history.event_types, 1.0)
    knn = ItemKNN(n_neighbors=NEIGHBORS, shrinkage=0.0, event_weights=weights).fit(history)
    return similarity_of(knn.similarity_)


def similarity_of(matrix: sparse.csr_array) -> Similarity:
    """Make a `Similarity` of the stored entries of a square matrix."""
    entries = sparse.csr_array(matrix, copy=True)
    entries.sort_indices()
    row = np.repeat(np.arange(entries.shape[0], dtype=np.int64), np.diff(entries.indptr))
    keys = row * entries.shape[1] + entries.indices
    return Similarity(keys, entries.data.astype(np.float32), int(entries.shape[1]))


def item_categories(item_ids: np.ndarray, category_of: Mapping[str, object]) -> np.ndarray:
    """Category codes of each item.

    Parameters
    ----------
    item_ids : ndarray of str, shape (n_items,)
    category_of : mapping of str to str
        Category by item_id; several are separated by ``|``. Items without one are in none.

    Returns
    -------
    ndarray of int32, shape (n_items, most_categories)
        At least one column; -1 past an item's last category.

    Examples
    --------
    >>> item_categories(np.array(["a", "b", "c"]), {"a": "tea", "c": "cup|tea"}).tolist()
    [[1, -1], [-1, -1], [0, 1]]
    """
    named = [_names_of(category_of.get(item_id)) for item_id in item_ids.tolist()]
    codes = {name: code for code, name in enumerate(sorted({n for one in named for n in one}))}
    width = max([1, *map(len, named)])
    return np.array(
        [[codes[name] for name in one] + [-1] * (width - len(one)) for one in named],
        dtype=np.int32,
    ).reshape(len(named), width)


def _names_of(category: object) -> list[str]:
    return category_names(category) if isinstance(category, str) else []


def rerank(
    items: np.ndarray,
    depth: int,
    *,
    categories: np.ndarray | None = None,
    max_per_category: int | None = None,
    similarity: Similarity | None = None,
    diversity: float = 0.0,
) -> np.ndarray:
    """Re-rank lists by category cap and diversity: choose their first `depth` places one by one.

    Parameters
    ----------
    items : ndarray of int32, shape (n_users, n_ranks)
        Ranked positions, -1 at the end of a shorter list; all of them may be chosen.
    depth : int
        Number of places that are chosen; the other items follow in their old order.
    categories : ndarray of int32, shape (n_items, most_categories), optional
        See `item_categories`.
    max_per_category : int, optional
        No category has more items than this among the chosen. An item of several categories
        counts for each. Where nothing else is left to choose the cap gives way: a list does not
        get shorter.
    diversity : float, default 0
        From 0, the old order, towards 1, items as dissimilar as possible.

    Returns
    -------
    ndarray of int64, shape (n_users, n_ranks)
        Columns of `items` in their new order.

    Notes
    -----
    Maximal marginal relevance: next is the item with the largest
    ``(1 - diversity) * relevance - diversity * max cosine with a chosen one``; `diversity` is one
    minus the paper's lambda. Relevance falls evenly from 1 at the first rank to 1 / n at the last:
    recommenders' scores have scales of their own, and a setting must mean the same for all of
    them. Equal values: the better rank first, so that the result is the same on every run.

    References
    ----------
    J. Carbonell, J. Goldstein (1998). The Use of MMR, Diversity-Based Reranking for Reordering
    Documents and Producing Summaries. SIGIR 1998.
    """
    order = np.empty(items.shape, dtype=np.int64)
    for start in range(0, len(items), BLOCK_USERS):
        block = slice(start, start + BLOCK_USERS)
        marginal = _Marginal(items[block], similarity, diversity)
        cap = _Cap(items[block], categories, max_per_category)
        order[block] = _choose(items[block], min(depth, items.shape[1]), marginal, cap)
    return order


def _choose(items: np.ndarray, depth: int, marginal: _Marginal, cap: _Cap) -> np.ndarray:
    """Choose greedily for all users at once; returns the new order of the columns."""
    n_users, n_ranks = items.shape
    user = np.arange(n_users)
    is_open = items >= 0
    place = np.tile(np.arange(n_ranks) + n_ranks, (n_users, 1))
    for step in range(depth):
        value = np.where(is_open, marginal.value(), -np.inf)
        allowed = np.where(cap.is_full(), -np.inf, value)
        gives_way = np.isneginf(allowed.max(axis=1, initial=-np.inf))
        allowed[gives_way] = value[gives_way]
        pick = allowed.argmax(axis=1)
        is_picked = is_open[user, pick]
        place[user[is_picked], pick[is_picked]] = step
        is_open[user, pick] = False
        chosen = np.where(is_picked, items[user, pick], -1)
        marginal.add(chosen)
        cap.add(chosen)
    return np.argsort(place, axis=1, kind="stable")


class _Marginal:
    """Marginal relevance of every item of a block of lists, given the items chosen so far."""

    def __init__(self, items: np.ndarray, similarity: Similarity | None, diversity: float) -> None:
        length = np.maximum((items >= 0).sum(axis=1), 1)
        self._items = items
        self._similarity = similarity
        self._diversity = diversity
        self._relevance = 1 - np.arange(items.shape[1]) / length[:, None]
        self._nearest = np.zeros(items.shape)

    def value(self) -> np.ndarray:
        """Marginal relevance: (1 - d) relevance - d max cosine."""
        result: np.ndarray = (
            1 - self._diversity
        ) * self._relevance - self._diversity * self._nearest
        return result

    def add(self, chosen: np.ndarray) -> None:
        """Compare all items with one more chosen item per user; -1 for none."""
        if self._similarity is None or self._diversity == 0:
            return
        known = np.maximum(self._items, 0)
        cosine = self._similarity.of(np.maximum(chosen, 0)[:, None], known)
        np.maximum(self._nearest, np.where(chosen[:, None] >= 0, cosine, 0), out=self._nearest)


class _Cap:
    """Chosen items of each category, counted for every list of a block."""

    def __init__(self, items: np.ndarray, categories: np.ndarray | None, most: int | None) -> None:
        self._most = most if categories is not None else None
        self._items = items
        if categories is None or most is None:
            return
        # the last column counts what has no category, and is never full
        n_categories = int(categories.max(initial=-1)) + 1
        self._codes = np.where(categories < 0, n_categories, categories)
        self._counts = np.zeros((len(items), n_categories + 1), dtype=np.int32)

    def is_full(self) -> np.ndarray:
        """Mask, of the shape of the lists, of the items that would exceed the cap."""
        if self._most is None:
            return np.zeros(self._items.shape, dtype=bool)
        user = np.arange(len(self._items))[:, None, None]
        count = self._counts[user, self._codes[np.maximum(self._items, 0)]]
        result: np.ndarray = (count >= self._most).any(axis=2)
        return result

    def add(self, chosen: np.ndarray) -> None:
        """Count the categories of one more item per user; -1 for none."""
        if self._most is None:
            return
        (user,) = np.nonzero(chosen >= 0)
        np.add.at(self._counts, (user[:, None], self._codes[chosen[user]]), 1)
        self._counts[:, -1] = 0
