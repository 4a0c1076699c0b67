"""Lists for people the night does not know: one for anyone, and one for each category."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.models.shown_items import category_names
from pipelines.recommend.fill import FilledLists
from pipelines.recommend.list_rows import ANYONE, FALLBACK, ListWriter, to_table
from pipelines.recommend.ranked import pin_lists, rank_lists


def list_for_anyone(writer: ListWriter, history: Interactions, exclude: Exclusion) -> pa.Table:
    """The fallback's list for a user without history, sorted by rank."""
    nobody = _nobody(history)
    everybody = Exclusion(items=exclude.items)
    top = rank_lists(writer, writer.fallback, nobody, everybody)
    lists = _as_filled(top.item_ids, top.items, top.scores)
    lists = pin_lists(writer, lists, everybody.with_items(history.item_ids, top.item_ids))
    return to_table(replace(writer, variant=FALLBACK), lists, nobody.user_ids)


def lists_by_category(
    writer: ListWriter, history: Interactions, exclude: Exclusion, catalogue: pd.DataFrame
) -> pa.Table:
    """For every category, its items in the order of the fallback's ranking for anyone.

    Cap, diversification and pins are rules on lists of many categories and do not apply.
    """
    everybody = Exclusion(items=exclude.items)
    top = writer.fallback.recommend(_nobody(history), history.n_items, exclude=everybody)
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
    lists = _as_filled(top.item_ids, items, scores)
    return to_table(replace(writer, variant=FALLBACK), lists, categories)


def _nobody(history: Interactions) -> Interactions:
    """One user without history."""
    return replace(
        history.select_users(np.array([], dtype=int)), user_ids=np.array([ANYONE], dtype=str)
    )


def _as_filled(item_ids: np.ndarray, items: np.ndarray, scores: np.ndarray) -> FilledLists:
    """Lists that are the fallback's from the first row on."""
    return FilledLists(item_ids, items, scores.astype(np.float64), np.zeros(len(items), dtype=int))
