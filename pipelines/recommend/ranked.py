"""Rank users by a placement's rules: the same for their own lists and for everybody's."""

from __future__ import annotations

from dataclasses import replace

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.pins import insert_pins
from pipelines.recommend.fill import FilledLists
from pipelines.recommend.list_rows import ListWriter


def rank_lists(
    writer: ListWriter, recommender: Recommender, history: Interactions, exclude: Exclusion
) -> TopN:
    """Lists by every rule of the placement but its pins; `exclude` as for `recommend`."""
    length = writer.rules.fetch_length(writer.list_length)
    fetched = recommender.recommend(history, length, exclude=exclude)
    return writer.rules.reorder(fetched, writer.list_length)


def pin_lists(writer: ListWriter, lists: FilledLists, exclude: Exclusion) -> FilledLists:
    """The same lists with the placement's pinned items."""
    pins = writer.rules.pins_of(lists.item_ids)
    if not pins:
        return lists
    pinned = insert_pins(lists.items, lists.scores, pins, exclude)
    return replace(lists, items=pinned.items, scores=pinned.scores, origin=pinned.origin)
