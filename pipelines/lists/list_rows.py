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

from pipelines.base.durable import new_file
from pipelines.base.faults import faultpoint

if TYPE_CHECKING:
    from pipelines.models.base import Recommender
    from pipelines.rules.list_rules import ListRules
    from pipelines.rules.place import PlacedLists

#: Name of the file of lists for people without a history; never a variant's name.
FALLBACK = "fallback"
#: user_id of the list for people without a history; lists by category have the category instead.
ANYONE = ""

#: Columns of a list file: those of `serving.recommendations` without publication_id.
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
    """Properties that all blocks of a list file share.

    Parameters
    ----------
    placement, variant : str
    as_of : date
    list_length : int
        Number of items of a whole list.
    model_version : str
    recommender : Recommender
        Fitted; makes the lists.
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


def to_table(writer: ListWriter, lists: PlacedLists) -> pa.Table:
    """Turn lists into rows of `LIST_SCHEMA`, sorted by user and rank."""
    from pipelines.rules.place import make_labels

    user, column = np.nonzero(lists.items >= 0)
    labels = make_labels(
        None if writer.variant == FALLBACK else writer.recommender, writer.fallback
    )
    label = pa.array(labels.of_rows(lists))

    def constant(value: str | date, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), len(user))

    return pa.Table.from_arrays(
        [
            constant(writer.placement, pa.string()),
            constant(writer.variant, pa.string()),
            pa.array(lists.user_ids.tolist(), pa.string()).take(pa.array(user)),
            pa.array(column + 1, pa.int32()),
            pa.array(lists.item_ids.tolist(), pa.string()).take(
                pa.array(lists.items[user, column])
            ),
            pa.array(lists.scores[user, column].astype(np.float64)),
            pa.array(labels.strategies, pa.string()).take(label),
            pa.array(labels.reasons, pa.string()).take(label),
            constant(writer.model_version, pa.string()),
            constant(writer.as_of, pa.date32()),
        ],
        schema=LIST_SCHEMA,
    )


def write_tables(path: Path, tables: Iterable[pa.Table], schema: pa.Schema = LIST_SCHEMA) -> None:
    """Write tables to a Parquet file, a row group each, and put it in place in one step."""
    with new_file(path) as fresh, pq.ParquetWriter(fresh, schema, compression="zstd") as out:
        for table in tables:
            out.write_table(table, row_group_size=max(table.num_rows, 1))
            faultpoint("lists.row_group")
