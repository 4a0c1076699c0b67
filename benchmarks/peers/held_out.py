"""What both scripts share: what they read, the recommenders of `implicit`, and a clock.

It is imported in environments of their own; reading needs pandas and pyarrow only.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds

HORIZON_DAYS = 14
CUT = 10
LIST_LENGTH = 50
N_NEIGHBORS = 100
N_FACTORS = 64
N_ITERATIONS = 10
#: Confidence of a pair that met, against 1 of one that did not.
CONFIDENCE = 10.0
REGULARIZATION = 0.1


def make_item_knn() -> Any:
    """Item-kNN of `implicit`, not fitted."""
    from implicit.nearest_neighbours import CosineRecommender

    return CosineRecommender(K=N_NEIGHBORS)


def make_als() -> Any:
    """ALS of `implicit`, not fitted."""
    from implicit.als import AlternatingLeastSquares

    return AlternatingLeastSquares(
        factors=N_FACTORS,
        iterations=N_ITERATIONS,
        alpha=CONFIDENCE,
        regularization=REGULARIZATION,
        random_state=0,
    )


class Clock:
    """Seconds of every step, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._began = time.monotonic()

    def note(self, step: str) -> None:
        """A step is over, and the next begins."""
        now = time.monotonic()
        self.seconds[step] = round(now - self._began, 3)
        self._began = now


@dataclass(frozen=True)
class Split:
    """A log and its truth.

    Parameters
    ----------
    events : DataFrame
        All events: user, item (codes into the ids), event_at.
    user_ids, item_ids : ndarray of str
        Sorted.
    is_past : ndarray of bool
        Rows of `events` before the cutoff.
    truth : DataFrame
        user, item: one row per pair that was bought after the cutoff and did not meet before it,
        of users with events before it. Items new since then stay, as misses.
    """

    events: pd.DataFrame
    user_ids: pd.Index
    item_ids: pd.Index
    is_past: pd.Series
    truth: pd.DataFrame


def read_split(landing: Path) -> Split:
    """Read day files and hold out what was bought in the last fortnight."""
    columns = ["user_id", "item_id", "event_type", "event_at"]
    table = ds.dataset(landing / "events", format="parquet").to_table(columns=columns)
    user, user_ids = _codes(table["user_id"])
    item, item_ids = _codes(table["item_id"])
    kind, kinds = _codes(table["event_type"])
    events = pd.DataFrame({"user": user, "item": item, "event_at": table["event_at"].to_pandas()})
    last_day = events["event_at"].max().normalize()
    cutoff = last_day + timedelta(days=1) - timedelta(days=HORIZON_DAYS)
    is_past = events["event_at"] < cutoff
    is_purchase = kind == kinds.get_loc("purchase")
    pairs = events.loc[~is_past & is_purchase, ["user", "item"]].drop_duplicates()
    pairs = pairs[pairs["user"].isin(events.loc[is_past, "user"].unique())]
    known = events.loc[is_past, ["user", "item"]]
    known = known[known["user"].isin(pairs["user"])].drop_duplicates()
    merged = pairs.merge(known, on=["user", "item"], how="left", indicator=True)
    truth = merged.loc[merged["_merge"] == "left_only", ["user", "item"]]
    return Split(events, user_ids, item_ids, is_past, truth.reset_index(drop=True))


def _codes(column: pa.ChunkedArray) -> tuple[pd.Series, pd.Index]:
    """Text as codes into its distinct values."""
    encoded = column.combine_chunks().dictionary_encode()
    values = pd.Index(encoded.dictionary.to_pandas().astype(object))
    order = values.argsort()
    place = pd.Series(range(len(values)), index=order).sort_index().to_numpy()
    return place[encoded.indices.to_numpy()], values[order]
