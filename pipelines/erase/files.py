"""Take a user out of the files of nights, of MLflow and of logs, each by its kind."""

from __future__ import annotations

import json
import logging
import shutil
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.config import Settings
from pipelines.base.durable import (
    file_sha256,
    new_file,
    read_if_there,
    read_json,
    write_json,
    write_text,
)
from pipelines.base.faults import faultpoint
from pipelines.base.paths import NightFolder
from pipelines.erase.databases import erase_from_sqlite
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from pipelines.events.erased import Erased, clean_parquet
from pipelines.features.snapshot import MANIFEST_FILE, content_hash
from pipelines.registry.histories import load_histories, save_histories
from pipelines.report.report import build_report

logger = logging.getLogger(__name__)

HISTORIES = "histories.npz"
EXAMPLES = "examples.md"
SQLITE_SUFFIXES = {".db", ".sqlite"}


def erase_from_night(settings: Settings, as_of: date, words: UserWords, erased: Erased) -> int:
    """Take a user out of a night's folder and renew its hashes; returns how many files had them.

    The snapshot's manifest and the audit name the files' new hashes; the report is written anew,
    with other sample customers if the user was one of them.
    """
    run = settings.run_folder(as_of)
    marker = run.erasing
    held = find_user(run.folder, words)
    if not held and not marker.exists():
        return 0
    write_text(marker, "")
    report = [path for path in held if path in (run.report, run.report_text)]
    for path in held:
        if path not in report:
            clean_file(path, words, erased)
    _renew_snapshot(run.snapshot)
    _renew_audit(run)
    if report:
        for path in report:
            path.unlink(missing_ok=True)
        build_report(settings, as_of)
    marker.unlink()
    return len(held)


def _renew_snapshot(folder: Path) -> None:
    manifest: dict[str, Any] | None = read_if_there(folder / MANIFEST_FILE)
    if manifest is None:
        return
    import pyarrow.parquet as pq

    manifest.pop("content_hash")
    manifest["files"] = {
        name: {
            "rows": pq.read_metadata(folder / name).num_rows,
            "sha256": file_sha256(folder / name),
        }
        for name in manifest["files"]
    }
    renewed = {**manifest, "content_hash": content_hash(manifest)}
    write_text(folder / MANIFEST_FILE, json.dumps(renewed, indent=2) + "\n")


def _renew_audit(run: NightFolder) -> None:
    audit = read_if_there(run.audit)
    if audit is None:
        return
    lists = {name: run.lists / name for name in audit["files"]}
    audit["files"] = {name: file_sha256(path) for name, path in lists.items() if path.exists()}
    write_json(run.audit, audit)


def clean_file(path: Path, words: UserWords, erased: Erased) -> None:
    """Take a user out of one file, by its kind.

    Rows of Parquet, of histories and of databases go; strings of JSON and words of other texts are
    redacted. What killed processes left unfinished, examples with lists of the user and files that
    bear the user's name are removed.
    """
    faultpoint("erase.file")
    if is_scrap(path) or path.name == EXAMPLES or words.is_in(path.name):
        _remove(path)
    elif path.suffix == ".parquet":
        clean_parquet(path, erased)
    elif path.name == HISTORIES:
        _clean_histories(path, words)
    elif path.suffix in SQLITE_SUFFIXES:
        erase_from_sqlite(path, words)
    elif path.suffix == ".json":
        _clean_json(path, words)
    else:
        _clean_text(path, words)


def is_scrap(path: Path) -> bool:
    """Whether a file is a leftover of an unfinished write, or lies in such a folder."""
    return any(part.startswith(".") and part.endswith((".tmp", ".old")) for part in path.parts)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clean_histories(path: Path, words: UserWords) -> None:
    history = load_histories(path)
    kept = history.select_users(np.flatnonzero(history.user_ids != words.user_id))
    with new_file(path) as fresh, fresh.open("wb") as stream:
        save_histories(kept, stream)


def _clean_json(path: Path, words: UserWords) -> None:
    try:
        value = read_json(path)
    except (ValueError, RecursionError):
        _clean_text(path, words)
        return
    text = json.dumps(words.redact_json(value), indent=2, ensure_ascii=False)
    write_text(path, text + "\n")


def _clean_text(path: Path, words: UserWords) -> None:
    """Redact a text; a file that is no text is left for the last search to report."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        logger.warning("%s is of no kind a user can be taken out of", path)
        return
    write_text(path, words.redact(text))
