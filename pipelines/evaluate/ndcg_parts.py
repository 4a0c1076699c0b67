"""Parts of a user's NDCG: from repeats or new items, and from the head or the tail."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import sparse

from pipelines.evaluate.metrics import gain_matrix, hit_matrix

#: Share of the items that anybody met that is the head, most met first; the rest is the tail.
HEAD_SHARE = 0.1
#: Kinds of items, as they end the name of the column with the part of NDCG that comes from them.
PARTS = ("repeats", "head")


def part_column(k: int, part: str) -> str:
    """Name of the per-user column with a part of NDCG@k.

    Examples
    --------
    >>> part_column(10, "repeats")
    'ndcg_at_10_from_repeats'
    """
    return f"ndcg_at_{k}_from_{part}"


def head_items(met: sparse.csr_array) -> np.ndarray:
    """Mask of the head: the most popular tenth of the items that anybody met.

    Parameters
    ----------
    met : csr_array of shape (n_users, n_items), bool
        Items each user met before the cutoff.

    Returns
    -------
    ndarray of bool, shape (n_items,)
        The tenth is rounded up to whole items; of equally popular items the first by item_id.

    Examples
    --------
    >>> head_items(sparse.csr_array(np.array([[0, 1], [1, 1]], dtype=bool)))
    array([False,  True])
    """
    user_counts = np.bincount(met.indices, minlength=met.shape[1])
    size = int(np.ceil(HEAD_SHARE * (user_counts > 0).sum()))
    head = np.zeros(met.shape[1], dtype=bool)
    head[np.argsort(-user_counts, kind="stable")[:size]] = True
    return head


def ndcg_parts(
    items: np.ndarray, truth: sparse.csr_array, own: sparse.csr_array, head: np.ndarray, k: int
) -> Mapping[str, np.ndarray]:
    """Parts of each user's NDCG@k that come from repeats, and from items of the head.

    Parameters
    ----------
    items : ndarray of int32, shape (n_users, n_ranks)
        Ranked positions into the history's items; -1 where a list has no more items.
    truth : csr_array of shape (n_users, n_items + n_unknown_items), bool
        Relevant items.
    own : csr_array of shape (n_users, n_items), bool
        Items each user met before the cutoff: a hit on one of them is a repeat.
    head : ndarray of bool, shape (n_items,)
        See `head_items`.
    k : int
        The cut.

    Returns
    -------
    mapping of str to ndarray of float64, shape (n_users,)
        By `part_column`. NDCG@k less a part is what the other items give: new items, the tail.
    """
    gains = gain_matrix(items, truth, k)
    shown = items[:, :k]
    is_head = np.append(head, False)[shown]
    is_part = {"repeats": hit_matrix(shown, own), "head": is_head}
    return {part_column(k, part): (gains * is_part[part]).sum(axis=1) for part in PARTS}
