"""Truth of a window: what users met in it, aligned with the histories before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.features.interactions import Interactions

if TYPE_CHECKING:
    from pipelines.models.base import Exclusion


@dataclass(frozen=True)
class Truth:
    """Relevant items of the users that are scored, and counts of users that are not.

    Parameters
    ----------
    positions : ndarray of int64, shape (n_users,)
        Users with history and truth, as ascending positions into the history's `user_ids`.
    relevant : csr_array of shape (n_users, n_items + n_unknown_items), bool
        The first columns are the history's items; items first met in the window come after
        them, so they count as relevant although no list could hold them.
    left_out : dict of str to int
        Users that are not scored, by reason: `users_without_history` have truth only,
        `users_without_truth` have history only, `users_with_excluded_truth_only` met nothing in
        the window that the placement may show them, or do not consent to lists of their own.
    """

    positions: np.ndarray
    relevant: sparse.csr_array
    left_out: dict[str, int]


def align_truth(pairs: pd.DataFrame, history: Interactions) -> Truth:
    """Align the pairs met in a window with the histories: truth before any placement's rule.

    Parameters
    ----------
    pairs : DataFrame
        One row per user_id and item_id met in the window.
    history : Interactions
        Everything before the window; its users have at least one row.
    """
    user = pd.Index(history.user_ids).get_indexer(pd.Index(pairs["user_id"]))
    item = pd.Index(history.item_ids).get_indexer(pd.Index(pairs["item_id"]))
    is_unknown = item < 0
    unknown, unknown_ids = pd.factorize(pairs["item_id"][is_unknown])
    item[is_unknown] = history.n_items + unknown
    has_history = user >= 0
    positions, row = np.unique(user[has_history], return_inverse=True)
    relevant = sparse.csr_array(
        (np.ones(len(row), dtype=bool), (row, item[has_history])),
        shape=(len(positions), history.n_items + len(unknown_ids)),
    )
    relevant.sum_duplicates()
    left_out = {
        "users_without_history": int(pairs["user_id"][~has_history].nunique()),
        "users_without_truth": int(history.n_users - len(positions)),
        "users_with_excluded_truth_only": 0,
    }
    return Truth(positions, relevant, left_out)


def without_excluded(truth: Truth, exclusion: Exclusion, n_items: int) -> tuple[Truth, np.ndarray]:
    """Remove excluded items from the truth, and users without a relevant item or without consent.

    Parameters
    ----------
    truth : Truth
        Before the placement's rule.
    exclusion : Exclusion
        In the rows of ``truth.positions`` and the history's columns.
    n_items : int
        Items of the history.

    Returns
    -------
    Truth
        The truth that remains.
    ndarray of int64
        Rows of `truth` (and of `exclusion`) that remain.
    """
    cells = truth.relevant.tocoo()
    is_excluded = np.zeros(cells.nnz, dtype=bool)
    known = cells.col < n_items
    is_excluded[known] = exclusion.has(cells.row[known], cells.col[known])
    if exclusion.groups is not None:
        is_excluded[~known] = True  # nothing was known of it that a rule could be true of
    if exclusion.impersonal is not None:
        is_excluded |= exclusion.impersonal[cells.row]
    keep = ~is_excluded
    remaining = sparse.csr_array(
        (cells.data[keep], (cells.row[keep], cells.col[keep])), shape=truth.relevant.shape
    )
    rows = np.flatnonzero(np.diff(remaining.indptr))
    emptied = len(truth.positions) - len(rows)
    left_out = {**truth.left_out, "users_with_excluded_truth_only": emptied}
    return Truth(truth.positions[rows], remaining[rows], left_out), rows
