"""TF-IDF and BM25: users who met nearly everything say little about any item."""

from __future__ import annotations

import numpy as np
from scipy import sparse

#: Usual constants of BM25: how soon a value saturates, and how much popular items are damped.
BM25_K1 = 1.2
BM25_B = 0.75


def weigh_by_user(interest: sparse.csr_array) -> np.ndarray:
    """Inverse document frequency of every user; items are documents and users their words.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32

    Returns
    -------
    ndarray of float64, shape (n_users,)
        ``log((1 + n_items) / (1 + n_u))``, with n_u items in the history of u; never negative.
    """
    counts = np.diff(interest.indptr)
    frequency: np.ndarray = np.log((1 + interest.shape[1]) / (1 + counts))
    return frequency


def weigh_tf_idf(interest: sparse.csr_array) -> sparse.csr_array:
    """TF-IDF weights of a history matrix.

    Returns
    -------
    csr_array of shape (n_users, n_items), float32
        ``w_ui = sqrt(x_ui) log((1 + n_items) / (1 + n_u))``.

    References
    ----------
    G. Salton, C. Buckley (1988). Term-weighting Approaches in Automatic Text Retrieval.
    """
    user = np.repeat(np.arange(interest.shape[0]), np.diff(interest.indptr))
    # w_ui = sqrt(x_ui) idf_u
    return _with_data(interest, np.sqrt(interest.data) * weigh_by_user(interest)[user])


def weigh_bm25(
    interest: sparse.csr_array, k1: float = BM25_K1, b: float = BM25_B
) -> sparse.csr_array:
    """BM25 weights of a history matrix.

    Parameters
    ----------
    interest : csr_array of shape (n_users, n_items), float32
    k1 : float
        Above 0; the larger, the later a value saturates.
    b : float
        From 0 to 1: how much an item's own popularity damps it.

    Returns
    -------
    csr_array of shape (n_users, n_items), float32
        ``w_ui = idf_u x_ui (k1 + 1) / (x_ui + k1 (1 - b + b l_i / mean l))``, with l_i the sum
        of column i.

    References
    ----------
    S. Robertson, H. Zaragoza (2009). The Probabilistic Relevance Framework: BM25 and Beyond.
    """
    if not interest.nnz:
        return interest
    user = np.repeat(np.arange(interest.shape[0]), np.diff(interest.indptr))
    length = np.asarray(interest.sum(axis=0, dtype=np.float64))
    damping = k1 * (1 - b + b * length / length.mean())
    # w_ui = idf_u x_ui (k1 + 1) / (x_ui + k1 (1 - b + b l_i / mean l))
    value = interest.data * (k1 + 1) / (interest.data + damping[interest.indices])
    return _with_data(interest, weigh_by_user(interest)[user] * value)


def _with_data(matrix: sparse.csr_array, data: np.ndarray) -> sparse.csr_array:
    return sparse.csr_array(
        (data.astype(np.float32), matrix.indices, matrix.indptr), shape=matrix.shape
    )
