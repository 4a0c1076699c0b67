"""What a recommender of two stages lets through: the candidates that its second stage ranks."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.ranker import TwoStageRanker
from pipelines.models.threads import in_threads


def list_candidates(
    recommender: Recommender, history: Interactions, *, exclude: Exclusion | None = None
) -> sparse.csr_array | None:
    """Every item that a fitted recommender of two stages ranks, for each user of a history.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    history : Interactions
        Users to serve, seen in `fit` or not.
    exclude : Exclusion, optional
        In the rows and columns of `history`.

    Returns
    -------
    csr_array of shape (n_users, n_items), bool, or None
        In the rows and columns of `history`; None for a recommender without a first stage: it
        ranks every item.
    """
    if not isinstance(recommender, TwoStageRanker):
        return None
    items = recommender.item_ids_
    rule = (exclude or Exclusion()).with_items(history.item_ids, items)
    known = history.with_items(items)
    position = pd.Index(history.item_ids).get_indexer(pd.Index(items))

    def list_block(block: slice) -> tuple[np.ndarray, np.ndarray]:
        users, found = recommender.list_first_stage(
            known.select_users(block), rule.select_users(block)
        )
        is_known = position[found.item] >= 0
        return users[found.user[is_known]] + block.start, position[found.item[is_known]]

    blocks = recommender.user_blocks(known, len(recommender.parts_))
    rows, columns = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for row, column in in_threads(list_block, blocks, single_blas=True):
        rows.append(row)
        columns.append(column)
    row, column = np.concatenate(rows), np.concatenate(columns)
    ones = np.ones(len(row), dtype=bool)
    return sparse.csr_array((ones, (row, column)), shape=history.shape)
