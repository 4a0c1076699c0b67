"""Let MLflow find the files of a home that was moved, copied or restored to another place.

MLflow's store keeps the whole address of each run's files. All else in a home is found from the
home itself.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

from pipelines.base.config import Settings
from pipelines.base.night_lock import own_home

#: Tables and columns of MLflow's store that hold addresses of files.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)


def moved_from(settings: Settings) -> set[str]:
    """Other places that MLflow's own store of a home has files at; empty for a server's store."""
    if settings.mlflow.tracking_uri is not None or not settings.mlflow_database.exists():
        return set()
    with closing(sqlite3.connect(settings.mlflow_database)) as store:
        found = {
            value.partition(_end(settings))[0]
            for table, column in _present(store)
            for (value,) in store.execute(f"select distinct {column} from {table}")
            if isinstance(value, str) and _is_elsewhere(settings, value)
        }
    return {place.removeprefix("file://") for place in found}


def repair_home(settings: Settings) -> int:
    """Point MLflow's store of a home to the files in it.

    Returns
    -------
    int
        Addresses that were changed, in one transaction.

    Raises
    ------
    HomeBusyError
        If a night is running.
    """
    if not moved_from(settings):
        return 0
    here = settings.mlflow_artifacts.resolve().as_uri()
    count = 0
    with own_home(settings), closing(sqlite3.connect(settings.mlflow_database)) as store, store:
        for table, column in _present(store):
            values = store.execute(f"select distinct {column} from {table}").fetchall()
            for (value,) in values:
                if isinstance(value, str) and _is_elsewhere(settings, value):
                    moved = here + value.partition(_end(settings))[2]
                    changed = store.execute(
                        f"update {table} set {column} = ? where {column} = ?", (moved, value)
                    )
                    count += changed.rowcount
    return count


def _end(settings: Settings) -> str:
    return f"/{settings.mlflow_artifacts.name}"


def _is_elsewhere(settings: Settings, address: str) -> bool:
    here = settings.mlflow_artifacts.resolve().as_uri()
    is_file = address.startswith("file:") and _end(settings) in address
    return is_file and address != here and not address.startswith(f"{here}/")


def _present(store: sqlite3.Connection) -> list[tuple[str, str]]:
    """Those of `_ADDRESSES` that this version of MLflow has."""
    return [
        (table, column)
        for table, column in _ADDRESSES
        if column in {row[1] for row in store.execute(f"pragma table_info({table})")}
    ]
