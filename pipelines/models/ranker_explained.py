"""What a fitted ranker looks at: the gain of its features, and how it answers to the strongest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.partial_dependence import grid_of, partial_dependence
from pipelines.models.ranker import TwoStageRanker
from pipelines.models.ranker_trees import gain_by_feature
from pipelines.models.sampling import evenly_spaced

#: Features whose partial dependence is worked out, the strongest first.
N_STRONGEST = 6
#: Users whose candidates are the sample, and rows of it, at most; both evenly spaced.
SAMPLE_USERS, SAMPLE_ROWS = 300, 2000


@dataclass(frozen=True)
class RankerExplained:
    """What `explain_ranker` finds.

    Parameters
    ----------
    gain : DataFrame
        One row per feature, by falling `gain_share` and then in the order of the features:
        feature, gain_share (sums to 1).
    dependence : DataFrame
        One row per feature and value, features as in `gain`, values ascending: feature, value
        (NaN for "unknown", last, where a row of the sample has none), log_odds, row_share (share
        of the sample's rows that have no larger value; of those that have none for NaN).
    user_count, row_count : int
        Size of the sample.
    """

    gain: pd.DataFrame
    dependence: pd.DataFrame
    user_count: int
    row_count: int


def explain_ranker(recommender: Recommender, history: Interactions) -> RankerExplained | None:
    """Look into the trees of a fitted ranker.

    Parameters
    ----------
    recommender : Recommender
        Fitted.
    history : Interactions
        What it was fitted on; a sample of its users' candidates is averaged over.

    Returns
    -------
    RankerExplained or None
        None for other recommenders, and for a ranker that had nothing to grow a tree from.
    """
    if not isinstance(recommender, TwoStageRanker) or not len(recommender.trees_):
        return None
    names = np.array(recommender.feature_names)
    shares = gain_by_feature(recommender.trees_, len(names))
    order = np.argsort(-shares, kind="stable")
    rows, user_count = sample_candidates(recommender, history)
    strongest = [int(one) for one in order[:N_STRONGEST] if shares[one] > 0]
    curves = [_curve(recommender, rows, one, str(names[one])) for one in strongest]
    return RankerExplained(
        gain=pd.DataFrame({"feature": names[order], "gain_share": shares[order]}),
        dependence=pd.concat(curves, ignore_index=True),
        user_count=user_count,
        row_count=len(rows),
    )


def sample_candidates(ranker: TwoStageRanker, history: Interactions) -> tuple[np.ndarray, int]:
    """Features of some candidates of some users, and the number of users.

    Users with a choice, evenly spaced in order of user_id, and of their candidates (those that
    `repeats` allows) again evenly spaced ones: the same history gives the same sample.
    """
    chooses = np.flatnonzero(np.diff(history.matrix(ranker.event_weights).indptr) > 0)
    past = history.with_items(ranker.item_ids_)
    past = past.select_users(chooses[evenly_spaced(len(chooses), SAMPLE_USERS)])
    exclude = Exclusion(None if ranker.repeats else past.pairs())
    blocks = []
    for block in ranker.user_blocks(past, len(ranker.parts_)):
        some = past.select_users(block)
        users, found = ranker.list_first_stage(some, exclude.select_users(block))
        blocks.append(ranker.describe(found, some.select_users(users)))
    rows = np.vstack(blocks)
    return rows[evenly_spaced(len(rows), SAMPLE_ROWS)], past.n_users


def _curve(ranker: TwoStageRanker, rows: np.ndarray, column: int, name: str) -> pd.DataFrame:
    found = rows[:, column].astype(np.float64)
    values = grid_of(found)
    unknown = np.isnan(found)
    shares = [float((found <= value).mean()) for value in values]
    if unknown.any():
        values = np.append(values, np.nan)
        shares.append(float(unknown.mean()))
    log_odds = partial_dependence(ranker.trees_, rows, column, values)
    return pd.DataFrame(
        {"feature": name, "value": values, "log_odds": log_odds, "row_share": shares}
    )
