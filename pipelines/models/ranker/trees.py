"""Boosted trees as plain numbers, so that they are stored as data and never pickled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.utils.stats import _weighted_percentile
from threadpoolctl import threadpool_limits

#: Columns of a table of trees after the number of the tree; the names are scikit-learn's.
NODE_FIELDS = (
    "value",
    "feature_idx",
    "num_threshold",
    "missing_go_to_left",
    "left",
    "right",
    "is_leaf",
    "gain",
)
#: Bins of a feature's known values, as many as scikit-learn has.
MAX_BINS = 255
#: With more rows, scikit-learn finds bins from a sample of this size, which is fast.
SAMPLED_ROWS = 200_000
#: Rows that go through all trees before the next rows: they stay in the cache.
ROWS_AT_ONCE = 2048
#: Empty bitsets of categories: all features are numbers.
NO_BITS = np.zeros((0, 8), dtype=np.uint32)


def no_trees() -> np.ndarray:
    """Table of boosted trees that has no tree."""
    return np.zeros((0, 1 + len(NODE_FIELDS)))


def grow_trees(
    features: np.ndarray,
    is_relevant: np.ndarray,
    weight: np.ndarray,
    *,
    random_state: int,
    n_seeds: int,
    **params: float,
) -> np.ndarray:
    """Grow boosted classification trees, several times over, so that their sum is an average.

    Parameters
    ----------
    features : ndarray of float32, shape (n_rows, n_features)
        NaN where unknown.
    is_relevant : ndarray of bool, shape (n_rows,)
        Has both values.
    weight : ndarray of float, shape (n_rows,)
    random_state : int
        Seed of the first model; the next ones count up.
    n_seeds : int
        Models to average; they differ where ``max_features`` is below 1.
    **params : float
        Parameters of `HistGradientBoostingClassifier`.

    Returns
    -------
    ndarray of float64, shape (n_nodes, 9)
        The number of the tree and `NODE_FIELDS`, tree after tree.

    Notes
    -----
    One thread: sums of gradients over threads would depend on their number. Up to `SAMPLED_ROWS`
    rows are cut here into the bins that scikit-learn would choose and passed on as bin numbers:
    it sorts their columns anew for each of 255 weighted quantiles, in two thirds of its time.
    """
    known = features.copy()
    known[:, np.isnan(known).all(axis=0)] = 0.0  # bins need a value
    cuts = None
    if len(known) <= SAMPLED_ROWS:
        cuts = [_cut(values, weight) for values in known.T]
        for column, edges in enumerate(cuts):
            known[:, column] = _bin_numbers(known[:, column], edges)
    tables: list[np.ndarray] = []
    with threadpool_limits(1, user_api="openmp"):
        for seed in range(random_state, random_state + n_seeds):
            model = HistGradientBoostingClassifier(
                early_stopping=False, random_state=seed, **params
            )
            model.fit(known, is_relevant, sample_weight=weight)
            for iteration in model._predictors:
                nodes = iteration[0].nodes.copy()
                if cuts is not None:
                    _name_edges(nodes, cuts)
                tables.append(_table(nodes, n_seeds))
    number = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return np.column_stack([number, np.concatenate(tables)])


def _cut(column: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Upper edges of all bins but the last: between values if few, else at weighted quantiles."""
    is_known = ~np.isnan(column)
    column, weight = column[is_known].astype(np.float64), weight[is_known]
    values = np.unique(column)
    if len(values) <= MAX_BINS:
        return (values[:-1] + values[1:]) / 2
    percentiles = np.linspace(0, 100, num=MAX_BINS + 1)[1:-1]
    order = np.argsort(column)
    edges = _weighted_percentile(column[order], weight[order], percentiles, average=True)
    return np.unique(edges)


def _bin_numbers(column: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin number of each value, that is, how many edges lie below it; NaN stays."""
    return np.where(np.isnan(column), np.nan, np.searchsorted(edges, column))


def _name_edges(nodes: np.ndarray, cuts: list[np.ndarray]) -> None:
    """Replace each threshold, in place, which lies between two bin numbers, by the edge there."""
    threshold = nodes["num_threshold"]
    for node in np.flatnonzero((nodes["is_leaf"] == 0) & np.isfinite(threshold)):
        edges = cuts[nodes["feature_idx"][node]]
        threshold[node] = edges[int(np.ceil(threshold[node])) - 1]


def _table(nodes: np.ndarray, n_seeds: int) -> np.ndarray:
    columns = [nodes[name].astype(np.float64) for name in NODE_FIELDS]
    columns[0] = columns[0] / n_seeds
    return np.column_stack(columns)


def sum_of_trees(table: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Log-odds that boosted trees predict for rows, less the constant that all rows share.

    Parameters
    ----------
    table : ndarray of float64, shape (n_nodes, 9)
        What `grow_trees` gave.
    features : ndarray of float, shape (n_rows, n_features)

    Returns
    -------
    ndarray of float64, shape (n_rows,)

    Notes
    -----
    scikit-learn's own compiled predictor walks the trees. It is not public: a test compares these
    sums with `HistGradientBoostingClassifier.decision_function`, and the lock file pins the
    version. One thread: callers with many rows pass them in blocks from several.
    """
    total = np.zeros(len(features))
    if not len(table):
        return total
    no_categories = np.zeros(features.shape[1], dtype=np.uint32)
    trees = [TreePredictor(nodes, NO_BITS, NO_BITS) for nodes in _trees(table)]
    for start in range(0, len(features), ROWS_AT_ONCE):
        block = slice(start, start + ROWS_AT_ONCE)
        rows = np.ascontiguousarray(features[block], dtype=np.float64)
        for tree in trees:
            total[block] += tree.predict(rows, NO_BITS, no_categories, 1)
    return total


def gain_by_feature(table: np.ndarray, n_features: int) -> np.ndarray:
    """Share of the loss reduction that is due to splits on each feature.

    Returns
    -------
    ndarray of float64, shape (n_features,)
        Sums to 1, or is 0 where there is no split.
    """
    columns = dict(zip(("tree", *NODE_FIELDS), table.T, strict=True))
    is_split = columns["is_leaf"] == 0
    feature = columns["feature_idx"][is_split].astype(np.int64)
    gain: np.ndarray = np.bincount(feature, columns["gain"][is_split], minlength=n_features)
    return gain / max(float(gain.sum()), np.finfo(float).tiny)


def _trees(table: np.ndarray) -> Iterator[np.ndarray]:
    for rows in np.split(table, np.flatnonzero(np.diff(table[:, 0])) + 1):
        nodes = np.zeros(len(rows), dtype=PREDICTOR_RECORD_DTYPE)
        for column, name in enumerate(NODE_FIELDS, start=1):
            nodes[name] = rows[:, column]
        yield nodes
