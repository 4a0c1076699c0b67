"""Publications without a user: each is made anew beside the old one, then takes its place."""

from __future__ import annotations

import hashlib
import logging
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import (
    LOOKUPS,
    PIN,
    POINTER,
    SERVING,
    Publication,
    named_id,
    point_to,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import put_folder, read_if_there, write_json
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.faults import faultpoint
from pipelines.base.warehouse import connect, transaction
from pipelines.erase.databases import delete_rows, delete_sqlite_rows, rewrite_duckdb, tables_with
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from pipelines.publications.manifest import seal_files
from pipelines.publications.publish import drop_folders, empty_staging, find_sound
from pipelines.publications.serving_files import STORAGE_VERSION, count_lists
from pipelines.publications.serving_rows import drop_rows, insert_rows, refresh_view

logger = logging.getLogger(__name__)


def erase_from_publications(settings: Settings, words: UserWords) -> list[str]:
    """Replace every publication that holds a user by one that does not.

    The new one has an id of its own, ``<as_of>-<8 digits>``. CURRENT and PIN change to it in one
    step once it is whole and its rows are in the warehouse; the old one is removed last. If killed,
    it goes on where it was when it is run again.

    Parameters
    ----------
    settings : Settings
        The publish lock is held by the caller.
    words : UserWords

    Returns
    -------
    list of str
        Ids of the publications that were replaced.

    Raises
    ------
    PublicationNotFoundError
        If a publication that holds the user is damaged.
    """
    empty_staging(settings)
    gone = []
    for old_id in stored_ids(settings):
        if not find_user(settings.publications / old_id, words):
            continue
        old = read_publication(settings, old_id, verify=True)
        new = _without_user(settings, old, words)
        kept = set(stored_ids(settings)) - {old_id}
        with connect(settings) as warehouse:
            insert_rows(warehouse, new)
            _move_pointers(settings, old, new)
            drop_rows(warehouse, kept)
            refresh_view(settings, warehouse)
        _rename_in_run(settings, old, new)
        faultpoint("erase.publication_replaced")
        drop_folders(settings, kept)
        gone.append(old_id)
        logger.info("publication %s has taken the place of %s", new.publication_id, old_id)
    return gone


def _without_user(settings: Settings, old: Publication, words: UserWords) -> Publication:
    """Make the new publication, or use the one that an earlier attempt made."""
    new_id = f"{old.as_of}-{_hash_without(old, words)[:8]}"
    if (sound := find_sound(settings, new_id)) is not None:
        return sound
    staging = settings.publication_staging / new_id
    staging.mkdir(parents=True)
    counts = _write_serving(settings, old, staging, new_id, words)
    _write_lookups(old, staging, new_id, counts["logical_hash"], words)
    manifest = {**words.redact_json(old.manifest), **counts, "publication_id": new_id}
    seal_files(staging, manifest)
    put_folder(staging, settings.publications / new_id)
    return read_publication(settings, new_id, verify=True)


def _hash_without(old: Publication, words: UserWords) -> str:
    """Logical hash of the new publication, from the old hash and the user: no rows are read."""
    missing = hashlib.sha256(words.user_id.encode()).hexdigest()
    return hashlib.sha256(f"{old.manifest['logical_hash']} without {missing}".encode()).hexdigest()


def _write_serving(
    settings: Settings, old: Publication, staging: Path, new_id: str, words: UserWords
) -> dict[str, Any]:
    """Write `serving.duckdb` without the user; returns its row counts for the manifest."""
    fresh = staging / f"unpacked-{SERVING}"
    shutil.copyfile(old.serving_path, fresh)
    content = _hash_without(old, words)
    with connect(settings, path=fresh) as connection:
        with transaction(connection):
            delete_rows(connection, words)
            for table in tables_with(connection, "publication_id"):
                connection.execute(f"update {table} set publication_id = ?", [new_id])
            counts = _count(connection, old)
            connection.execute(
                "update publication set logical_hash = ?, user_count = ?, row_count = ?",
                [content, counts["user_count"], counts["row_count"]],
            )
        connection.execute("checkpoint")
    rewrite_duckdb(fresh, staging / SERVING, STORAGE_VERSION)
    fresh.unlink()
    return {**counts, "logical_hash": content}


def _count(connection: duckdb.DuckDBPyConnection, old: Publication) -> dict[str, Any]:
    """Users, rows and different items, as the manifest counts them."""
    connection.execute("create temp view lists as from recommendations")
    counts = count_lists(connection)
    counted = {(entry["placement"], entry["variant"]): entry for entry in counts["lists"]}
    # lists for people nobody knows are in a table of their own: their counts stay
    lists = [
        counted.get((entry["placement"], entry["variant"]), entry)
        for entry in old.manifest["lists"]
    ]
    return {**counts, "lists": lists}


def _write_lookups(
    old: Publication, staging: Path, new_id: str, content: str, words: UserWords
) -> None:
    """Write `lists.sqlite` without the user; vacuumed, so that no deleted bytes stay."""
    target = staging / LOOKUPS
    shutil.copyfile(old.folder / LOOKUPS, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as out:
        out.execute("pragma journal_mode = off")
        delete_sqlite_rows(out, words)
        for key, value in (("publication_id", new_id), ("logical_hash", content)):
            out.execute("update meta set value = ? where key = ?", [value, key])
        out.execute("vacuum")


def _move_pointers(settings: Settings, old: Publication, new: Publication) -> None:
    """Make CURRENT and PIN name the new publication where they name the old one."""
    for name in (POINTER, PIN):
        try:
            is_old = named_id(settings, name) == old.publication_id
        except PublicationNotFoundError:
            continue  # it names nothing that can be read
        if is_old:
            point_to(settings, new, name)


def _rename_in_run(settings: Settings, old: Publication, new: Publication) -> None:
    """Make the night's own note of what it published name the new publication."""
    path = settings.run_folder(old.as_of).publication
    note = read_if_there(path)
    if note and note["publication_id"] == old.publication_id:
        write_json(path, {name: new.manifest.get(name, value) for name, value in note.items()})
