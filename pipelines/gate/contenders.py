"""A contender, which is what the gate knows of one candidate, and what makes it unusable.

A value is accepted as a metric only if it is shown to be one. Anything missing, NaN, infinite, a
bool, a string or outside [0, 1] is a problem with a sentence of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: Most that a reported mean may differ from the mean of its users' values: rounding only.
MEAN_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Contender:
    """One candidate's evaluation on the gate window; None for what was not measured.

    Parameters
    ----------
    name : str
    spec_hash : str
        Hash of the specification: contenders with the same hash are the same recommender.
    run_id : str or None
        Its run in MLflow; None if it is not logged.
    ndcg : float or None
        Mean NDCG@k as reported.
    coverage : float or None
        Share of the catalogue in the lists.
    user_ids : ndarray of str, shape (n_users,), optional
        Users with truth, sorted and unique.
    user_ndcg : ndarray of float, shape (n_users,), optional
        NDCG@k of each.
    segments : ndarray of str, shape (n_users,), optional
        Segment of each at the cutoff.
    """

    name: str
    spec_hash: str
    run_id: object = None
    ndcg: object = None
    coverage: object = None
    user_ids: np.ndarray | None = None
    user_ndcg: np.ndarray | None = None
    segments: np.ndarray | None = None

    @property
    def user_count(self) -> int:
        """Number of users it was evaluated on; 0 if it was not evaluated."""
        return 0 if self.user_ids is None else len(self.user_ids)


def share_problem(value: object) -> str | None:
    """Say why a value is not a number in [0, 1]; return None if it is one.

    Examples
    --------
    >>> share_problem(0.31) is None
    True
    >>> share_problem(True)
    'is True, of type bool'
    >>> share_problem(float("nan"))
    'is nan, outside [0, 1]'
    """
    if value is None:
        return "is missing"
    if isinstance(value, (bool, np.bool_)) or not isinstance(
        value, (int, float, np.integer, np.floating)
    ):
        return f"is {value!r}, of type {type(value).__name__}"
    # NaN and infinity fail this comparison
    return None if 0 <= value <= 1 else f"is {value}, outside [0, 1]"


def contender_problem(contender: Contender, k: int) -> str | None:
    """Say what makes a contender's evaluation unusable; return None if it is sound.

    `k` is the cut of the NDCG, named in the sentence.
    """
    for metric, value in ((f"NDCG@{k}", contender.ndcg), ("coverage", contender.coverage)):
        if problem := share_problem(value):
            return f"{metric} of {contender.name} {problem}"
    if problem := _users_problem(contender):
        return f"{contender.name} {problem}"
    mean = float(np.mean(np.asarray(contender.user_ndcg)))
    if not abs(mean - float(contender.ndcg)) <= MEAN_TOLERANCE:  # type: ignore[arg-type]  # shown to be a number above
        return f"NDCG@{k} of {contender.name} is {contender.ndcg}, but its users' mean is {mean}"
    return None


def _users_problem(contender: Contender) -> str | None:
    users, values, segments = contender.user_ids, contender.user_ndcg, contender.segments
    if users is None or values is None or segments is None:
        return "has no figures per user"
    if not len(users):
        return "was evaluated on no user"
    if len(np.unique(users)) != len(users):
        return "has users that occur twice"
    if values.shape != (len(users),) or segments.shape != (len(users),):
        return f"has {len(users)} users, {len(values)} values and {len(segments)} segments"
    return _values_problem(values)


def _values_problem(values: np.ndarray) -> str | None:
    if not np.issubdtype(values.dtype, np.floating):
        return f"has figures per user of type {values.dtype}"
    # NaN fails both comparisons
    if not bool(np.all((values >= 0) & (values <= 1))):
        return "has figures per user that are missing or outside [0, 1]"
    return None


def have_same_users(first: Contender, second: Contender) -> bool:
    """Whether two contenders were evaluated on the same users, in the same order."""
    if first.user_ids is None or second.user_ids is None:
        return False
    return bool(np.array_equal(first.user_ids, second.user_ids))
