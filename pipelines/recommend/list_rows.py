"""Rows of the lists: their columns, their labels, and the file they are written to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.durable import new_file
from pipelines.faults import faultpoint
from pipelines.models.shown_items import CONTROL
from pipelines.recommend.fill import FilledLists

if TYPE_CHECKING:
    from pipelines.models.base import Recommender
    from pipelines.models.list_rules import ListRules

__all__ = [
    "ANYONE",
    "CONTROL",
    "FALLBACK",
    "LABELS",
    "LIST_SCHEMA",
    "SHORT_LIST",
    "ListWriter",
    "to_table",
    "write_tables",
]

#: Name of the list for people the night does not know; never a variant's name.
FALLBACK = "fallback"
#: user_id of the list for people the night does not know; its lists by category have the category.
ANYONE = ""
#: What the reason of every row of a list shorter than asked ends with.
SHORT_LIST = "short list: no other item may be shown"

#: Different labels of a row in a list that is not short.
LABELS = 5

#: `serving.recommendations` before it has a publication_id.
LIST_SCHEMA = pa.schema(
    [
        ("placement", pa.string()),
        ("variant", pa.string()),
        ("user_id", pa.string()),
        ("rank", pa.int32()),
        ("item_id", pa.string()),
        ("score", pa.float64()),
        ("strategy", pa.string()),
        ("reason", pa.string()),
        ("model_version", pa.string()),
        ("as_of", pa.date32()),
    ]
)


@dataclass(frozen=True)
class ListWriter:
    """What every block of a list file shares.

    Parameters
    ----------
    placement, variant : str
    as_of : date
    list_length : int
        Items asked for.
    model_version : str
    recommender : Recommender
        Fitted; whose lists they are.
    fallback : Recommender
        Fitted; completes them.
    rules : ListRules
        The placement's rules on a list as a whole.
    """

    placement: str
    variant: str
    as_of: date
    list_length: int
    model_version: str
    recommender: Recommender
    fallback: Recommender
    rules: ListRules


def to_table(writer: ListWriter, lists: FilledLists, user_ids: np.ndarray) -> pa.Table:
    """Rows of `LIST_SCHEMA`, sorted by user and rank."""
    user, column = np.nonzero(lists.items >= 0)
    label = pa.array(_label_rows(writer, lists, user, column))
    strategies, reasons = _labels(writer)

    def constant(value: str | date, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), len(user))

    return pa.Table.from_arrays(
        [
            constant(writer.placement, pa.string()),
            constant(writer.variant, pa.string()),
            pa.array(user_ids.tolist(), pa.string()).take(pa.array(user)),
            pa.array(column + 1, pa.int32()),
            pa.array(lists.item_ids.tolist(), pa.string()).take(
                pa.array(lists.items[user, column])
            ),
            pa.array(lists.scores[user, column]),
            pa.array(strategies, pa.string()).take(label),
            pa.array(reasons, pa.string()).take(label),
            constant(writer.model_version, pa.string()),
            constant(writer.as_of, pa.date32()),
        ],
        schema=LIST_SCHEMA,
    )


def _label_rows(
    writer: ListWriter, lists: FilledLists, user: np.ndarray, column: np.ndarray
) -> np.ndarray:
    """Position of each row's label in `_labels`."""
    own_count = lists.own_count[user]
    before = column if lists.origin is None else lists.origin[user, column]
    label = np.where(own_count == 0, 2, 3)
    label[before < own_count] = 0
    if lists.is_met is not None:
        label[(label == 0) & ~lists.is_met[user, before]] = 1
    label[before < 0] = LABELS - 1
    is_short = (lists.items >= 0).sum(axis=1) < writer.list_length
    return label + LABELS * is_short[user]


def _labels(writer: ListWriter) -> tuple[list[str], list[str]]:
    """Strategy and reason by label: own, own completion, whole list filled, rest filled, pinned.

    The same `LABELS` again for lists that are short.
    """
    from pipelines.models.pins import PINNED, PINNED_REASON
    from pipelines.models.popularity import Popularity

    learner, fallback = writer.recommender.strategy, writer.fallback.strategy
    whole = f"fallback: no history that {learner} can learn from"
    if writer.variant == FALLBACK:
        whole = "fallback: for anyone not known on this night"
    strategies = [learner, Popularity.strategy, fallback, fallback, PINNED]
    reasons = [
        writer.recommender.reason or learner,
        Popularity.reason,
        whole,
        f"fallback: {learner} had no more items",
        PINNED_REASON,
    ]
    return strategies * 2, reasons + [f"{reason}; {SHORT_LIST}" for reason in reasons]


def write_tables(path: Path, tables: Iterable[pa.Table], schema: pa.Schema = LIST_SCHEMA) -> None:
    """Write row groups beside the file and put it in place in one step."""
    with new_file(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as out:
        for table in tables:
            out.write_table(table, row_group_size=max(table.num_rows, 1))
            faultpoint("lists.row_group")
