"""Recall of a recommender's first stage: how much of what users chose is among its candidates."""

from __future__ import annotations

import numpy as np
from scipy import sparse

#: Name of the metric and of its per-user column. It has no cut: all candidates count.
CANDIDATE_RECALL = "candidate_recall"


def candidate_recall(candidates: sparse.csr_array, relevant: sparse.csr_array) -> np.ndarray:
    """Share of each user's relevant items that is among the user's candidates.

    No ranking of the candidates can have a higher recall, at any cut.

    Parameters
    ----------
    candidates : csr_array of shape (n_users, n_items), bool
        What `Recommender.list_candidates` returns.
    relevant : csr_array of shape (n_users, n_items + n_unknown_items), bool
        Relevant items, the history's columns first; unknown items count and are never found.

    Returns
    -------
    ndarray of float64, shape (n_users,)
        In [0, 1]; 0 for a user without candidates or without relevant items.

    Examples
    --------
    >>> candidates = sparse.csr_array(np.array([[1, 1, 0], [0, 0, 0]], dtype=bool))
    >>> relevant = sparse.csr_array(np.array([[1, 0, 1], [0, 1, 0]], dtype=bool))
    >>> candidate_recall(candidates, relevant)
    array([0.5, 0. ])
    """
    known = relevant[:, : candidates.shape[1]].astype(np.int64)
    found = np.asarray(known.multiply(candidates.astype(np.int64)).sum(axis=1)).ravel()
    count = np.diff(relevant.indptr)
    return np.divide(found, count, out=np.zeros(len(count)), where=count > 0)
