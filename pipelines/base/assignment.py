"""Assign users to arms of an experiment: a pure function of ids, the same in Python and SQL."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.base.errors import SettingsError

#: Form of an experiment's id: without colons, so that no two pairs of ids hash alike.
EXPERIMENT_ID = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
#: Number of equal parts of the traffic; weights and coverage are resolved to these.
BUCKETS = 10_000

#: DuckDB macros. `md5_number` reads the digest from its other end, and a count of another type
#: makes the remainder a rounded double: neither may be used here.
ASSIGNMENT_MACROS = f"""
create macro if not exists assignment_digest(text) as ('0x' || md5(text))::uhugeint;
create macro if not exists assign_index(user_id, experiment_id, variant_count) as
    (assignment_digest(user_id || ':' || experiment_id) % variant_count::uhugeint)::integer;
create macro if not exists assign_bucket(user_id, experiment_id) as
    assign_index(user_id, experiment_id, {BUCKETS});
create macro if not exists layer_bucket(user_id, layer) as
    assign_bucket(user_id, 'layer:' || layer);
"""


@dataclass(frozen=True)
class Arm:
    """A variant and the part of the traffic it gets.

    Parameters
    ----------
    name : str
    weight : float
        Share of the covered traffic, 0 to 1; the weights of an experiment sum to 1.
    """

    name: str
    weight: float


def check_experiment_id(experiment_id: str) -> str:
    """Return an experiment's id if it has the required form, or refuse it.

    Raises
    ------
    SettingsError
        If it does not match `EXPERIMENT_ID`.
    """
    if not EXPERIMENT_ID.fullmatch(experiment_id):
        raise SettingsError(
            f"An experiment's id must match {EXPERIMENT_ID.pattern}. Got {experiment_id!r}. "
            "Use lower-case letters, digits, `_` and `-`."
        )
    return experiment_id


def normalise_id(value: str) -> str:
    r"""A user id in Unicode NFC, the form that is hashed; applied where ids come in.

    Examples
    --------
    >>> normalise_id("e\u0301") == "\u00e9"
    True
    """
    return unicodedata.normalize("NFC", value)


def assign_variant(
    user_id: str,
    experiment_id: str,
    variants: Sequence[str] = ("control", "treatment"),
) -> str:
    """The variant of a user with equal weights and all traffic (hash version 1).

    Parameters
    ----------
    user_id : str
        Normalised, and not empty: nobody without an id is in an experiment.
    experiment_id : str
        Checked by `check_experiment_id`.
    variants : sequence of str
        At least one, in the order that was fixed when the experiment began.

    Notes
    -----
    ``variants[int(md5("<user_id>:<experiment_id>"), 16) % len(variants)]``, the digest read as one
    big-endian number of 128 bits.

    Examples
    --------
    >>> assign_variant("1", "homepage")
    'treatment'
    """
    return variants[hash_digest(f"{user_id}:{experiment_id}") % len(variants)]


def assign_bucket(user_id: str, experiment_id: str) -> int:
    """The bucket, 0 to 9,999, that a user falls into (hash version 2)."""
    return hash_digest(f"{user_id}:{experiment_id}") % BUCKETS


def layer_bucket(user_id: str, layer: str) -> int:
    """The bucket of a user in a layer, independent of the user's bucket in any experiment."""
    return hash_digest(f"{user_id}:layer:{layer}") % BUCKETS


def assign_weighted(bucket: int, arms: Sequence[Arm], coverage: float = 1.0) -> str | None:
    """The arm that a bucket belongs to; None outside the covered traffic.

    Parameters
    ----------
    bucket : int
        Of `assign_bucket`.
    arms : sequence of Arm
        In their fixed order.
    coverage : float, default 1.0
        Share of each arm's range that takes part.

    Notes
    -----
    Arm k owns the half-open range ``[start_k, start_k + coverage * weight_k)`` of the 10,000
    buckets, where start_k is the sum of the weights before it. So a larger coverage brings users
    in and moves nobody from one arm to another.

    Examples
    --------
    >>> arms = [Arm("control", 0.5), Arm("treatment", 0.5)]
    >>> [assign_weighted(bucket, arms, coverage=0.1) for bucket in (0, 499, 500, 5000, 5500)]
    ['control', 'control', None, 'treatment', None]
    """
    start = 0.0
    for arm in arms:
        first, last = round(start * BUCKETS), round((start + coverage * arm.weight) * BUCKETS)
        if first <= bucket < last:
            return arm.name
        start += arm.weight
    return None


def hash_digest(text: str) -> int:
    """The md5 of a text as one number; used for its even spread, not for security."""
    return int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16)
