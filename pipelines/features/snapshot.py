"""Freeze a night's features and histories in Parquet files, so no candidate opens the warehouse."""

from __future__ import annotations

import hashlib
import json
import logging
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.durable import file_sha256, fsync_file, new_folder, write_text
from pipelines.base.errors import MissingSnapshotError
from pipelines.base.faults import faultpoint
from pipelines.base.tables import (
    FEAT_ITEMS,
    FEAT_USER_ATTRIBUTES,
    FEAT_USERS,
    INT_ITEM_VERSIONS,
    INT_USER_ITEM_DAYS,
    DbtTable,
)
from pipelines.base.warehouse import connect
from pipelines.features.kept_cutoffs import end_reading, is_built

logger = logging.getLogger(__name__)

DAYS_FILE = "user_item_days.parquet"
VERSIONS_FILE = "item_versions.parquet"
MANIFEST_FILE = "manifest.json"
#: Rows of a Parquet row group; a constant, because it changes the bytes.
ROW_GROUP_ROWS = 122_880
#: Columns left out: the hash of what a day was built from, and ends of versions, which later
#: versions set.
LEFT_OUT = {"landing_hash", "known_to_date", "valid_to"}
#: Condition on versions: some cutoff up to the day knew them as the newest.
KNOWN_VERSIONS = (
    "known_from_date <= $day and (known_to_date is null or known_to_date > known_from_date)"
)


def items_file(cutoff: date) -> str:
    """Name of the file with `features.feat_items` at a cutoff."""
    return f"items-{cutoff.isoformat()}.parquet"


def users_file(cutoff: date) -> str:
    """Name of the file with `features.feat_users` at a cutoff."""
    return f"users-{cutoff.isoformat()}.parquet"


def attributes_file(cutoff: date) -> str:
    """Name of the file with `features.feat_user_attributes` at a cutoff, if a feed had users."""
    return f"user_attributes-{cutoff.isoformat()}.parquet"


def take_snapshot(settings: Settings, as_of: date) -> dict[str, Any]:
    """Write a night's snapshot: Parquet files sorted by key, and a manifest of their hashes.

    ``user_item_days.parquet`` has the rows of `intermediate.int_user_item_days` that happened and
    landed before `as_of`, on that table's grain; ``item_versions.parquet`` those of
    `intermediate.int_item_versions` that were the newest at some cutoff up to `as_of`, with the
    first of these cutoffs; ``items-<cutoff>.parquet`` and ``users-<cutoff>.parquet`` have
    `features.feat_items` and `features.feat_users` of each of the night's cutoffs, and
    ``user_attributes-<cutoff>.parquet`` has `features.feat_user_attributes`, if a users feed had
    anybody by then. The folder appears as a whole or not at all, and the same warehouse gives the
    same bytes.

    Returns
    -------
    dict
        The manifest: ``as_of``, ``cutoffs``, ``files`` (name to rows and sha256) and
        ``content_hash``.

    Raises
    ------
    MissingSnapshotError
        If the feature tables have not been built for one of the night's cutoffs.
    WarehouseLockedError
        If another process writes the warehouse.
    """
    folder = settings.run_folder(as_of).snapshot
    with new_folder(folder, same_by=MANIFEST_FILE) as fresh:
        with connect(settings, read_only=True) as connection:
            _require_built(connection, settings, as_of)
            rows = _copy_all(connection, settings, as_of, fresh)
        manifest = _manifest(settings, as_of, fresh, rows)
        write_text(fresh / MANIFEST_FILE, json.dumps(manifest, indent=2) + "\n")
    end_reading(settings, as_of)
    logger.info("snapshot of %s: %s", as_of, rows)
    return manifest


def _require_built(connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date) -> None:
    """Refuse a warehouse without this night's features.

    Raises
    ------
    MissingSnapshotError
        If the night's build did not pass, or one of its cutoffs is gone since: later nights drop
        cutoffs that are older than `features.retention_days`.
    """
    if not is_built(settings.run_folder(as_of).build):
        raise MissingSnapshotError(
            f"The features of {as_of} must be built and tested before they are read. Found no "
            f"build that passed in {settings.run_folder(as_of).folder}. "
            f"Run `recsys features --as-of {as_of}`."
        )
    # The view holds the cutoffs of the last build: one without users and items has no other trace.
    found = connection.execute(
        "select cutoff_date from intermediate.int_cutoffs "
        "union select distinct cutoff_date from features.feat_items"
    ).fetchall()
    missing = sorted(set(settings.night(as_of).cutoffs) - {cutoff for (cutoff,) in found})
    if missing:
        raise MissingSnapshotError(
            f"The feature tables must hold the cutoffs of {as_of}. "
            f"Found none of {', '.join(map(str, missing))}: they are older than what is kept. "
            f"Run `recsys features --as-of {as_of}` again."
        )


def _copy_all(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date, folder: Path
) -> dict[str, int]:
    wanted = [
        (DAYS_FILE, INT_USER_ITEM_DAYS, "event_date < $day and landed_date < $day", as_of),
        (VERSIONS_FILE, INT_ITEM_VERSIONS, KNOWN_VERSIONS, as_of),
    ]
    for cutoff in settings.night(as_of).cutoffs:
        wanted.append((items_file(cutoff), FEAT_ITEMS, "cutoff_date = $day", cutoff))
        wanted.append((users_file(cutoff), FEAT_USERS, "cutoff_date = $day", cutoff))
        if _has_users(connection, cutoff):
            name = attributes_file(cutoff)
            wanted.append((name, FEAT_USER_ATTRIBUTES, "cutoff_date = $day", cutoff))
    return {
        name: _copy(connection, table, where, day, folder / name)
        for name, table, where, day in wanted
    }


def _has_users(connection: duckdb.DuckDBPyConnection, cutoff: date) -> bool:
    found = connection.execute(
        f"select 1 from {FEAT_USER_ATTRIBUTES.qualified} where cutoff_date = ? limit 1", [cutoff]
    )
    return found.fetchone() is not None


def _copy(
    connection: duckdb.DuckDBPyConnection,
    table: DbtTable,
    where: str,
    day: date,
    path: Path,
) -> int:
    """Write a table's rows, sorted by the whole key; return their number."""
    selected = ", ".join(name for name in table.columns if name not in LEFT_OUT)
    key = ", ".join(table.key)
    written = connection.execute(
        f"copy (select {selected} from {table.qualified} where {where} order by {key}) "
        f"to $path (format parquet, compression zstd, row_group_size {ROW_GROUP_ROWS})",
        {"day": day, "path": str(path)},
    ).fetchone()
    faultpoint("snapshot.copied")
    fsync_file(path)
    return int(written[0]) if written else 0


def _manifest(
    settings: Settings, as_of: date, folder: Path, rows: dict[str, int]
) -> dict[str, Any]:
    files = {
        name: {"rows": count, "sha256": file_sha256(folder / name)} for name, count in rows.items()
    }
    described: dict[str, Any] = {
        "as_of": as_of.isoformat(),
        "cutoffs": [cutoff.isoformat() for cutoff in settings.night(as_of).cutoffs],
        "files": files,
    }
    return {**described, "content_hash": content_hash(described)}


def content_hash(described: dict[str, Any]) -> str:
    """Hash of a manifest without this hash itself; equal for equal files of one night."""
    canonical = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
