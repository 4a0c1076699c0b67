"""Similar items: a recommender's lists for users whose history is one item."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
from scipy import sparse

from pipelines.base.config import Settings
from pipelines.base.durable import write_json
from pipelines.evaluate.inputs import planned_spec
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_catalogue, read_interactions
from pipelines.lists.list_rows import write_tables
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.candidates import fit_candidate
from pipelines.rules.exclusion import hidden_items
from pipelines.rules.fill import FilledLists, back_fill

logger = logging.getLogger(__name__)

#: Columns of the lists of similar items: one row per item_id and rank.
SIMILAR_SCHEMA = pa.schema(
    [
        ("item_id", pa.string()),
        ("rank", pa.int32()),
        ("similar_item_id", pa.string()),
        ("score", pa.float64()),
        ("strategy", pa.string()),
        ("reason", pa.string()),
    ]
)
REASON = "Goes with the item you look at"
#: Number of items whose lists are made at once.
BLOCK_ITEMS = 5_000


@dataclass(frozen=True)
class SimilarMaker:
    """Inputs that all blocks of items share.

    Parameters
    ----------
    history : Interactions
        What recommenders were fitted on, with `event_type` among its types (see `with_choice`).
    event_type : int
        Code of the event type by which an item is chosen.
    hidden : ndarray of bool, shape (n_items,), or None
        Items that are in no list.
    length : int
        Most items of a list.
    recommender : Recommender
        Fitted.
    completer : Recommender or None
        Fitted; completes short lists.
    """

    history: Interactions
    event_type: int
    hidden: np.ndarray | None
    length: int
    recommender: Recommender
    completer: Recommender | None


def generate_similar(settings: Settings, as_of: date) -> dict[str, Any]:
    """Write `lists/similar.parquet`: the items similar to each item.

    Parameters
    ----------
    settings : Settings
        `similar` names the candidate that makes the lists.
    as_of : date
        Histories end before this day.

    Returns
    -------
    dict
        What `lists/similar.json` holds: ``items`` in all, ``items_with_history``, ``lists``,
        ``lists_with_history``, ``rows``.

    Notes
    -----
    To a recommender a user is a history; so the items similar to i are its list for a user who
    chose i and nothing else, on the last day before `as_of`. i itself and items that nobody is
    shown are left out. The file has the same bytes on every run; without a candidate in the
    settings it has no rows.
    """
    path = settings.run_folder(as_of).similar
    path.parent.mkdir(parents=True, exist_ok=True)
    history = read_interactions(settings, as_of, as_of)
    counts = {"items": history.n_items, "lists": 0, "lists_with_history": 0, "rows": 0}
    has_history = np.bincount(history.item, minlength=history.n_items) > 0
    counts["items_with_history"] = int(has_history.sum())

    def tables() -> Iterator[pa.Table]:
        if settings.similar.candidate is None:
            return
        maker = _prepare(settings, as_of, history)
        for start in range(0, history.n_items, BLOCK_ITEMS):
            chosen = np.arange(start, min(start + BLOCK_ITEMS, history.n_items))
            lists = rank_similar(maker, chosen)
            is_listed = (lists.items >= 0).any(axis=1)
            table = _to_table(maker, lists, history.item_ids[chosen])
            counts["lists"] += int(is_listed.sum())
            counts["lists_with_history"] += int((is_listed & has_history[chosen]).sum())
            counts["rows"] += table.num_rows
            logger.info("similar items: %s of %s items", chosen[-1] + 1, history.n_items)
            yield table

    write_tables(path, tables(), schema=SIMILAR_SCHEMA)
    write_json(path.with_suffix(".json"), counts)
    return counts


def _prepare(settings: Settings, as_of: date, history: Interactions) -> SimilarMaker:
    def fitted(name: str) -> Recommender:
        return fit_candidate(planned_spec(settings, as_of, name), history)

    recommender = fitted(str(settings.similar.candidate))
    name = settings.similar.completed_by
    catalogue = read_catalogue(settings, as_of, as_of)
    extended, code = with_choice(history, recommender)
    return SimilarMaker(
        extended,
        code,
        hidden_items(extended.item_ids, catalogue, settings.similar.show_items_without_feed),
        settings.similar.list_length,
        recommender,
        None if name is None else fitted(name),
    )


def with_choice(history: Interactions, recommender: Recommender) -> tuple[Interactions, int]:
    """Histories with the event type the recommender weighs most among their types, and its code."""
    weights = recommender.get_params().get("event_weights") or {"purchase": 1.0}
    best = max(sorted(weights), key=lambda kind: weights[kind])
    if best not in history.event_types:
        history = replace(history, event_types=(*history.event_types, best))
    return history, history.event_types.index(best)


def rank_similar(maker: SimilarMaker, chosen: np.ndarray) -> FilledLists:
    """Rank the items similar to each chosen item (by position), `maker.length` at most."""
    one_each = _histories_of_one(maker, chosen)
    itself = sparse.csr_array(
        (np.ones(len(chosen), dtype=bool), (np.arange(len(chosen)), chosen)),
        shape=one_each.shape,
    )
    exclude = Exclusion(itself, maker.hidden)
    own = maker.recommender.recommend(one_each, maker.length, exclude=exclude)
    if maker.completer is None:
        return back_fill(own, None)
    return back_fill(own, maker.completer.recommend(one_each, maker.length, exclude=exclude))


def _histories_of_one(maker: SimilarMaker, chosen: np.ndarray) -> Interactions:
    """Histories of one item each: a user per chosen item, who chose it once on the last day."""
    count = len(chosen)
    return replace(
        maker.history,
        user_ids=maker.history.item_ids[chosen],
        user=np.arange(count, dtype=np.int32),
        item=chosen.astype(np.int32),
        event_type=np.full(count, maker.event_type, dtype=np.int8),
        age_days=np.ones(count, dtype=np.int32),
        event_count=np.ones(count, dtype=np.float32),
        last_event_at=np.full(
            count, np.datetime64(maker.history.cutoff, "us") - np.timedelta64(1, "D")
        ),
    )


def _to_table(maker: SimilarMaker, lists: FilledLists, item_ids: np.ndarray) -> pa.Table:
    """Turn lists into rows of `SIMILAR_SCHEMA`, sorted by item and rank."""
    row, column = np.nonzero(lists.items >= 0)
    is_own = column < lists.own_count[row]
    names = [maker.recommender.strategy, maker.completer.strategy if maker.completer else ""]
    strategy = pa.array(names, pa.string()).take(pa.array(np.where(is_own, 0, 1)))
    return pa.Table.from_arrays(
        [
            pa.array(item_ids.tolist(), pa.string()).take(pa.array(row)),
            pa.array(column + 1, pa.int32()),
            pa.array(lists.item_ids.tolist(), pa.string()).take(pa.array(lists.items[row, column])),
            pa.array(lists.scores[row, column]),
            strategy,
            pa.repeat(pa.scalar(REASON), len(row)),
        ],
        schema=SIMILAR_SCHEMA,
    )
