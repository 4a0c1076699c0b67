"""What pages read: files of the live publication and of the one before it, each by its path."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import Publication, read_current, read_publication, stored_ids
from pipelines.base.errors import PublicationNotFoundError
from pipelines.base.warehouse import connect, read_records


@dataclass(frozen=True)
class Live:
    """The live publication, open for reading."""

    settings: Settings
    publication: Publication
    connection: duckdb.DuckDBPyConnection

    def rows(self, sql: str, *values: object) -> list[dict[str, Any]]:
        """Rows of a statement over the tables of `serving.duckdb`."""
        return read_records(self.connection, sql, *values)

    def one(self, sql: str, *values: object) -> dict[str, Any]:
        """The only row of a statement."""
        return self.rows(sql, *values)[0]


@contextmanager
def open_live(settings: Settings) -> Iterator[Live]:
    """Open the live publication; nothing that is read there can change.

    Raises
    ------
    PublicationNotFoundError
        If nothing is live.
    """
    publication = read_current(settings)
    with connect(settings, path=publication.serving_path, read_only=True) as connection:
        yield Live(settings, publication, connection)


def publication_before(settings: Settings, publication: Publication) -> Publication | None:
    """The newest stored publication of an earlier night; None without one."""
    for name in sorted(stored_ids(settings), reverse=True):
        if name[:10] < publication.publication_id[:10]:
            try:
                return read_publication(settings, name, verify=False)
            except PublicationNotFoundError:
                continue
    return None
