"""Group users by what their attributes let them see, and find those without consent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from pipelines.base.settings_sections import PlacementSettings
from pipelines.rules.eligibility import Eligibility, rows_of_frame

#: Cells (users by items) that are judged at once.
BLOCK_CELLS = 20_000_000
#: Group of people of whom nothing is known.
STRANGERS = 0


def group_by_eligibility(
    rules: Sequence[str],
    item_ids: np.ndarray,
    catalogue: pd.DataFrame,
    user_ids: np.ndarray,
    users: pd.DataFrame | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Group users who may be shown the same items.

    Parameters
    ----------
    rules : sequence of str
        A placement's `eligible`.
    item_ids : ndarray of str, shape (n_items,)
    catalogue : DataFrame
        One row per item_id, columns of `feat_items`; an item without a row has no attributes.
    user_ids : ndarray of str, shape (n_users,)
    users : DataFrame or None
        One row per user_id, columns of `feat_user_attributes`.

    Returns
    -------
    groups : ndarray of int32, shape (n_users,)
        Each user's row of `hidden`.
    hidden : ndarray of bool, shape (n_groups, n_items)
        Items that may not be shown to a group; group `STRANGERS` has no attributes.

    Notes
    -----
    Users of equal attributes are judged once, and those of equal outcomes are one group: groups are
    few where users are many, and no user has a row as long as the catalogue.
    """
    judge = Eligibility(rules)
    columns = judge.items(aligned_columns(catalogue, "item_id", item_ids, judge.item_names))
    people, person_of = different_people(judge, user_ids, users)
    found: dict[bytes, int] = {}
    hidden: list[np.ndarray] = []
    group_of = np.empty(len(people), dtype=np.int32)
    step = max(1, BLOCK_CELLS // max(1, len(item_ids)))
    for start in range(0, len(people), step):
        truth = judge.judge(columns, len(item_ids), people[start : start + step])
        for place, mask in enumerate(~truth.yes, start):
            group_of[place] = found.setdefault(np.packbits(mask).tobytes(), len(found))
            if group_of[place] == len(hidden):
                hidden.append(mask.copy())
    return group_of[person_of], np.array(hidden).reshape(len(hidden), len(item_ids))


def never_eligible(
    rules: Sequence[str], item_ids: np.ndarray, catalogue: pd.DataFrame
) -> np.ndarray:
    """Mask of the items that nobody may be shown, whatever their attributes: bool, (n_items,)."""
    judge = Eligibility(rules)
    columns = judge.items(aligned_columns(catalogue, "item_id", item_ids, judge.item_names))
    found: np.ndarray = judge.judge(columns, len(item_ids), [{}]).no[0]
    return found


def without_consent(
    placement: PlacementSettings, user_ids: np.ndarray, users: pd.DataFrame | None
) -> np.ndarray | None:
    """Mask of the users whose history a placement must not use; None if there is none.

    Parameters
    ----------
    placement : PlacementSettings
        See `needs_consent`.
    user_ids : ndarray of str, shape (n_users,)
    users : DataFrame or None
        One row per user_id with `consent`.
    """
    if not needs_consent(placement, users):
        return None
    given: set[str] = set()
    if users is not None:
        is_given = users["consent"].astype("boolean").eq(True).fillna(False).to_numpy(bool)
        given = set(users["user_id"].to_numpy()[is_given].tolist())
    missing = np.array([user_id not in given for user_id in user_ids.tolist()], dtype=bool)
    return missing if missing.any() else None


def needs_consent(placement: PlacementSettings, users: pd.DataFrame | None) -> bool:
    """Whether only users who are known to consent get lists made from their history.

    Without `personalise_without_consent` in the settings that is so where the users feed says of
    anybody whether they consent.
    """
    if placement.personalise_without_consent is not None:
        return not placement.personalise_without_consent
    return users is not None and bool(users["consent"].notna().any())


def aligned_columns(
    frame: pd.DataFrame, key: str, ids: np.ndarray, names: Sequence[str]
) -> dict[str, list[Any]]:
    """Attributes in the order of some ids; None for an id without a row, but for the id itself."""
    place = pd.Index(frame[key]).get_indexer(pd.Index(ids)).tolist()
    columns = rows_of_frame(frame, names)
    found = {
        name: [values[at] if at >= 0 else None for at in place] for name, values in columns.items()
    }
    return {name: ids.tolist() if name == key else values for name, values in found.items()}


def different_people(
    judge: Eligibility, user_ids: np.ndarray, users: pd.DataFrame | None
) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Different combinations of the attributes that rules read, strangers first; who has which."""
    names = judge.user_names
    if users is None or not names:
        return [{}], np.full(len(user_ids), STRANGERS)
    columns = aligned_columns(users, "user_id", user_ids, names)
    known: dict[tuple[Any, ...], int] = {(None,) * len(names): STRANGERS}
    person_of = np.array(
        [known.setdefault(one, len(known)) for one in zip(*columns.values(), strict=True)],
        dtype=np.int64,
    )
    return [dict(zip(columns, one, strict=True)) for one in known], person_of
