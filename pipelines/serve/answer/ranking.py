"""Order the rows of one list at read time, by the same rules as a night's lists."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipelines.rules.shown_items import PINNED, PINNED_REASON
from pipelines.serve.answer.list_store import StoredList

#: Constant of reciprocal rank fusion.
RRF_K = 60
#: Weight of each recent item relative to the next newer one.
RECENCY_DECAY = 0.8
#: Most recent items that are used.
MAX_SEEDS = 10


@dataclass(frozen=True, slots=True)
class Row:
    """An item of a list; `score` is NaN where it has none of its own."""

    item_id: str
    score: float
    strategy: str
    reason: str


def rows_of(stored: StoredList) -> list[Row]:
    """Rows of a stored list, each with the label that holds at its rank."""
    rows: list[Row] = []
    if not stored.items:
        return rows
    labels = iter(stored.labels)
    label, following = next(labels), next(labels, None)
    for rank, (item_id, score) in enumerate(zip(stored.items, stored.scores, strict=True), 1):
        if following is not None and rank >= following["from_rank"]:
            label, following = following, next(labels, None)
        rows.append(Row(item_id, score, label["strategy"], label["reason"]))
    return rows


def fuse(seeds: Sequence[str], similar: Callable[[str], StoredList | None]) -> list[Row]:
    """Fuse the lists of items like each recent item into one list.

    Parameters
    ----------
    seeds : sequence of str
        Items, newest first; of the first `MAX_SEEDS`, those that have a list count.
    similar : callable
        Item to its stored list, or None.

    Returns
    -------
    list of Row
        Best first, equal scores by item_id, without the seeds; the reason is that of the list
        that gave an item most.

    Notes
    -----
    Reciprocal rank fusion, ``sum over lists s of w_s / (RRF_K + rank_s(item))``, with the weight
    ``w_s = RECENCY_DECAY ** s`` for the list of the s-th newest item, so that what was looked at
    last counts most.

    References
    ----------
    G. Cormack, C. Clarke, S. Büttcher (2009). Reciprocal Rank Fusion Outperforms Condorcet and
    Individual Rank Learning Methods. SIGIR 2009.
    """
    scores: dict[str, float] = {}
    best: dict[str, tuple[float, Row]] = {}
    for age, seed in enumerate(seeds[:MAX_SEEDS]):
        stored = similar(seed)
        if stored is None or not stored.items:
            continue
        for rank, row in enumerate(rows_of(stored), 1):
            part = RECENCY_DECAY**age / (RRF_K + rank)
            scores[row.item_id] = scores.get(row.item_id, 0.0) + part
            if row.item_id not in best or part > best[row.item_id][0]:
                best[row.item_id] = (part, row)
    order = sorted(scores.keys() - set(seeds), key=lambda item_id: (-scores[item_id], item_id))
    return [replace(best[item_id][1], score=scores[item_id]) for item_id in order]


def cap_categories(
    rows: list[Row], depth: int, most: int, categories: Mapping[str, Collection[str]]
) -> list[Row]:
    """Choose the first `depth` rows so that no category has more than `most` of them.

    Parameters
    ----------
    rows : list of Row
        Best first, without pinned items.
    depth, most : int
    categories : mapping of str to collection of str
        By item_id; an item without categories is never capped, an item of several counts for
        each.

    Returns
    -------
    list of Row
        As long as `rows`; rows not chosen follow in their old order. Where no other row is left
        the cap gives way, as in the night's lists.
    """
    counts: dict[str, int] = {}
    left = list(rows)
    chosen: list[Row] = []
    while left and len(chosen) < depth:
        pick = next(
            (
                place
                for place, row in enumerate(left)
                if all(counts.get(name, 0) < most for name in categories.get(row.item_id, ()))
            ),
            0,
        )
        row = left.pop(pick)
        chosen.append(row)
        for name in categories.get(row.item_id, ()):
            counts[name] = counts.get(name, 0) + 1
    return chosen + left


def insert_pins(rows: list[Row], pins: Iterable[tuple[str, int]]) -> list[Row]:
    """Put items at their ranks; what was there moves down.

    Parameters
    ----------
    rows : list of Row
        Without the pinned items.
    pins : iterable of (item_id, rank)
        A list that ends before the rank gets the item at its end.
    """
    pinned = list(rows)
    for item_id, rank in sorted(pins, key=lambda pin: pin[1]):
        pinned.insert(min(rank - 1, len(pinned)), Row(item_id, math.nan, PINNED, PINNED_REASON))
    return pinned


def fill(own: list[Row], spare: Iterable[Row], length: int, reason: str) -> list[Row]:
    """Complete a list with rows of another, whose scores keep their differences.

    Parameters
    ----------
    own : list of Row
    spare : iterable of Row
        Best first.
    length : int
        Rows wanted.
    reason : str
        Reason of the filled rows.

    Notes
    -----
    With own scores ``s_1 >= … >= s_m`` and filled ones ``f_1 >= f_2 >= …``, row ``m + j`` gets
    ``s_m - (f_1 - f_j)``, as in the night's lists.
    """
    known = {row.item_id for row in own}
    added = [row for row in spare if row.item_id not in known][: max(0, length - len(own))]
    last = own[-1].score if own else math.nan
    if not added or math.isnan(last):
        return own + [replace(row, reason=reason) for row in added]
    first = added[0].score
    return own + [replace(row, score=last - (first - row.score), reason=reason) for row in added]


def let_scores_fall(rows: list[Row]) -> list[Row]:
    """Make scores non-increasing along a list.

    A row that moved up takes the best score below it; a row without a score at the end of a list
    takes the last score above it, 0 if there is none.
    """
    scores = [-math.inf if math.isnan(row.score) else row.score for row in rows]
    best = -math.inf
    for place in range(len(rows) - 1, -1, -1):
        best = scores[place] = max(best, scores[place])
    above = 0.0
    for place, score in enumerate(scores):
        above = scores[place] = above if math.isinf(score) else score
    return [
        row if row.score == score else replace(row, score=score)
        for row, score in zip(rows, scores, strict=True)
    ]
