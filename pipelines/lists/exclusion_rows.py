"""Excluded items of each user by a placement's rules, stored so that the API can complete lists."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date

import numpy as np
import pyarrow as pa

from pipelines.base.config import Settings
from pipelines.features.interactions import Interactions
from pipelines.lists.list_rows import ANYONE, write_tables
from pipelines.models.base import Exclusion

logger = logging.getLogger(__name__)

#: Excluded items: one row per user_id from whom a placement's rules keep anything; user_id is
#: `ANYONE` for items kept from everybody.
EXCLUSION_SCHEMA = pa.schema(
    [
        ("placement", pa.string()),
        ("user_id", pa.string()),
        ("item_ids", pa.list_(pa.string())),
    ]
)
#: Number of users whose rows are written at once.
BLOCK_USERS = 20_000


def write_exclusions(
    settings: Settings,
    as_of: date,
    placement: str,
    history: Interactions,
    exclude: Exclusion,
    *,
    without_feed: np.ndarray,
) -> None:
    """Write `lists/exclusions/<placement>.parquet`: what the rules keep from each user.

    Parameters
    ----------
    exclude : Exclusion
        In the rows and columns of `history`.
    without_feed : ndarray of bool, shape (n_items,)
        Items that nobody is shown because no items feed has them: the row of `ANYONE`. Items that
        are not available are in no row; they may be available again before the next night.
    """
    path = settings.run_folder(as_of).exclusions(placement)
    path.parent.mkdir(parents=True, exist_ok=True)
    pairs = exclude.pairs

    def tables() -> Iterator[pa.Table]:
        if without_feed.any():
            logger.warning(
                "%s: %s items are in no items feed and are shown to nobody "
                "(`show_items_without_feed`)",
                *(placement, int(without_feed.sum())),
            )
            hidden = history.item_ids[without_feed].tolist()
            row = {"placement": placement, "user_id": ANYONE, "item_ids": hidden}
            yield pa.Table.from_pylist([row], schema=EXCLUSION_SCHEMA)
        if pairs is None:
            return
        for start in range(0, history.n_users, BLOCK_USERS):
            block = pairs[start : start + BLOCK_USERS].tocsr()
            block.sort_indices()
            kept = pa.array(history.item_ids.tolist(), pa.string()).take(pa.array(block.indices))
            lists = pa.ListArray.from_arrays(pa.array(block.indptr, pa.int32()), kept)
            users = history.user_ids[start : start + BLOCK_USERS]
            columns = [
                pa.repeat(pa.scalar(placement), len(users)),
                pa.array(users.tolist(), pa.string()),
                lists,
            ]
            table = pa.Table.from_arrays(columns, schema=EXCLUSION_SCHEMA)
            yield table.filter(pa.array(np.diff(block.indptr) > 0))

    write_tables(path, tables(), schema=EXCLUSION_SCHEMA)
