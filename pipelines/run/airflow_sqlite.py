"""How Airflow's processes share the SQLite file of a home: each waits for the other's writes.

SQLite refuses, at once and whatever the timeout, a transaction that has read and then writes after
somebody else wrote in between. Airflow does so within savepoints: a backfill created beside a
busy night could end with "database is locked". Here a savepoint that opens a transaction takes
the right to write before it reads. See <https://www.sqlite.org/isolation.html>.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Self


class WritingSavepoints(sqlite3.Cursor):
    """A cursor whose savepoints open a transaction that may write, after a wait if need be."""

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        """Execute a statement; before a savepoint outside a transaction, begin one."""
        if sql.startswith("SAVEPOINT") and not self.connection.in_transaction:
            super().execute("BEGIN IMMEDIATE")
        return super().execute(sql, parameters)


class PatientConnection(sqlite3.Connection):
    """A connection with `WritingSavepoints` as its cursors."""

    def cursor(self, factory: Any = WritingSavepoints) -> Any:
        """Return a new cursor."""
        return super().cursor(factory)


#: What Airflow passes to `sqlite3.connect`; seconds.
CONNECT_ARGUMENTS = {"timeout": 60.0, "factory": PatientConnection}
