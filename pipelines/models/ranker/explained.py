"""Explanation of boosted trees: gain of their features, and effect of the strongest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.models.base import Explanation
from pipelines.models.ranker.trees import gain_by_feature, sum_of_trees

#: Number of features whose partial dependence is computed, the strongest first.
N_STRONGEST = 6
#: Most values of a feature at which partial dependence is computed.
GRID_SIZE = 30
#: Quantiles of the known values between which they lie: rarer values are not shown.
GRID_SHARES = (0.02, 0.98)


def explain_trees(
    trees: np.ndarray, feature_names: Sequence[str], rows: np.ndarray, user_count: int
) -> Explanation:
    """Explain boosted trees by the gain of features and the effect of the strongest.

    Parameters
    ----------
    trees : ndarray of float64, shape (n_nodes, 9)
        What `grow_trees` gave; not empty.
    feature_names : sequence of str
        Of the columns of `rows`.
    rows : ndarray of float32, shape (n_rows, n_features)
        The sample that is averaged over.
    user_count : int
        Users whose candidates the sample is.
    """
    names = np.array(feature_names)
    shares = gain_by_feature(trees, len(names))
    order = np.argsort(-shares, kind="stable")
    strongest = [int(one) for one in order[:N_STRONGEST] if shares[one] > 0]
    curves = [_curve(trees, rows, one, str(names[one])) for one in strongest]
    return Explanation(
        gain=pd.DataFrame({"feature": names[order], "gain_share": shares[order]}),
        dependence=pd.concat(curves, ignore_index=True),
        user_count=user_count,
        row_count=len(rows),
    )


def _curve(trees: np.ndarray, rows: np.ndarray, column: int, name: str) -> pd.DataFrame:
    found = rows[:, column].astype(np.float64)
    values = grid_of(found)
    unknown = np.isnan(found)
    shares = [float((found <= value).mean()) for value in values]
    if unknown.any():
        values = np.append(values, np.nan)
        shares.append(float(unknown.mean()))
    log_odds = partial_dependence(trees, rows, column, values)
    return pd.DataFrame(
        {"feature": name, "value": values, "log_odds": log_odds, "row_share": shares}
    )


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
