"""Partial dependence: what boosted trees predict on average for each value of one feature."""

from __future__ import annotations

import numpy as np

from pipelines.models.ranker.trees import sum_of_trees

#: Most values of a feature at which partial dependence is computed.
GRID_SIZE = 30
#: Quantiles of the known values between which they lie: rarer values are not shown.
GRID_SHARES = (0.02, 0.98)


def partial_dependence(
    table: np.ndarray, features: np.ndarray, column: int, values: np.ndarray
) -> np.ndarray:
    """Mean log-odds over rows when one feature of all rows is set to each of some values.

    Parameters
    ----------
    table : ndarray of float64, shape (n_nodes, 9)
        What `grow_trees` gave.
    features : ndarray of float, shape (n_rows, n_features)
        The sample that is averaged over; at least one row.
    column : int
        The feature.
    values : ndarray of float, shape (n_values,)
        NaN asks what the trees say where the feature is unknown.

    Returns
    -------
    ndarray of float64, shape (n_values,)
        Less the constant that all rows share, as `sum_of_trees` leaves it out.

    Notes
    -----
    PD(v) = 1/n Σ_i F(v, x_i without the feature), each term computed: nothing is weighed by the
    shares of rows that went down a branch while trees grew. Where features are correlated, a
    value may be combined with rows in which it never occurs.

    References
    ----------
    J. Friedman (2001). Greedy Function Approximation: A Gradient Boosting Machine. Annals of
    Statistics 29(5), section 8.2.
    """
    rows = features.astype(np.float64)
    means = np.empty(len(values))
    for place, value in enumerate(values):
        rows[:, column] = value
        means[place] = sum_of_trees(table, rows).mean()
    return means


def grid_of(column: np.ndarray) -> np.ndarray:
    """Grid of a feature's values: all known ones if they are few, else their quantiles.

    Parameters
    ----------
    column : ndarray of float, shape (n_rows,)
        NaN where unknown.

    Returns
    -------
    ndarray of float64, shape (n_values,)
        At most `GRID_SIZE` values that occur, ascending; empty if none is known.

    Examples
    --------
    >>> grid_of(np.array([2.0, 1.0, np.nan, 2.0]))
    array([1., 2.])
    """
    known = column[~np.isnan(column)].astype(np.float64)
    found = np.unique(known)
    if len(found) <= GRID_SIZE:
        return found
    shares = np.linspace(*GRID_SHARES, GRID_SIZE)
    return np.unique(np.quantile(known, shares, method="nearest"))
