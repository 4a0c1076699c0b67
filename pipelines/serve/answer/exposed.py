"""Which arm of an experiment a user is in now, and whether the arms' lists differ for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pipelines.experiments.definition import CONTROL
from pipelines.serve.answer.list_store import ListStore


@dataclass(frozen=True)
class Exposed:
    """An assignment; these are also its fields in a log line.

    Parameters
    ----------
    experiment_id, variant : str
    bucket : int
        Of the user, 0 to 9,999.
    config_hash : str
        Of the experiment's frozen settings.
    lists_differ : bool
        Whether the first items of the arms' stored lists are not the same for this user.
    """

    experiment_id: str
    variant: str
    bucket: int
    config_hash: str
    lists_differ: bool

    def as_dict(self) -> dict[str, Any]:
        """The assignment as fields of an answer."""
        return {"id": self.experiment_id, "variant": self.variant, "bucket": self.bucket}


#: Assignment fields of a log line for a user in no experiment.
NOT_EXPOSED: dict[str, Any] = {"experiment_id": None, "variant": CONTROL}


def assign_user(store: ListStore, placement: str, user_id: str, n: int) -> Exposed | None:
    """The user's arm in a placement's experiment; None without one, or if the user is not in it.

    Parameters
    ----------
    store : ListStore
    placement : str
    user_id : str
    n : int
        Items that are shown; lists that differ only further down count as equal.
    """
    experiment = store.experiments.get(placement)
    assigned = experiment.assign(user_id) if experiment else None
    if experiment is None or assigned is None:
        return None
    variant, bucket = assigned
    heads = {_head(store, placement, name, user_id, n) for name in store.variants(placement)}
    return Exposed(
        experiment.experiment_id, variant, bucket, experiment.config_hash, len(heads) > 1
    )


def _head(
    store: ListStore, placement: str, variant: str, user_id: str, n: int
) -> tuple[str, ...] | None:
    found = store.get_list(placement, variant, user_id)
    return None if found is None else tuple(found.items[:n])
