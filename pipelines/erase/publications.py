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
    MANIFEST,
    MANIFEST_HASH,
    PIN,
    POINTER,
    Publication,
    point_to,
    read_publication,
    stored_ids,
)
from pipelines.base.durable import (
    file_sha256,
    fsync_file,
    put_folder,
    read_if_there,
    write_json,
    write_text,
)
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.faults import faultpoint
from pipelines.base.warehouse import connect, transaction
from pipelines.erase.databases import STORAGE_VERSION, USER_COLUMN, rewrite_duckdb, table_names
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from pipelines.publications.serving_files import SERVING
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
    for left in (settings.publication_staging, *settings.publications.glob(".*")):
        shutil.rmtree(left, ignore_errors=True)
    gone = []
    for old_id in stored_ids(settings):
        if not find_user(settings.publications / old_id, words):
            continue
        old = read_publication(settings, old_id, verify=True)
        new = _without_user(settings, old, words)
        with connect(settings) as warehouse:
            insert_rows(warehouse, new)
            _move_pointers(settings, old, new)
            drop_rows(warehouse, {name for name in stored_ids(settings) if name != old_id})
            refresh_view(settings, warehouse)
        _rename_in_run(settings, old, new)
        faultpoint("erase.publication_replaced")
        _remove(settings, old)
        gone.append(old_id)
        logger.info("publication %s has taken the place of %s", new.publication_id, old_id)
    return gone


def _without_user(settings: Settings, old: Publication, words: UserWords) -> Publication:
    """Make the new publication, or use the one that an earlier attempt made."""
    new_id = f"{old.as_of}-{_hash_without(old, words)[:8]}"
    if (settings.publications / new_id).exists():
        try:
            return read_publication(settings, new_id, verify=True)
        except PublicationNotFoundError as error:
            logger.warning("building it again: %s", error)
    staging = settings.publication_staging / new_id
    staging.mkdir(parents=True)
    counts = _write_serving(settings, old, staging, new_id, words)
    _write_lookups(old, staging, new_id, counts["logical_hash"], words)
    files = {
        name: {
            "sha256": file_sha256(staging / name),
            "byte_count": (staging / name).stat().st_size,
        }
        for name in old.manifest["files"]
    }
    manifest = {**words.redact_json(old.manifest), **counts, "publication_id": new_id}
    write_json(staging / MANIFEST, {**manifest, "files": files})
    write_text(staging / MANIFEST_HASH, f"{file_sha256(staging / MANIFEST)}\n")
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
            for table, column in _columns(connection, USER_COLUMN):
                connection.execute(f'delete from "{table}" where {column} = ?', [words.user_id])
            for table, column in _columns(connection, "publication_id"):
                connection.execute(f'update "{table}" set {column} = ?', [new_id])
            counts = _count(connection, old)
            connection.execute(
                "update publication set logical_hash = ?, user_count = ?, row_count = ?",
                [content, counts["user_count"], counts["row_count"]],
            )
        connection.execute("checkpoint")
    rewrite_duckdb(fresh, staging / SERVING, STORAGE_VERSION)
    fresh.unlink()
    return {**counts, "logical_hash": content}


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str]]:
    return connection.execute(
        "select table_name, column_name from information_schema.columns inner join "
        "information_schema.tables using (table_catalog, table_schema, table_name) "
        "where column_name = ? and table_type = 'BASE TABLE' "
        "and table_catalog = current_database() order by all",
        [name],
    ).fetchall()


def _count(connection: duckdb.DuckDBPyConnection, old: Publication) -> dict[str, Any]:
    """Users, rows and different items, as the manifest counts them."""
    ((users, rows),) = connection.execute(
        "select count(distinct user_id), count(*) from recommendations"
    ).fetchall()
    lists = []
    for entry in old.manifest["lists"]:
        where, whose = "placement = ? and variant = ?", [entry["placement"], entry["variant"]]
        found = connection.execute(
            "select count(distinct user_id), count(*), count(distinct item_id) "
            f"from recommendations where {where}",
            whose,
        ).fetchall()[0]
        if not found[1]:  # the lists for people nobody knows are in a table of their own
            lists.append(entry)
            continue
        strategies = connection.execute(
            f"select strategy, count(*) from recommendations where {where} group by all order by 1",
            whose,
        ).fetchall()
        names = ("user_count", "row_count", "item_count")
        counted = dict(zip(names, found, strict=True))
        lists.append({**entry, **counted, "strategies": dict(strategies)})
    return {"user_count": users, "row_count": rows, "lists": lists}


def _write_lookups(
    old: Publication, staging: Path, new_id: str, content: str, words: UserWords
) -> None:
    """Write `lists.sqlite` without the user; vacuumed, so that no deleted bytes stay."""
    target = staging / LOOKUPS
    shutil.copyfile(old.folder / LOOKUPS, target)
    with closing(sqlite3.connect(target, isolation_level=None)) as out:
        out.execute("pragma journal_mode = off")
        for table in table_names(out):
            columns = [row[1] for row in out.execute(f'pragma table_info("{table}")')]
            if USER_COLUMN in columns:
                out.execute(f'delete from "{table}" where {USER_COLUMN} = ?', [words.user_id])
        for key, value in (("publication_id", new_id), ("logical_hash", content)):
            out.execute("update meta set value = ? where key = ?", [value, key])
        out.execute("vacuum")
    fsync_file(target)


def _move_pointers(settings: Settings, old: Publication, new: Publication) -> None:
    """Make CURRENT and PIN name the new publication where they name the old one."""
    for name in (POINTER, PIN):
        path = settings.publications / name
        try:
            pointer = read_if_there(path)
            is_old = bool(pointer) and pointer["publication_id"] == old.publication_id
        except (ValueError, KeyError, TypeError):
            continue  # it names nothing that can be read
        if is_old and name == POINTER:
            point_to(settings, new)
        elif is_old:
            hashed = file_sha256(new.folder / MANIFEST)
            named = {"publication_id": new.publication_id, "manifest_sha256": hashed}
            write_json(path, {**pointer, **named})


def _rename_in_run(settings: Settings, old: Publication, new: Publication) -> None:
    """Make the night's own note of what it published name the new publication."""
    path = settings.run_folder(old.as_of).publication
    note = read_if_there(path)
    if note and note["publication_id"] == old.publication_id:
        write_json(path, {name: new.manifest.get(name, value) for name, value in note.items()})


def _remove(settings: Settings, old: Publication) -> None:
    """Remove a publication; it is renamed first, so that nobody sees half of it."""
    away = settings.publication_staging / f"erased-{old.publication_id}"
    away.parent.mkdir(exist_ok=True)
    old.folder.rename(away)
    shutil.rmtree(away.parent)
