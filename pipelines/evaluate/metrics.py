"""Ranking metrics per user: one definition, vectorised, for every list the system makes.

Conventions, the same for all of them: binary relevance; a list is ranked without ties (ties are
broken before scoring) and without repeats; a user without a list scores 0; a user without
relevant items scores 0 (evaluation leaves such users out and counts them).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

#: Metrics of one user's list at a cut k, by their name in every table.
RANKING_METRICS = ("ndcg", "recall", "precision", "map", "mrr", "hit")
#: Name of the recall of a first stage, and of its per-user column: all candidates, so no cut.
CANDIDATE_RECALL = "candidate_recall"
#: Bytes of the look-up table of relevant items, small enough for the processor's cache.
LOOKUP_BYTES = 4 * 1024**2


def ranking_metrics(
    items: np.ndarray, truth: sparse.csr_array, ks: Sequence[int]
) -> dict[str, np.ndarray]:
    """Compute every ranking metric of every user at every cut, from one matrix of hits.

    Parameters
    ----------
    items : ndarray of int32, shape (n_users, n_ranks)
        Ranked positions into the columns of `truth`; -1 where a list has no more items. Lists
        shorter than a cut count as padded.
    truth : csr_array of shape (n_users, n_items)
        Relevant items; every stored entry counts as relevant, whatever its value.
    ks : sequence of int
        Cuts, each at least 1.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_users,)
        Keys ``<metric>_at_<k>``, metrics outer, cuts inner; all values in [0, 1].

    Notes
    -----
    With h_r = 1 for a hit at rank r, else 0, sums over r = 1 … k, and R relevant items:

    - precision@k = Σ h_r / k, also for lists shorter than k
    - recall@k = Σ h_r / R
    - NDCG@k = Σ h_r / log2(r + 1), over the same sum for the ideal list, which has min(k, R) hits
      at the top
    - MAP@k = Σ h_r · precision@r / min(k, R), the divisor being the most hits that a list of k
      can have, so that a perfect list scores 1
    - MRR@k = 1 / rank of the first hit, 0 if it is after k
    - hit@k = 1 if there is a hit in the first k

    References
    ----------
    Järvelin and Kekäläinen, "Cumulated gain-based evaluation of IR techniques" (2002).

    Examples
    --------
    >>> truth = sparse.csr_array(np.array([[1, 0, 1, 0], [0, 1, 0, 0]]))
    >>> lists = np.array([[0, 1, 2], [3, -1, -1]], dtype=np.int32)  # two hits of three; a miss
    >>> found = ranking_metrics(lists, truth, ks=[3])
    >>> found["recall_at_3"], found["mrr_at_3"]
    (array([1., 0.]), array([1., 0.]))
    """
    depth = max(ks)
    hits = hit_matrix(items[:, :depth], truth)
    relevant = np.diff(truth.indptr)
    ranks = np.arange(1, hits.shape[1] + 1)
    hit_counts = np.cumsum(hits, axis=1, dtype=np.int32)
    # sum of h_r / log2(r + 1), for every cut at once
    gains = np.cumsum(hits / np.log2(ranks + 1), axis=1)
    # sum of h_r * P@r
    precisions = np.cumsum(hits * (hit_counts / ranks), axis=1)
    first = np.where(hits.any(axis=1), hits.argmax(axis=1) + 1, depth + 1)
    ideal_gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, depth + 2)))])

    found: dict[str, dict[int, np.ndarray]] = {metric: {} for metric in RANKING_METRICS}
    for k in ks:
        best = np.minimum(k, relevant)
        count = _at(hit_counts, k)
        found["ndcg"][k] = _ratio(_at(gains, k), ideal_gains[best])
        found["recall"][k] = _ratio(count, relevant)
        found["precision"][k] = count / k
        found["map"][k] = _ratio(_at(precisions, k), best)
        found["mrr"][k] = np.where(first <= k, 1.0 / first, 0.0)
        found["hit"][k] = (count > 0).astype(np.float64)
    return {f"{metric}_at_{k}": cuts[k] for metric, cuts in found.items() for k in ks}


def gain_matrix(items: np.ndarray, truth: sparse.csr_array, k: int) -> np.ndarray:
    """Gain that each of the first k ranks adds to a user's NDCG@k; a row sums to the NDCG@k.

    Parameters
    ----------
    items, truth
        As for `ranking_metrics`.
    k : int
        The cut, at least 1.

    Returns
    -------
    ndarray of float64, shape (n_users, min(k, n_ranks))

    Examples
    --------
    >>> truth = sparse.csr_array(np.array([[0, 1, 0]]))
    >>> gain_matrix(np.array([[1, 0]], dtype=np.int32), truth, k=2)
    array([[1., 0.]])
    """
    hits = hit_matrix(items[:, :k], truth)
    ideal_gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, k + 2)))])
    ideal = ideal_gains[np.minimum(k, np.diff(truth.indptr))]
    gains = hits / np.log2(np.arange(2, hits.shape[1] + 2))
    return np.divide(gains, ideal[:, None], out=np.zeros(hits.shape), where=ideal[:, None] > 0)


def candidate_recall(candidates: sparse.csr_array, relevant: sparse.csr_array) -> np.ndarray:
    """Recall of a first stage: the share of a user's relevant items that is among its candidates.

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
    return _ratio(found, np.diff(relevant.indptr))


def hit_matrix(items: np.ndarray, truth: sparse.csr_array) -> np.ndarray:
    """Matrix of hits: which ranks of each list hold a relevant item.

    `items` and `truth` are as for `ranking_metrics`.

    Returns
    -------
    ndarray of bool, shape (n_users, n_ranks)
    """
    n_users, n_items = truth.shape
    hits = np.zeros(items.shape, dtype=bool)
    # One column more than there are items: position -1 reads it, and it is never relevant.
    width = n_items + 1
    block_users = max(1, min(n_users, LOOKUP_BYTES // width))
    is_relevant = np.zeros(block_users * width, dtype=bool)
    row_start = np.arange(block_users) * width
    relevant = np.diff(truth.indptr)
    for start in range(0, n_users, block_users):
        block = slice(start, min(start + block_users, n_users))
        row = row_start[: block.stop - block.start]
        columns = truth.indices[truth.indptr[block.start] : truth.indptr[block.stop]]
        cells = np.repeat(row, relevant[block]) + columns
        is_relevant[cells] = True
        lists = items[block]
        hits[block] = is_relevant[row[:, None] + np.where(lists < 0, n_items, lists)]
        is_relevant[cells] = False
    return hits


def _at(cumulated: np.ndarray, k: int) -> np.ndarray:
    """Column of cumulated values after the first k ranks, or after the last if there are fewer."""
    result: np.ndarray = cumulated[:, min(k, cumulated.shape[1]) - 1]
    return result


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """`part` / `whole`, 0 where `whole` is 0."""
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
