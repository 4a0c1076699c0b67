"""Publish audited lists: an immutable folder, the warehouse's rows, then one pointer flip."""

from __future__ import annotations

import json
import logging
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.config import Settings
from pipelines.errors import PublicationNotFoundError
from pipelines.features import read_catalogue
from pipelines.offline.tracking import attempt, parent_run_id
from pipelines.recommend.audit import read_audited_files
from pipelines.recommend.current import (
    POINTER,
    SCHEMA_VERSION,
    Publication,
    date_of,
    find_current,
    point_to,
    protected_ids,
    publish_lock,
    read_publication,
    stored_ids,
)
from pipelines.recommend.durable import fsync_folder, write_json
from pipelines.recommend.exclusion_rows import exclusion_path
from pipelines.recommend.list_rows import FALLBACK
from pipelines.recommend.lookup_file import LOOKUPS, build_lookups
from pipelines.recommend.manifest import model_rows, write_manifest
from pipelines.recommend.serving_files import (
    SERVING,
    NightFiles,
    build_serving,
    count_lists,
    count_users,
    logical_hash,
    open_lists,
)
from pipelines.recommend.serving_rows import drop_rows, insert_rows, refresh_view
from pipelines.recommend.similar_items import similar_path
from pipelines.warehouse import connect

logger = logging.getLogger(__name__)


def publish(settings: Settings, as_of: date, *, force: bool = False) -> dict[str, Any]:
    """Publish the night's audited lists and make them live.

    Parameters
    ----------
    settings : Settings
    as_of : date
    force : bool, default False
        Make them live also if a later night's are live now.

    Returns
    -------
    dict
        ``publication_id``, ``as_of``, ``logical_hash``, ``user_count``, ``row_count``,
        ``is_live`` and ``is_new`` (False if the same lists were published before).

    Raises
    ------
    AuditError
        If the lists there are not those that passed the audit.
    PublishLockedError
        If another publisher is at work.
    WarehouseLockedError
        If another process writes the warehouse; the live publication stays.

    Notes
    -----
    Every step brings one thing to the state it must have and may be repeated, so a run that was
    killed anywhere is healed by running it again: the folder appears whole by a rename, the
    warehouse's rows are there before CURRENT names them, CURRENT changes by a rename, and what
    retention drops goes last. Each `as_of` keeps its last publication only; of those the newest
    `publish.keep` stay, and the live and the pinned one always.
    """
    with publish_lock(settings):
        files = read_audited_files(settings, as_of)
        _empty_staging(settings)
        publication, is_new = _store(settings, as_of, files)
        with connect(settings) as warehouse:
            insert_rows(warehouse, publication)
            is_live = _make_live(settings, publication, force)
            kept = retained_ids(settings, publication.publication_id)
            drop_rows(warehouse, kept)
            refresh_view(settings, warehouse)
        _drop_folders(settings, kept)
    names = ("publication_id", "as_of", "logical_hash", "user_count", "row_count")
    result = {name: publication.manifest[name] for name in names}
    write_json(settings.run_folder(as_of) / "publication.json", result)
    _tag_night(settings, as_of, publication.publication_id)
    logger.info(
        "publication %s: %s, %s",
        publication.publication_id,
        "new" if is_new else "already published",
        "live" if is_live else "not live, a later night is",
    )
    return {**result, "is_live": is_live, "is_new": is_new}


def retained_ids(settings: Settings, newest_of_its_night: str) -> set[str]:
    """Publications to keep: the live, the pinned, and the last K nights' own.

    Parameters
    ----------
    settings : Settings
    newest_of_its_night : str
        Publication that takes the place of others with its `as_of`.
    """
    night = date_of(newest_of_its_night)
    ids = [
        publication_id
        for publication_id in stored_ids(settings)
        if publication_id == newest_of_its_night or date_of(publication_id) != night
    ]
    return {*ids[-settings.publish.keep :], *protected_ids(settings)}


# the folder


def _store(settings: Settings, as_of: date, files: list[str]) -> tuple[Publication, bool]:
    """The publication of these lists, built unless it is there and sound."""
    with connect(settings, path=Path(":memory:")) as connection:
        catalogue = read_catalogue(settings, as_of, as_of)
        open_lists(connection, _night_files(settings, as_of, files), catalogue)
        content = logical_hash(connection)
        publication_id = f"{as_of}-{content[:8]}"
        if (settings.publications / publication_id).exists():
            try:
                return read_publication(settings, publication_id), False
            except PublicationNotFoundError as error:
                logger.warning("building it again: %s", error)
        staging = settings.publications / "staging" / publication_id
        staging.mkdir(parents=True)
        counts = _build_files(connection, settings, staging, as_of, content)
    write_manifest(settings, staging, counts)
    _put_in_place(settings, staging)
    return read_publication(settings, publication_id), True


def _night_files(settings: Settings, as_of: date, files: list[str]) -> NightFiles:
    folder = settings.run_folder(as_of) / "lists"
    return NightFiles(
        [folder / name for name in files],
        similar_path(settings, as_of),
        [exclusion_path(settings, as_of, name) for name in settings.placements],
    )


def _build_files(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    staging: Path,
    as_of: date,
    content: str,
) -> dict[str, Any]:
    """Both files, and what the manifest says of them."""
    lists = count_lists(connection)
    publication_id = staging.name
    # The one clock of the data path: it says when, and decides nothing.
    moment = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    counts: dict[str, Any] = {
        "publication_id": publication_id,
        "as_of": as_of.isoformat(),
        "generated_at": moment,
        "logical_hash": content,
        "user_count": count_users(connection),
        "row_count": sum(entry["row_count"] for entry in lists if entry["variant"] != FALLBACK),
        "lists": lists,
    }
    build_serving(
        connection,
        staging / SERVING,
        publication_id=publication_id,
        as_of=as_of,
        counts=counts,
        models=model_rows(settings, publication_id, as_of),
    )
    build_lookups(connection, staging / LOOKUPS, _lookup_meta(settings, counts))
    return counts


def _lookup_meta(settings: Settings, counts: dict[str, Any]) -> dict[str, str]:
    """What the API must know of the night besides its lists: the rules they were made by."""
    names = ("publication_id", "as_of", "generated_at", "logical_hash")
    rules = (
        *("exclude", "exclude_within_days", "list_length"),
        *("max_per_category", "diversity", "rerank_depth", "pinned", "fallback"),
    )
    placements = {
        name: placement.model_dump(mode="json", include=set(rules))
        for name, placement in settings.placements.items()
    }
    return {
        **{name: str(counts[name]) for name in names},
        "schema_version": str(SCHEMA_VERSION),
        "placements": json.dumps(placements),
        "exposure_types": json.dumps(list(settings.events.exposures)),
    }


def _put_in_place(settings: Settings, staging: Path) -> None:
    """Rename the whole folder to its name; a damaged one there makes way."""
    target = settings.publications / staging.name
    fsync_folder(staging)
    if target.exists():
        os.replace(target, staging.with_name(f"damaged-{staging.name}"))
    os.replace(staging, target)
    fsync_folder(settings.publications)


def _empty_staging(settings: Settings) -> None:
    """Remove what a killed publisher left behind; nobody else is at work under the lock."""
    shutil.rmtree(settings.publications / "staging", ignore_errors=True)


def _drop_folders(settings: Settings, kept: set[str]) -> None:
    """Remove publications by rename first, so that none is ever seen half there."""
    staging = settings.publications / "staging"
    staging.mkdir(exist_ok=True)
    for publication_id in stored_ids(settings):
        if publication_id not in kept:
            os.replace(settings.publications / publication_id, staging / publication_id)
            logger.info("dropped publication %s", publication_id)
    fsync_folder(settings.publications)
    _empty_staging(settings)


# the pointer


def _make_live(settings: Settings, publication: Publication, force: bool) -> bool:
    """Flip CURRENT unless a later night is live; returns whether this one is live now."""
    current = find_current(settings)
    if current is not None:
        newest = current.as_of
    elif (settings.publications / POINTER).exists():
        # It cannot be read, so the newest night on disk is taken for the one that was live.
        newest = max(date_of(publication_id) for publication_id in stored_ids(settings))
    else:
        newest = publication.as_of
    if publication.as_of < newest and not force:
        logger.warning(
            "%s is stored but not live: the lists of %s are newer. Use --force to go back.",
            *(publication.publication_id, newest),
        )
        return False
    point_to(settings, publication)
    return True


def _tag_night(settings: Settings, as_of: date, publication_id: str) -> None:
    """Say in the night's MLflow run what was published from it."""
    run_id = parent_run_id(settings, as_of)
    if run_id is not None:
        attempt(
            settings,
            lambda client: client.set_tag(run_id, "publication_id", publication_id),
            "tagging the night with its publication",
        )
