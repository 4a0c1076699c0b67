"""Erase a user from everything below a home, and keep them out."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.current import publish_lock
from pipelines.base.durable import new_file
from pipelines.base.errors import EraseError, SettingsError
from pipelines.base.faults import faultpoint
from pipelines.base.ids import clean_id
from pipelines.base.night_lock import own_home
from pipelines.base.warehouse import connect
from pipelines.erase.databases import erase_from_sqlite, erase_from_warehouse
from pipelines.erase.files import clean_file, erase_from_night
from pipelines.erase.publications import erase_from_publications
from pipelines.erase.scan import find_user
from pipelines.erase.words import UserWords
from pipelines.events.day_folders import FORMATS
from pipelines.events.erased import (
    Erased,
    blank_log_lines,
    clean_day_file,
    log_files,
    read_erased,
    remember_erased,
)
from pipelines.features.spark_tables import forget_spark_tables

logger = logging.getLogger(__name__)


def erase_user(
    settings: Settings,
    user_id: str,
    *,
    dry_run: bool = False,
    show: Callable[[str], None] = logger.info,
) -> dict[str, Any]:
    """Take a user out of every file of the home, and search every byte of it afterwards.

    Parameters
    ----------
    settings : Settings
    user_id : str
        As in the events, in any form of Unicode.
    dry_run : bool, default False
        Only say which files hold the id.
    show : callable, optional
        Receives a line for each step.

    Returns
    -------
    dict
        ``dry_run``, ``removed`` (what each step took away), ``hit_count`` and ``files`` (relative
        paths that hold the id: now, or in a dry run before).

    Raises
    ------
    SettingsError
        If the id is empty.
    HomeBusyError, PublishLockedError, WarehouseLockedError
        If a night, a publisher or another writer is at work. Nothing was changed.
    EraseError
        If the id is still somewhere; names the files. Running it again is safe.

    Notes
    -----
    The tombstone, a salted hash, comes first: from then on nothing that arrives brings the user
    back. Every later step may be repeated, so a killed run is healed by running it again. Readers
    of publications see the old or the new one, whole.
    """
    if not user_id.strip():
        raise SettingsError("A user id must not be empty. Got none. Name one with --user.")
    words = UserWords(_as_in_events(user_id))
    if dry_run:
        return _result(settings, words, {}, dry_run=True)
    with own_home(settings), publish_lock(settings):
        if settings.warehouse_path.exists():
            with connect(settings):
                pass  # nobody else has it open
        removed = _erase_home(settings, words, show)
        show(
            "an API that runs on this home forgets the user within "
            f"{settings.serve.recent_seconds:g} s (serve.recent_seconds)"
        )
        removed["lines of the API's logs"] += _blank_logs(settings)  # of the last seconds
        show("searching every byte of the home")
        result = _result(settings, words, removed, dry_run=False)
    if result["files"]:
        raise EraseError(
            f"No file of {settings.home} may hold the id after an erasure. Found it in "
            f"{result['hit_count']}: {', '.join(result['files'][:20])}. Remove these files (or the "
            "words in them) and run `recsys erase` again."
        )
    return result


def _as_in_events(user_id: str) -> str:
    try:
        return clean_id(user_id)
    except ValueError:  # no event has it, but another file may
        return user_id


def _blank_logs(settings: Settings) -> int:
    """Blank the lines of erased users in the API's logs; returns how many."""
    erased = read_erased(settings)
    return sum(blank_log_lines(path, erased) for path in log_files(settings) if erased)


def _result(
    settings: Settings, words: UserWords, removed: dict[str, int], *, dry_run: bool
) -> dict[str, Any]:
    files = [str(path.relative_to(settings.home)) for path in find_user(settings.home, words)]
    return {"dry_run": dry_run, "removed": removed, "hit_count": len(files), "files": files}


def _erase_home(
    settings: Settings, words: UserWords, show: Callable[[str], None]
) -> dict[str, int]:
    """Erase the user from every part of a home in turn; a backtest is a home inside it."""
    erased = remember_erased(settings, words.user_id)
    faultpoint("erase.remembered")
    if settings.spark_folder.exists():
        forget_spark_tables(settings)
        show("all tables of Spark, which the next night makes anew")
    removed: dict[str, int] = {}
    for name, step in {
        "rows of day files": lambda: _clean_landing(settings, words, erased),
        "lines of the API's logs": lambda: _blank_logs(settings),
        "publications": lambda: len(erase_from_publications(settings, words)),
        "rows of the warehouse": lambda: erase_from_warehouse(
            settings, settings.warehouse_path, words
        ),
        "files of nights": lambda: sum(
            erase_from_night(settings, night, words, erased) for night in settings.nights()
        ),
        "rows of MLflow": lambda: erase_from_sqlite(settings.mlflow_database, words),
        "files of MLflow, Airflow, logs and the rest": lambda: _clean_rest(settings, words, erased),
    }.items():
        removed[name] = step()
        show(f"{removed[name]:>9,} {name}")
        faultpoint("erase.step_done")
    shutil.rmtree(settings.temporary, ignore_errors=True)
    for inner in sorted(settings.backtests.glob("*/")):
        show(f"backtest {inner.name}")
        inside = _erase_home(settings.model_copy(update={"home": inner}), words, show)
        removed = {name: count + inside[name] for name, count in removed.items()}
    return removed


def _clean_landing(settings: Settings, words: UserWords, erased: Erased) -> int:
    count = 0
    for path in find_user(settings.landing, words):
        if path.suffix in FORMATS:
            faultpoint("erase.day_file")
            count += clean_day_file(path, erased) + _drop_lines(path, words)
        else:
            clean_file(path, words, erased)
    return count


def _drop_lines(path: Path, words: UserWords) -> int:
    """Remove lines of a day file that still name a distinct id, in whichever column."""
    if path.suffix == ".parquet" or not words.is_distinct:
        return 0
    lines = path.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not words.byte_pattern.search(line)]
    if len(kept) < len(lines):
        with new_file(path) as fresh:
            fresh.write_bytes(b"".join(kept))
    return len(lines) - len(kept)


def _clean_rest(settings: Settings, words: UserWords, erased: Erased) -> int:
    """Every file of the home that no other step handles, by its kind."""
    handled = {
        settings.landing,
        settings.exposures,
        settings.publications,
        settings.warehouse_path,
        settings.runs,
        settings.mlflow_database,
        settings.backtests,
    }
    held = [
        path
        for entry in sorted(settings.home.iterdir())
        if entry not in handled
        for path in find_user(entry, words)
    ]
    for path in held:
        clean_file(path, words, erased)
    return len(held)
