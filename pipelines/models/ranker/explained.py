"""Explanation of boosted trees: gain of their features, and effect of the strongest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pipelines.models.base import Explanation
from pipelines.models.ranker.partial_dependence import grid_of, partial_dependence
from pipelines.models.ranker.trees import gain_by_feature

#: Number of features whose partial dependence is computed, the strongest first.
N_STRONGEST = 6


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
