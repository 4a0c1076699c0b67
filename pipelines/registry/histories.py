"""Histories as a file of arrays, so that a registered model needs no warehouse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pipelines.features.interactions import Interactions
from pipelines.features.item_versions import ItemVersions

#: Fields of `Interactions` that are arrays of text.
TEXT_FIELDS = ("user_ids", "item_ids")
#: Fields of `Interactions` that are arrays of numbers or times.
NUMBER_FIELDS = ("user", "item", "event_type", "age_days", "event_count", "last_event_at")
#: Fields of `ItemVersions` that are arrays of text.
VERSION_TEXT_FIELDS = ("title", "category")
#: Fields of `ItemVersions` that are arrays of numbers.
VERSION_NUMBER_FIELDS = ("item", "known_age_days", "price", "is_available")
#: Prefix of the names of the fields of `ItemVersions` in the file.
VERSION_PREFIX = "version_"


def save_histories(history: Interactions, path: Path | BinaryIO) -> None:
    """Save every array of a history to a compressed file; loading it executes no code.

    Parameters
    ----------
    history : Interactions
    path : Path or binary file
        A path ends in `.npz`.
    """
    arrays: dict[str, Any] = {
        "cutoff": np.array(history.cutoff.isoformat()),
        "event_types": np.array(history.event_types, dtype=np.str_),
        **_plain_arrays(history, TEXT_FIELDS, NUMBER_FIELDS),
    }
    versions = _plain_arrays(history.item_attributes, VERSION_TEXT_FIELDS, VERSION_NUMBER_FIELDS)
    arrays |= {f"{VERSION_PREFIX}{name}": array for name, array in versions.items()}
    np.savez_compressed(path, **arrays)


def load_histories(path: Path) -> Interactions:
    """Load histories that `save_histories` saved."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in (*TEXT_FIELDS, *NUMBER_FIELDS)}
        return Interactions(
            cutoff=date.fromisoformat(str(stored["cutoff"])),
            event_types=tuple(stored["event_types"].tolist()),
            item_attributes=_load_versions(stored),
            **arrays,
        )


def _load_versions(stored: Mapping[str, np.ndarray]) -> ItemVersions:
    """Load the versions of items; older files hold none."""
    if f"{VERSION_PREFIX}item" not in stored:
        return ItemVersions.none()
    numbers = {name: stored[f"{VERSION_PREFIX}{name}"] for name in VERSION_NUMBER_FIELDS}
    texts = {name: stored[f"{VERSION_PREFIX}{name}"].astype(object) for name in VERSION_TEXT_FIELDS}
    return ItemVersions(**numbers, **texts)


def _plain_arrays(
    owner: Interactions | ItemVersions, texts: Sequence[str], numbers: Sequence[str]
) -> dict[str, np.ndarray]:
    return {
        **{name: np.asarray(getattr(owner, name), dtype=np.str_) for name in texts},
        **{name: getattr(owner, name) for name in numbers},
    }
