"""Exact top-N lists of users who share one ranking."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from pipelines.base.errors import InvalidScoreError


def top_n_of_one_ranking(
    scores: np.ndarray,
    n_users: int,
    k: int,
    *,
    exclude_pairs: sparse.csr_array | None = None,
    exclude_items: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Lists of users who share one ranking and differ only by their exclusions.

    Parameters
    ----------
    scores : ndarray of float32, shape (n_items,)
        Higher is better; -inf is never listed.
    n_users, k : int
        Number of lists, and their maximum length.
    exclude_pairs, exclude_items
        As in `top_n_of_scores`; so is what is returned.

    Raises
    ------
    InvalidScoreError
        If a score is NaN or +inf.

    Notes
    -----
    Let p_0 < p_1 < … be the places of a user's excluded items in the shared ranking. Exactly
    p_j - j allowed items stand before the j-th, so entry i of the list is at place
    i + #{j : p_j - j <= i}: no search and no mask over items is needed. Places beyond k and the
    most items that are excluded for one user are nobody's, and are not sorted.
    """
    n_excluded = 0 if exclude_pairs is None else int(np.diff(exclude_pairs.indptr).max(initial=0))
    order, ordered_scores = _one_ranking(scores, exclude_items, k + n_excluded)
    shift = np.zeros((n_users, k), dtype=np.int64)
    if exclude_pairs is not None:
        place = np.full(len(scores), -1)
        place[order] = np.arange(len(order))
        places, rows = place[exclude_pairs.indices], exclude_pairs.tocoo().row
        rows, places = rows[places >= 0], places[places >= 0]
        by_place = np.lexsort((places, rows))
        rows, places = rows[by_place], places[by_place]
        first = np.searchsorted(rows, np.arange(n_users))
        before = places - (np.arange(len(rows)) - first[rows])  # p_j - j
        inside = before < k
        flat = np.bincount(rows[inside] * k + before[inside], minlength=n_users * k)
        shift = flat.reshape(n_users, k).cumsum(axis=1)
    at = np.minimum(np.arange(k) + shift, len(order))
    return (
        np.append(order, -1).astype(np.int32)[at],
        np.append(ordered_scores, np.nan).astype(np.float32)[at],
    )


def _one_ranking(
    scores: np.ndarray, exclude_items: np.ndarray | None, n_first: int
) -> tuple[np.ndarray, np.ndarray]:
    """The first columns in the order that all users share, or a few more, and their scores."""
    if np.isnan(scores).any() or np.isposinf(scores).any():
        raise InvalidScoreError(
            "Scores must be finite or -inf. Found NaN or +inf. "
            "Check the recommender's learned attributes."
        )
    is_listed = ~np.isneginf(scores)
    if exclude_items is not None:
        is_listed &= ~exclude_items
    listed = np.flatnonzero(is_listed)
    if n_first < len(listed):
        last = np.partition(scores[listed], -n_first)[-n_first]
        listed = listed[scores[listed] >= last]
    order = listed[np.argsort(-scores[listed], kind="stable")]
    return order, scores[order]
