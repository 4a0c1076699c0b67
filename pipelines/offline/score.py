"""From lists and truth to the per-user table and its means with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.config import EvaluationSettings
from pipelines.errors import MissingSnapshotError
from pipelines.offline import list_metrics
from pipelines.offline.intervals import Interval, mean_interval
from pipelines.offline.metrics import RANKING_METRICS, ranking_metrics
from pipelines.offline.truth import Truth

if TYPE_CHECKING:
    from pipelines.models.base import TopN

#: Segments of users, as `features.feat_users` names them, in the order they are shown.
SEGMENTS = ("new", "light", "heavy")


def reported_cuts(evaluation: EvaluationSettings) -> tuple[int, ...]:
    """All cuts of the ranking metrics, the gate's among them, ascending."""
    return tuple(sorted({*evaluation.ks, evaluation.k}))


def per_user_table(
    lists: TopN, truth: Truth, segments: pd.Series, evaluation: EvaluationSettings
) -> pd.DataFrame:
    """Score every user.

    Parameters
    ----------
    lists : TopN
        Lists of the users of `truth`, in its order, over the history's items.
    truth : Truth
    segments : Series of str
        Segment by user_id.
    evaluation : EvaluationSettings
        Cuts.

    Returns
    -------
    DataFrame
        One row per user_id, sorted: segment, relevant_count, list_length and
        `<metric>_at_<k>`.

    Raises
    ------
    MissingSnapshotError
        If a user has no segment.
    """
    segment = segments.reindex(pd.Index(lists.user_ids))
    if segment.isna().any():
        raise MissingSnapshotError(
            "Every user with a history must be in the snapshot's users. Found none for "
            f"{segment.index[segment.isna()][0]!r}. Run `recsys features` for this night again."
        )
    return pd.DataFrame(
        {
            "user_id": lists.user_ids,
            "segment": segment.to_numpy(),
            "relevant_count": np.diff(truth.relevant.indptr).astype(np.int64),
            "list_length": (lists.items >= 0).sum(axis=1).astype(np.int64),
            **ranking_metrics(lists.items, truth.relevant, reported_cuts(evaluation)),
        }
    )


def means_by_segment(
    per_user: pd.DataFrame, evaluation: EvaluationSettings
) -> dict[str, dict[str, dict[str, Any]]]:
    """Mean and interval of every ranking metric, for all users and for each segment.

    Returns
    -------
    dict
        ``{metric: {"all" or segment: {"value", "low", "high", "user_count"}}}``; segments
        without users are left out.
    """
    present = [segment for segment in SEGMENTS if (per_user["segment"] == segment).any()]
    masks = {"all": np.ones(len(per_user), dtype=bool)} | {
        segment: (per_user["segment"] == segment).to_numpy() for segment in present
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for metric in RANKING_METRICS:
        for k in reported_cuts(evaluation):
            column = f"{metric}_at_{k}"
            values = per_user[column].to_numpy()
            found[column] = {
                segment: _entry(mean_interval(values[mask], evaluation.confidence))
                for segment, mask in masks.items()
            }
    return found


def list_means(
    lists: TopN, met: sparse.csr_array, evaluation: EvaluationSettings
) -> dict[str, dict[str, dict[str, Any]]]:
    """Metrics of the lists as such, at the gate's cut, over all scored users.

    Parameters
    ----------
    lists : TopN
        Over the history's items.
    met : csr_array of shape (n_users, n_items), bool
        Who met what before the cutoff: popularity and item vectors come from it.
    evaluation : EvaluationSettings

    Returns
    -------
    dict
        ``{metric: {"all": {"value", "low", "high", "user_count"}}}``; bounds are None for
        metrics that are of all lists together.
    """
    k, confidence = evaluation.k, evaluation.confidence
    items = lists.items[:, :k]
    n_users, n_items = met.shape
    user_counts = np.bincount(met.indices, minlength=n_items)
    served = int((items >= 0).any(axis=1).sum())
    together = {
        "coverage": list_metrics.coverage(items, n_items),
        "gini": list_metrics.gini(items, n_items),
        "personalisation": list_metrics.personalisation(items),
        "served_share": served / len(items) if len(items) else None,
    }
    by_list = {
        "mean_popularity": list_metrics.mean_popularity(items, user_counts, n_users),
        "novelty": list_metrics.novelty(items, user_counts),
        "intra_list_diversity": list_metrics.intra_list_diversity(items, met),
    }
    entries = {
        name: _entry(Interval(value, None, None, None, len(items)))
        for name, value in together.items()
    } | {name: _entry(mean_interval(values, confidence)) for name, values in by_list.items()}
    return {f"{name}_at_{k}": {"all": entry} for name, entry in entries.items()}


def _entry(interval: Interval) -> dict[str, Any]:
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "user_count": interval.user_count,
    }
