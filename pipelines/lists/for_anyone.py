"""Lists for people without a history: one for anyone, and one for each category."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.features.interactions import Interactions
from pipelines.lists.list_rows import ANYONE, FALLBACK, ListWriter, to_table
from pipelines.models.base import Exclusion
from pipelines.rules.place import FALLBACK_LIST, PlacedLists, place_for_anyone, without_history
from pipelines.rules.shown_items import category_names


def list_for_anyone(writer: ListWriter, history: Interactions, exclude: Exclusion) -> pa.Table:
    """List that the fallback makes for a user without history, sorted by rank."""
    lists = place_for_anyone(
        writer.fallback,
        history,
        np.array([ANYONE]),
        writer.list_length,
        rules=writer.rules,
        exclude=exclude,
    )
    return to_table(replace(writer, variant=FALLBACK), lists)


def lists_by_category(
    writer: ListWriter, history: Interactions, exclude: Exclusion, catalogue: pd.DataFrame
) -> pa.Table:
    """Lists by category: the items of each, in the order of the fallback's ranking for anyone.

    Cap, diversification and pins are rules for lists of many categories and do not apply.
    """
    everybody = Exclusion(items=exclude.items)
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
    source = np.full(items.shape, FALLBACK_LIST)
    lists = PlacedLists(categories, top.item_ids, items, scores, source)
    return to_table(replace(writer, variant=FALLBACK), lists)
