"""Lists for people without a history: one for anyone, and one for each category."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.features.interactions import Interactions
from pipelines.lists.list_rows import ANYONE, FALLBACK, ListWriter, to_table, write_tables
from pipelines.models.base import Exclusion, TopN
from pipelines.rules.exclusion import exclusion_of_strangers
from pipelines.rules.place import (
    FALLBACK_LIST,
    FOR_ANYONE,
    PlacedLists,
    place_for_anyone,
    without_history,
)
from pipelines.rules.shown_items import category_names


def list_for_anyone(writer: ListWriter, history: Interactions, exclude: Exclusion) -> pa.Table:
    """List that the fallback makes for a user without history, sorted by rank."""
    lists = place_for_anyone(
        writer.fallback,
        history,
        np.array([ANYONE]),
        writer.list_length,
        rules=writer.rules,
        exclude=exclusion_of_strangers(exclude, 1),
    )
    return to_table(replace(writer, variant=FALLBACK), lists)


#: Everything that a placement may show to somebody without a history: one row, best first.
POOL_SCHEMA = pa.schema(
    [
        ("placement", pa.string()),
        ("item_ids", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("strategy", pa.string()),
        ("reason", pa.string()),
        ("model_version", pa.string()),
    ]
)
#: Most items of a pool.
POOL_ITEMS = 10_000


def write_pool(
    path: Path,
    writer: ListWriter,
    history: Interactions,
    exclude: Exclusion,
    never: np.ndarray | None,
) -> None:
    """Write what an answer for somebody unknown is chosen from, by what their request says of them.

    Parameters
    ----------
    path : Path
        One row of `POOL_SCHEMA`; removed where it is not needed.
    writer : ListWriter
    history : Interactions
    exclude : Exclusion
        In the columns of `history`.
    never : ndarray of bool, shape (n_items,), or None
        Items that nobody is eligible for; None where no rule reads the user, so that the list for
        anyone is that of everybody unknown.
    """
    if never is None:
        path.unlink(missing_ok=True)
        return
    hidden = never if exclude.items is None else never | exclude.items
    nobody = without_history(history, np.array([ANYONE]))
    length = min(history.n_items, POOL_ITEMS)
    top = writer.fallback.recommend(nobody, length, exclude=Exclusion(items=hidden))
    is_listed = top.items[0] >= 0
    row = {
        "placement": writer.placement,
        "item_ids": top.item_ids[top.items[0][is_listed]].tolist(),
        "scores": top.scores[0][is_listed].astype(np.float64).tolist(),
        "strategy": writer.fallback.strategy,
        "reason": FOR_ANYONE,
        "model_version": writer.model_version,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tables(path, [pa.Table.from_pylist([row], schema=POOL_SCHEMA)], schema=POOL_SCHEMA)


def lists_by_category(
    writer: ListWriter, history: Interactions, exclude: Exclusion, catalogue: pd.DataFrame
) -> pa.Table:
    """Lists by category: the items of each, in the order of the fallback's ranking for anyone.

    Boosts apply; cap, diversification and pins are rules for lists of many categories and do not.
    """
    everybody = exclusion_of_strangers(exclude, 1)
    nobody = without_history(history, np.array([ANYONE]))
    top = writer.fallback.recommend(nobody, history.n_items, exclude=everybody)
    ranked = top.items[0][top.items[0] >= 0]
    names = dict(zip(catalogue["item_id"], catalogue["category"], strict=True))
    places: dict[str, list[int]] = {}
    for place, item in enumerate(ranked.tolist()):
        category = names.get(top.item_ids[item])
        for name in category_names(category if isinstance(category, str) else None):
            if len(places.setdefault(name, [])) < writer.list_length:
                places[name].append(place)
    categories = np.array(sorted(places), dtype=str)
    items = np.full((len(categories), writer.list_length), -1, dtype=top.items.dtype)
    scores = np.full(items.shape, np.nan)
    for row, name in enumerate(categories.tolist()):
        chosen = places[name]
        items[row, : len(chosen)] = ranked[chosen]
        scores[row, : len(chosen)] = top.scores[0][chosen]
    moved = writer.rules.boosted(TopN(categories, top.item_ids, items, scores))
    source = np.full(items.shape, FALLBACK_LIST)
    lists = PlacedLists(categories, top.item_ids, moved.items, moved.scores, source)
    return to_table(replace(writer, variant=FALLBACK), lists)
