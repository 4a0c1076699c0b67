"""Read a night's snapshot: histories, catalogue, users and truth, as known at a cutoff."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.base.config import Settings
from pipelines.base.errors import MissingSnapshotError
from pipelines.base.tables import FEAT_USER_ATTRIBUTES
from pipelines.base.windows import Window
from pipelines.features.interactions import Interactions
from pipelines.features.item_versions import ItemVersions
from pipelines.features.snapshot import (
    DAYS_FILE,
    MANIFEST_FILE,
    VERSIONS_FILE,
    attributes_file,
    items_file,
    users_file,
)

if TYPE_CHECKING:
    import pandas as pd

#: Columns a history is made of, beside the three that are dictionary-encoded.
ENCODED = ("user_id", "item_id", "event_type")
HISTORY_COLUMNS = (*ENCODED, "event_date", "event_count", "last_event_at")
#: Histories a process caches: those of a night's two windows, which every candidate reads.
KEPT_HISTORIES = 2
#: Identity of a file's contents: its path, its inode, and when it was last written.
Stamp = tuple[Path, int, int]


def read_manifest(settings: Settings, as_of: date) -> dict[str, Any]:
    """Read the manifest of a night's snapshot.

    Raises
    ------
    MissingSnapshotError
        If the snapshot has not been taken.
    """
    manifest: dict[str, Any] = json.loads(_path(settings, as_of, MANIFEST_FILE).read_text())
    return manifest


def read_interactions(settings: Settings, as_of: date, cutoff: date) -> Interactions:
    """Read histories as they were known at a cutoff.

    Parameters
    ----------
    as_of : date
        The night whose snapshot is read.
    cutoff : date
        One of the night's cutoffs, or any day before them. Events count if they happened and
        landed before it, and are something a user did (`events.exposures` are not).

    Returns
    -------
    Interactions
        The same object for the same files, until `forget_histories` or two others were read.
        Users with at least one row; items that the cutoff knows, by attributes or events, with
        their attributes as they were known at it. Before the night's cutoffs an item counts as
        known from its `first_known_at`.

    Raises
    ------
    MissingSnapshotError
        If the snapshot, or this cutoff in it, is not there.
    """
    first = min(settings.night(as_of).cutoffs)
    names = (DAYS_FILE, items_file(max(cutoff, first)), VERSIONS_FILE)
    stamps = tuple(_stamp(settings, as_of, name) for name in names)
    return _read_history(cutoff, cutoff < first, tuple(settings.events.exposures), stamps)


@lru_cache(maxsize=KEPT_HISTORIES)
def _read_history(
    cutoff: date,
    is_earlier: bool,
    exposures: tuple[str, ...],
    stamps: tuple[Stamp, ...],
) -> Interactions:
    """Read a history from its files, cached for all candidates of a process and so read-only.

    `is_earlier` says that the items are those of a later cutoff.
    """
    days, items, versions = (path for path, *_ in stamps)
    known_ids = _known_items(items, cutoff if is_earlier else None)
    rows = _read_rows(days, cutoff, exposures)
    user_ids, user = _codes(rows["user_id"])
    bought_ids, item = _codes(rows["item_id"])
    event_types, event_type = _codes(rows["event_type"])
    item_ids = np.union1d(bought_ids, known_ids)
    columns = _sum_landings(
        {
            "user": user,
            "item": np.searchsorted(item_ids, bought_ids).astype(np.int32)[item],
            "event_type": event_type.astype(np.int8),
            **_values(rows, cutoff),
        }
    )
    for array in (user_ids, item_ids, *columns.values()):
        array.flags.writeable = False
    return Interactions(
        cutoff=cutoff,
        user_ids=user_ids,
        item_ids=item_ids,
        event_types=tuple(event_types.tolist()),
        item_attributes=_read_versions(versions, cutoff, item_ids),
        **columns,
    )


def read_vocabulary(
    settings: Settings,
    as_of: date,
    cutoff: date,
    item_ids: np.ndarray,
    event_types: Sequence[str],
) -> Interactions:
    """Make a history without users over items and event types, for `read_histories_of`.

    Parameters
    ----------
    as_of, cutoff : date
        As in `read_interactions`.
    item_ids : ndarray of str, shape (n_items,)
    event_types : sequence of str
        Those of the history that `read_interactions` reads; both are held as they are.
    """
    versions = _path(settings, as_of, VERSIONS_FILE)
    return Interactions(
        cutoff=cutoff,
        user_ids=np.empty(0, dtype=np.str_),
        item_ids=item_ids,
        event_types=tuple(event_types),
        user=np.empty(0, dtype=np.int32),
        item=np.empty(0, dtype=np.int32),
        event_type=np.empty(0, dtype=np.int8),
        age_days=np.empty(0, dtype=np.int32),
        event_count=np.empty(0, dtype=np.float32),
        last_event_at=np.empty(0, dtype="datetime64[us]"),
        item_attributes=_read_versions(versions, cutoff, item_ids),
    )


def read_histories_of(
    settings: Settings, as_of: date, user_ids: np.ndarray, over: Interactions
) -> Interactions:
    """Read the histories of some users; of the snapshot, only the row groups that they are in.

    Parameters
    ----------
    as_of : date
        The night whose snapshot is read.
    user_ids : ndarray of str, shape (n_users,)
        Sorted, of users with a history.
    over : Interactions
        What `read_vocabulary` made; its cutoff, items and event types are those of the result.

    Returns
    -------
    Interactions
        What `select_users` takes of the history that `read_interactions` reads.
    """
    exposures = tuple(settings.events.exposures)
    rows = _read_rows(_path(settings, as_of, DAYS_FILE), over.cutoff, exposures, user_ids)
    found_ids, user = _codes(rows["user_id"])
    bought_ids, item = _codes(rows["item_id"])
    types, event_type = _codes(rows["event_type"])
    columns = _sum_landings(
        {
            "user": np.searchsorted(user_ids, found_ids).astype(np.int32)[user],
            "item": np.searchsorted(over.item_ids, bought_ids).astype(np.int32)[item],
            "event_type": np.searchsorted(over.event_types, types).astype(np.int8)[event_type],
            **_values(rows, over.cutoff),
        }
    )
    return replace(over, user_ids=user_ids, **columns)


def _read_rows(
    days: Path, cutoff: date, exposures: tuple[str, ...], user_ids: np.ndarray | None = None
) -> pa.Table:
    """Rows that count at a cutoff, in the order of the file; of some sorted users, or of all."""
    known = (
        (pc.field("event_date") < pa.scalar(cutoff))
        & (pc.field("landed_date") < pa.scalar(cutoff))
        & ~pc.field("event_type").isin(list(exposures))
    )
    if user_ids is not None:
        known &= _is_among(user_ids)
    return pq.read_table(
        days,
        columns=list(HISTORY_COLUMNS),
        filters=known,
        read_dictionary=list(ENCODED),
    )


def _is_among(user_ids: np.ndarray) -> pc.Expression:
    """Condition on rows: of one of some sorted users; the bounds spare other row groups."""
    wanted = pa.array(user_ids.tolist(), pa.string())
    if not len(wanted):
        return pc.field("user_id").isin(wanted)
    first, last = wanted[0], wanted[-1]
    user = pc.field("user_id")
    return (user >= first) & (user <= last) & user.isin(wanted)


def _values(rows: pa.Table, cutoff: date) -> dict[str, Any]:
    """The columns of a history that are no codes."""
    return {
        "age_days": _age_days(rows["event_date"], cutoff),
        "event_count": rows["event_count"].to_numpy().astype(np.float32),
        "last_event_at": rows["last_event_at"].to_numpy().astype("datetime64[us]"),
    }


def forget_histories() -> None:
    """Free the cached histories and truths, once they are no longer needed."""
    _read_history.cache_clear()
    _read_truth.cache_clear()


def read_catalogue(
    settings: Settings, as_of: date, cutoff: date, *, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read the items known at a cutoff, with their features and attributes as of then.

    Parameters
    ----------
    columns : sequence of str, optional
        Only these; default all.

    Returns
    -------
    DataFrame
        Columns of `features.feat_items`; one row per item_id, sorted.

    Raises
    ------
    MissingSnapshotError
        If the snapshot, or this cutoff in it, is not there.
    """
    return _read(settings, as_of, items_file(cutoff), columns)


def read_users(
    settings: Settings, as_of: date, cutoff: date, *, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read the users known at a cutoff, with their features as of then, as `read_catalogue` does.

    Returns
    -------
    DataFrame
        Columns of `features.feat_users`; one row per user_id, sorted.
    """
    return _read(settings, as_of, users_file(cutoff), columns)


def read_user_attributes(
    settings: Settings, as_of: date, cutoff: date, *, user_ids: np.ndarray | None = None
) -> pd.DataFrame:
    """Read what a users feed said of users, as known at a cutoff.

    Parameters
    ----------
    user_ids : ndarray of str, optional
        Sorted; only these users; default all.

    Returns
    -------
    DataFrame
        Columns of `features.feat_user_attributes`; one row per user_id of the feed, sorted, with or
        without a history. No rows where no feed had users before the cutoff.

    Raises
    ------
    MissingSnapshotError
        If the snapshot had such a file and has it no more.
    """
    name = attributes_file(cutoff)
    folder = settings.run_folder(as_of).snapshot
    if not (folder / name).exists() and name not in _named_files(folder):
        import pandas as pd

        return pd.DataFrame(columns=list(FEAT_USER_ATTRIBUTES.columns))
    return _read(settings, as_of, name, None, None if user_ids is None else _is_among(user_ids))


def _named_files(folder: Path) -> Collection[str]:
    """Names of the files that a snapshot's manifest has; none without a manifest."""
    path = folder / MANIFEST_FILE
    return json.loads(path.read_text()).get("files", ()) if path.exists() else ()


def read_truth(
    settings: Settings, as_of: date, window: Window, *, known_by: date | None = None
) -> pd.DataFrame:
    """Read the truth of a window: what users did in it, as far as the night knows.

    Parameters
    ----------
    known_by : date, optional
        Only what landed before this day; default all that the night knows.

    Returns
    -------
    DataFrame
        Columns user_id and item_id: one row per pair with an event of
        `evaluation.truth_events` in ``[window.start, window.end)``, sorted.

    Raises
    ------
    MissingSnapshotError
        If the snapshot is not there.
    """
    events = tuple(settings.evaluation.truth_events)
    return _read_truth(window, events, known_by, _stamp(settings, as_of, DAYS_FILE)).copy()


@lru_cache(maxsize=KEPT_HISTORIES)
def _read_truth(
    window: Window, events: tuple[str, ...], known_by: date | None, days: Stamp
) -> pd.DataFrame:
    inside = (
        (pc.field("event_date") >= pa.scalar(window.start))
        & (pc.field("event_date") < pa.scalar(window.end))
        & pc.field("event_type").isin(list(events))
    )
    if known_by is not None:
        inside &= pc.field("landed_date") < pa.scalar(known_by)
    pairs = pq.read_table(days[0], columns=["user_id", "item_id"], filters=inside)
    distinct = pairs.group_by(["user_id", "item_id"]).aggregate([])
    return distinct.sort_by([("user_id", "ascending"), ("item_id", "ascending")]).to_pandas()


def count_events(settings: Settings, as_of: date, start: date, end: date) -> dict[str, int]:
    """Count what users did from one day to before another, by event type, most frequent first.

    Exposures are not counted.

    Raises
    ------
    MissingSnapshotError
        If the snapshot is not there.
    """
    inside = (
        (pc.field("event_date") >= pa.scalar(start))
        & (pc.field("event_date") < pa.scalar(end))
        & _is_done(settings)
    )
    rows = pq.read_table(
        _path(settings, as_of, DAYS_FILE), columns=["event_type", "event_count"], filters=inside
    )
    found = rows.group_by("event_type").aggregate([("event_count", "sum")]).to_pydict()
    counts = zip(found["event_type"], found["event_count_sum"], strict=True)
    return dict(sorted(counts, key=lambda one: (-one[1], one[0])))


def event_span(settings: Settings, as_of: date) -> tuple[date, date] | None:
    """First and last day on which users did something, as far as the night knows; None without.

    Raises
    ------
    MissingSnapshotError
        If the snapshot is not there.
    """
    path = _path(settings, as_of, DAYS_FILE)
    days = pq.read_table(path, columns=["event_date"], filters=_is_done(settings))["event_date"]
    first, last = pc.min_max(days).as_py().values()
    return None if first is None else (first, last)


def _is_done(settings: Settings) -> pc.Expression:
    """Condition on rows: something that a user did, not only was shown."""
    return ~pc.field("event_type").isin(list(settings.events.exposures))


def _known_items(path: Path, before: date | None) -> np.ndarray:
    """Sorted ids of the items in a cutoff's file, or only of those first known before a day."""
    met_before = None
    if before is not None:
        midnight = datetime.combine(before, datetime.min.time())
        met_before = pc.field("first_known_at") < pa.scalar(midnight, pa.timestamp("us"))
    return _ids(pq.read_table(path, columns=["item_id"], filters=met_before)["item_id"])


def _read_versions(path: Path, cutoff: date, item_ids: np.ndarray) -> ItemVersions:
    """Read the versions of items known at a cutoff; the file has an item's newest last."""
    table = pq.read_table(
        path,
        columns=["item_id", "known_from_date", "title", "category", "price", "is_available"],
        filters=(pc.field("known_from_date") <= pa.scalar(cutoff))
        & pc.field("item_id").isin(pa.array(item_ids, pa.string())),
    )
    return ItemVersions(
        item=np.searchsorted(item_ids, _ids(table["item_id"])).astype(np.int32),
        known_age_days=_age_days(table["known_from_date"], cutoff),
        title=_texts(table["title"]),
        category=_texts(table["category"]),
        price=table["price"].fill_null(np.nan).to_numpy(),
        is_available=table["is_available"].to_numpy().astype(bool),
    )


def _stamp(settings: Settings, as_of: date, name: str) -> Stamp:
    path = _path(settings, as_of, name)
    return path, path.stat().st_ino, path.stat().st_mtime_ns


def _path(settings: Settings, as_of: date, name: str) -> Path:
    path = settings.run_folder(as_of).snapshot / name
    if path.exists():
        return path
    there = sorted(found.name for found in path.parent.glob("*")) or "no snapshot"
    raise MissingSnapshotError(
        f"The snapshot of {as_of} must hold {name}. Found {there} in {path.parent}. "
        f"Run `recsys features --as-of {as_of}`; its cutoffs are as_of and one and two horizons "
        "(`evaluation.horizon_days`) before it."
    )


def _read(
    settings: Settings,
    as_of: date,
    name: str,
    columns: Sequence[str] | None,
    among: pc.Expression | None = None,
) -> pd.DataFrame:
    path = _path(settings, as_of, name)
    chosen = list(columns) if columns else None
    return pq.read_table(path, columns=chosen, filters=among).to_pandas()


def _ids(column: pa.ChunkedArray) -> np.ndarray:
    return np.asarray(column.to_pylist(), dtype=np.str_)


def _texts(column: pa.ChunkedArray) -> np.ndarray:
    """A text column as an object array; equal texts share one object, null becomes empty."""
    if not len(column):
        return np.empty(0, dtype=object)
    encoded = column.fill_null("").combine_chunks().dictionary_encode()
    texts = np.asarray(encoded.dictionary.to_pylist(), dtype=object)
    return np.asarray(texts[encoded.indices.to_numpy()])


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray, np.ndarray]:
    """Sorted distinct values, and for each row its position in them."""
    encoded = column.unify_dictionaries().combine_chunks()
    if not len(encoded):
        return np.empty(0, dtype=np.str_), np.empty(0, dtype=np.int32)
    codes = encoded.indices.to_numpy()
    used = np.flatnonzero(np.bincount(codes))  # a dictionary may hold filtered values
    values = np.asarray(encoded.dictionary.take(pa.array(used)).to_pylist(), dtype=np.str_)
    order = np.argsort(values)
    rank = np.empty(len(encoded.dictionary), dtype=np.int32)
    rank[used[order]] = np.arange(len(order), dtype=np.int32)
    return values[order], rank[codes]


def _age_days(event_date: pa.ChunkedArray, cutoff: date) -> np.ndarray:
    since_epoch = event_date.cast(pa.int32()).to_numpy()
    ages: np.ndarray = np.datetime64(cutoff).astype(np.int32) - since_epoch
    return ages


def _sum_landings(columns: dict[str, Any]) -> dict[str, Any]:
    """Sum rows of the same user, item, event type and day that landed on different days.

    The file is sorted by those four, and text sorts by code point in DuckDB and in numpy alike.
    """
    changed = np.ones(len(columns["user"]), dtype=bool)
    changed[1:] = False
    for name in ("user", "item", "event_type", "age_days"):
        changed[1:] |= columns[name][1:] != columns[name][:-1]
    if changed.all():
        return columns
    starts = np.flatnonzero(changed)
    return {
        **{name: values[starts] for name, values in columns.items()},
        "event_count": np.add.reduceat(columns["event_count"], starts),
        "last_event_at": np.maximum.reduceat(columns["last_event_at"], starts),
    }
