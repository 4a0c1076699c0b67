"""Histories as a file of arrays, so that a registered recommender can serve without a warehouse."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.features.interactions import Interactions

#: Fields of `Interactions` that are arrays of text.
TEXT_FIELDS = ("user_ids", "item_ids")
#: Fields that are arrays of numbers or times.
NUMBER_FIELDS = ("user", "item", "event_type", "age_days", "event_count", "last_event_at")


def save_histories(history: Interactions, path: Path) -> None:
    """Write every array of a history, compressed; plain data that nothing executes.

    Parameters
    ----------
    history : Interactions
    path : Path
        A `.npz` file.
    """
    arrays: dict[str, Any] = {
        "cutoff": np.array(history.cutoff.isoformat()),
        "event_types": np.array(history.event_types, dtype=np.str_),
        **{name: np.asarray(getattr(history, name), dtype=np.str_) for name in TEXT_FIELDS},
        **{name: getattr(history, name) for name in NUMBER_FIELDS},
    }
    np.savez_compressed(path, **arrays)


def load_histories(path: Path) -> Interactions:
    """Read what `save_histories` wrote.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Interactions
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in (*TEXT_FIELDS, *NUMBER_FIELDS)}
        return Interactions(
            cutoff=date.fromisoformat(str(stored["cutoff"])),
            event_types=tuple(stored["event_types"].tolist()),
            **arrays,
        )
