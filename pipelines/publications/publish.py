"""Publish audited lists: write an immutable folder and warehouse rows, then switch CURRENT."""

from __future__ import annotations

import json
import logging
import os
import shutil
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pipelines.audit.audit import read_audited_files
from pipelines.base.config import Settings
from pipelines.base.current import (
    LOOKUPS,
    PIN,
    POINTER,
    SCHEMA_VERSION,
    SERVING,
    Publication,
    date_of,
    named_id,
    point_to,
    protected_ids,
    publish_lock,
    read_pointed,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import fsync_folder, put_folder, write_json
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.faults import faultpoint
from pipelines.base.tracking import attempt, parent_run_id
from pipelines.base.warehouse import connect
from pipelines.features.read import read_catalogue, read_user_attributes
from pipelines.publications.lookup_file import STORED_RULES, build_lookups
from pipelines.publications.manifest import model_rows, published_experiments, write_manifest
from pipelines.publications.people_rows import (
    fill_people_tables,
    hash_with_people,
    stored_rules,
)
from pipelines.publications.serving_files import (
    build_serving,
    count_lists,
    logical_hash,
    open_lists,
)
from pipelines.publications.serving_rows import drop_rows, insert_rows, refresh_view

logger = logging.getLogger(__name__)


def publish(settings: Settings, as_of: date, *, force: bool = False) -> dict[str, Any]:
    """Publish the night's audited lists as current: live unless another publication is pinned.

    Parameters
    ----------
    settings : Settings
    as_of : date
    force : bool, default False
        Make them current even if a later night's lists are.

    Returns
    -------
    dict
        ``publication_id``, ``as_of``, ``logical_hash``, ``user_count``, ``row_count``;
        ``is_new`` (False if the same lists were published before), ``is_current`` (CURRENT names
        it), ``pinned_id`` (None without a pin) and ``is_live`` (it is what readers see).

    Raises
    ------
    AuditError
        If the lists on disk are not those that passed the audit.
    PublicationNotFoundError
        If PIN.json exists but is unreadable: the pinned publication is unknown. Nothing changes.
    PublishLockedError
        If another process is publishing.
    WarehouseLockedError
        If another process writes the warehouse; the live publication stays.

    Notes
    -----
    Every step is idempotent, so a run that was killed at any point is completed by running it
    again: the folder appears whole by a rename, the warehouse's rows are there before CURRENT
    names them, CURRENT changes by a rename, and publications past retention are removed last. Each
    `as_of` keeps its last publication only; of those the newest `publish.keep` stay, and the live
    and the pinned one always.
    """
    with publish_lock(settings):
        pinned_id = named_id(settings, PIN)
        files = read_audited_files(settings, as_of)
        empty_staging(settings)
        publication, is_new = _store(settings, as_of, files)
        with connect(settings) as warehouse:
            insert_rows(warehouse, publication)
            is_current = _make_current(settings, publication, force)
            if pinned_id == publication.publication_id:
                point_to(settings, publication, PIN)  # its folder may have been rebuilt
            kept = retained_ids(settings, publication.publication_id)
            drop_rows(warehouse, kept)
            refresh_view(settings, warehouse)
        drop_folders(settings, kept)
    names = ("publication_id", "as_of", "logical_hash", "user_count", "row_count")
    result = {name: publication.manifest[name] for name in names}
    write_json(settings.run_folder(as_of).publication, result)
    _tag_night(settings, as_of, publication.publication_id)
    state = {"is_new": is_new, "is_current": is_current, "pinned_id": pinned_id}
    state["is_live"] = is_current if pinned_id is None else pinned_id == result["publication_id"]
    level = logging.INFO if state["is_live"] else logging.WARNING
    logger.log(level, "publication %s", describe_state({**result, **state}))
    return {**result, **state}


def describe_state(result: dict[str, Any]) -> str:
    """Describe the state of a publication in one line.

    Examples
    --------
    >>> state = {"is_new": True, "is_current": True, "is_live": False, "pinned_id": "2011-12-02-aa"}
    >>> describe_state({"publication_id": "2011-12-09-bb", **state})
    '2011-12-09-bb: new, current, not live: 2011-12-02-aa is pinned (`recsys unpin` ends that)'
    """
    words = [
        "new" if result["is_new"] else "published before",
        "current" if result["is_current"] else "not current, a later night is (--force changes)",
        "live" if result["is_live"] else "not live",
    ]
    if result["pinned_id"] is not None:
        words[-1] += f": {result['pinned_id']} is pinned (`recsys unpin` ends that)"
    return f"{result['publication_id']}: {', '.join(words)}"


def retained_ids(settings: Settings, newest_of_its_night: str) -> set[str]:
    """Ids of the publications to keep: the live, the pinned, and those of the newest nights.

    Parameters
    ----------
    settings : Settings
    newest_of_its_night : str
        Publication that replaces others with the same `as_of`.
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
    """Build the publication of these lists unless a sound one exists; say whether it is new."""
    run = settings.run_folder(as_of)
    lists = [run.lists / name for name in files]
    exclusions = [run.exclusions(name) for name in settings.placements]
    with connect(settings, path=Path(":memory:")) as connection:
        catalogue = read_catalogue(settings, as_of, as_of)
        open_lists(connection, lists, run.similar, exclusions, catalogue)
        users = read_user_attributes(settings, as_of, as_of)
        pools = [path for name in settings.placements if (path := run.pool(name)).exists()]
        fill_people_tables(connection, settings.placements, catalogue, users, pools)
        content = hash_with_people(connection, logical_hash(connection), settings.placements)
        publication_id = f"{as_of}-{content[:8]}"
        if (sound := find_sound(settings, publication_id)) is not None:
            return sound, False
        staging = settings.publication_staging / publication_id
        staging.mkdir(parents=True)
        faultpoint("publication.begins")
        rules = {name: stored_rules(one, users) for name, one in settings.placements.items()}
        counts = _build_files(connection, settings, staging, as_of, content=content, rules=rules)
    write_manifest(settings, staging, counts)
    put_folder(staging, settings.publications / publication_id)
    return read_publication(settings, publication_id), True


def find_sound(settings: Settings, publication_id: str) -> Publication | None:
    """A publication that an earlier attempt made; None if there is none, or it is damaged."""
    if not (settings.publications / publication_id).exists():
        return None
    try:
        return read_publication(settings, publication_id)
    except PublicationNotFoundError as error:
        logger.warning("building it again: %s", error)
        return None


def _build_files(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    staging: Path,
    as_of: date,
    *,
    content: str,
    rules: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """Build both files of a publication; return the counts for its manifest."""
    publication_id = staging.name
    # The only clock read on the data path: it is recorded, and decides nothing.
    moment = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    counts: dict[str, Any] = {
        "publication_id": publication_id,
        "as_of": as_of.isoformat(),
        "generated_at": moment,
        "logical_hash": content,
        **count_lists(connection),
        "experiments": published_experiments(settings, as_of),
    }
    build_serving(
        connection,
        staging / SERVING,
        publication_id=publication_id,
        as_of=as_of,
        counts=counts,
        models=model_rows(settings, publication_id, as_of),
    )
    faultpoint("publication.serving_built")
    build_lookups(connection, staging / LOOKUPS, _lookup_meta(settings, counts, rules))
    faultpoint("publication.lookups_built")
    return counts


def _lookup_meta(
    settings: Settings, counts: dict[str, Any], stored: dict[str, dict[str, Any]]
) -> dict[str, str]:
    """Metadata that the API needs besides the lists, such as the rules they were made by."""
    names = ("publication_id", "as_of", "generated_at", "logical_hash")
    placements = {
        name: placement.model_dump(mode="json", include=set(STORED_RULES)) | stored[name]
        for name, placement in settings.placements.items()
    }
    return {
        **{name: str(counts[name]) for name in names},
        "schema_version": str(SCHEMA_VERSION),
        "placements": json.dumps(placements),
        "exposure_types": json.dumps(list(settings.events.exposures)),
        "experiments": json.dumps(counts["experiments"]),
    }


def empty_staging(settings: Settings) -> None:
    """Remove what a killed publisher left in staging; the lock keeps others out."""
    for left in settings.publications.glob(".*.old"):
        shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(settings.publication_staging, ignore_errors=True)
    for fresh in settings.publications.glob("*.json.*.tmp"):
        if not fresh.is_dir():  # a stray folder is nobody's draft
            fresh.unlink()


def drop_folders(settings: Settings, kept: set[str]) -> None:
    """Remove publications that are not kept, renamed first so that none is seen half deleted."""
    staging = settings.publication_staging
    staging.mkdir(exist_ok=True)
    for publication_id in stored_ids(settings):
        if publication_id not in kept:
            os.replace(settings.publications / publication_id, staging / publication_id)
            faultpoint("publication.dropped")
            logger.info("dropped publication %s", publication_id)
    fsync_folder(settings.publications)
    empty_staging(settings)


# the pointer


def _make_current(settings: Settings, publication: Publication, force: bool) -> bool:
    """Point CURRENT at a publication unless it names a later night; return whether it does now."""
    if not force and _current_night(settings, publication) > publication.as_of:
        return False
    point_to(settings, publication)
    return True


def _current_night(settings: Settings, publication: Publication) -> date:
    """The night that CURRENT names; the newest night on disk if CURRENT is unreadable."""
    try:
        if named_id(settings, POINTER) in (None, publication.publication_id):
            return publication.as_of
        return read_pointed(settings, POINTER).as_of
    except PublicationNotFoundError as error:
        newest = max(date_of(publication_id) for publication_id in stored_ids(settings))
        logger.warning("taking %s for the current night: %s", newest, error)
        return newest


def _tag_night(settings: Settings, as_of: date, publication_id: str) -> None:
    """Tag the night's MLflow run with the id of its publication."""
    run_id = parent_run_id(settings, as_of)
    if run_id is not None:
        attempt(
            settings,
            lambda client: client.set_tag(run_id, "publication_id", publication_id),
            "tagging the night with its publication",
            night=as_of,
        )
