"""Score lists on truth: the per-user table, and its means with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.base.errors import MissingSnapshotError
from pipelines.base.settings_sections import EvaluationSettings
from pipelines.evaluate import list_metrics
from pipelines.evaluate.intervals import Interval, mean_interval, ratio_interval
from pipelines.evaluate.metrics import CANDIDATE_RECALL, RANKING_METRICS, ranking_metrics
from pipelines.evaluate.truth import Truth

if TYPE_CHECKING:
    from pipelines.models.base import TopN

#: Segments of users, as `features.feat_users` names them, in the order they are shown.
SEGMENTS = ("new", "light", "heavy")


def reported_cuts(evaluation: EvaluationSettings) -> tuple[int, ...]:
    """All cuts of the ranking metrics, the gate's among them, ascending."""
    return tuple(sorted({*evaluation.ks, evaluation.k}))


def per_user_table(
    lists: TopN,
    truth: Truth,
    segments: pd.Series,
    evaluation: EvaluationSettings,
    *,
    parts: Mapping[str, np.ndarray] | None = None,
) -> pd.DataFrame:
    """Score the list of every user, one row each.

    Parameters
    ----------
    lists : TopN
        Lists of the users of `truth`, in its order, over the history's items.
    truth : Truth
    segments : Series of str
        Segment by user_id.
    evaluation : EvaluationSettings
        Cuts.
    parts : mapping of str to ndarray of float, shape (n_users,), optional
        Further columns: what `ndcg_parts` returns.

    Returns
    -------
    DataFrame
        One row per user_id, sorted: segment, relevant_count, list_length,
        `<metric>_at_<k>`, and `parts`.

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
            **(parts or {}),
        }
    )


def means_by_segment(
    per_user: pd.DataFrame, evaluation: EvaluationSettings
) -> dict[str, dict[str, dict[str, Any]]]:
    """Mean and interval of every ranking metric, for all users and for each segment.

    Also of `candidate_recall`, where the table has it, over the users it was measured for.

    Returns
    -------
    dict
        ``{metric: {"all" or segment: {"value", "low", "high", "user_count"}}}``; segments
        without users are left out.
    """
    masks = segment_masks(per_user["segment"].to_numpy())
    cuts = reported_cuts(evaluation)
    columns = [f"{metric}_at_{k}" for metric in RANKING_METRICS for k in cuts]
    columns += [CANDIDATE_RECALL] * (CANDIDATE_RECALL in per_user)

    def mean(column: str, mask: np.ndarray) -> dict[str, Any]:
        values = per_user[column].to_numpy()[mask]
        if column == CANDIDATE_RECALL:
            values = values[~np.isnan(values)]
        return _entry(mean_interval(values, evaluation.confidence))

    return {
        column: {segment: mean(column, mask) for segment, mask in masks.items()}
        for column in columns
    }


def list_means(
    lists: TopN,
    met: sparse.csr_array,
    evaluation: EvaluationSettings,
    *,
    own: sparse.csr_array,
    segment: np.ndarray,
) -> dict[str, dict[str, dict[str, Any]]]:
    """List metrics at the gate's cut, for all scored users and for each segment.

    Parameters
    ----------
    lists : TopN
        Over the history's items.
    met : csr_array of shape (n_users, n_items), bool
        Items each user met before the cutoff; popularity and item vectors come from all its
        users, whatever the segment.
    evaluation : EvaluationSettings
    own : csr_array of shape (n_lists, n_items), bool
        The rows of `met` of the users of `lists`.
    segment : ndarray of str, shape (n_lists,)
        Segment of each of them.

    Returns
    -------
    dict
        ``{metric: {"all" or segment: {"value", "low", "high", "user_count"}}}``; bounds are None
        for metrics of all lists together. Segments without users are left out.

    Notes
    -----
    `popularity_lift` is the mean popularity of the lists over the mean popularity of the same
    users' own histories, less 1: 0 where lists are as popular as what the users met themselves,
    1 where they are twice as popular. Users without a list have no part in it.

    References
    ----------
    H. Abdollahpouri, M. Mansoury, R. Burke, B. Mobasher (2020). The Connection Between Popularity
    Bias, Calibration, and Fairness in Recommendation. RecSys 2020.
    """
    items = lists.items[:, : evaluation.k]
    shared = {
        "user_counts": np.bincount(met.indices, minlength=met.shape[1]),
        "n_users": met.shape[0],
        "vectors": list_metrics.item_vectors(met),
        "confidence": evaluation.confidence,
    }
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, mask in segment_masks(segment).items():
        for metric, interval in _list_intervals(items[mask], own[mask], **shared).items():
            found.setdefault(f"{metric}_at_{evaluation.k}", {})[name] = _entry(interval)
    return found


def segment_masks(segment: np.ndarray) -> dict[str, np.ndarray]:
    """Masks of the users in ``all`` and in each segment that has any, ordered as `SEGMENTS`."""
    masks = {name: segment == name for name in SEGMENTS}
    everybody = {"all": np.ones(len(segment), dtype=bool)}
    return everybody | {name: mask for name, mask in masks.items() if mask.any()}


def _list_intervals(
    items: np.ndarray,
    own: sparse.csr_array,
    *,
    user_counts: np.ndarray,
    n_users: int,
    vectors: list_metrics.ItemVectors,
    confidence: float,
) -> dict[str, Interval]:
    """Every list metric of some users' lists, by name."""
    n_items = len(user_counts)
    is_served = (items >= 0).any(axis=1)
    together = {
        "coverage": list_metrics.coverage(items, n_items),
        "gini": list_metrics.gini(items, n_items),
        "personalisation": list_metrics.personalisation(items),
        "served_share": float(is_served.mean()) if len(items) else None,
    }
    shown = list_metrics.mean_popularity(items, user_counts, n_users)
    by_list = {
        "mean_popularity": shown,
        "novelty": list_metrics.novelty(items, user_counts),
        "intra_list_diversity": list_metrics.intra_list_diversity(items, vectors),
    }
    before = list_metrics.profile_popularity(own[is_served], user_counts, n_users)
    return {
        **{name: Interval(one, None, None, None, len(items)) for name, one in together.items()},
        **{name: mean_interval(one, confidence) for name, one in by_list.items()},
        "popularity_lift": _less_one(ratio_interval(shown, before, confidence)),
    }


def _less_one(interval: Interval) -> Interval:
    """Interval of a relative change: that of the ratio, less 1."""
    value, low, high = (
        None if bound is None else bound - 1
        for bound in (interval.value, interval.low, interval.high)
    )
    return replace(interval, value=value, low=low, high=high)


def _entry(interval: Interval) -> dict[str, Any]:
    return {
        "value": interval.value,
        "low": interval.low,
        "high": interval.high,
        "user_count": interval.user_count,
    }
