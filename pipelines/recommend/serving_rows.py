"""The warehouse's rows of the publications: the same lists as on disk, for joins and SQL."""

from __future__ import annotations

import duckdb

from pipelines.config import Settings
from pipelines.recommend.current import POINTER, Publication, find_current
from pipelines.tables import (
    SERVING_PUBLICATION_MODELS,
    SERVING_PUBLICATIONS,
    SERVING_RECOMMENDATIONS,
)


def insert_rows(warehouse: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Put the publication's rows in `serving`, unless they are all there."""
    manifest = publication.manifest
    mine = [publication.publication_id]
    there = warehouse.execute(
        f"select count(*) from {SERVING_RECOMMENDATIONS.qualified} where publication_id = ?", mine
    ).fetchall()
    path = str(publication.serving_path).replace("'", "''")
    warehouse.execute(f"attach '{path}' as publication_file (read_only)")
    warehouse.execute("begin")
    try:
        if there != [(manifest["row_count"],)]:
            warehouse.execute(
                f"delete from {SERVING_RECOMMENDATIONS.qualified} where publication_id = ?", mine
            )
            warehouse.execute(
                f"insert into {SERVING_RECOMMENDATIONS.qualified} by name"
                " from publication_file.recommendations"
            )
        warehouse.execute(
            f"delete from {SERVING_PUBLICATIONS.qualified} where publication_id = ?", mine
        )
        warehouse.execute(
            f"insert into {SERVING_PUBLICATIONS.qualified} values (?, ?, ?, ?, ?, ?)",
            [manifest[column] for column in SERVING_PUBLICATIONS.columns],
        )
        # What wrote the lists of a night stays known when its rows are dropped.
        models = SERVING_PUBLICATION_MODELS.qualified
        warehouse.execute(f"delete from {models} where as_of = ?", [publication.as_of])
        warehouse.execute(f"insert into {models} by name from publication_file.models")
        warehouse.execute("commit")
    except BaseException:
        warehouse.execute("rollback")
        raise
    warehouse.execute("detach publication_file")


def drop_rows(warehouse: duckdb.DuckDBPyConnection, kept: set[str]) -> None:
    """Leave in `serving` only the publications that stay on disk."""
    warehouse.execute("begin")
    for table in (SERVING_RECOMMENDATIONS, SERVING_PUBLICATIONS):
        warehouse.execute(
            f"delete from {table.qualified}"
            " where publication_id not in (select unnest(?::varchar[]))",
            [sorted(kept)],
        )
    warehouse.execute("commit")


def refresh_view(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    """`serving.current_recommendations`: the rows of whatever CURRENT names when it is read."""
    if find_current(settings) is None:
        return  # a view over a pointer that cannot be read cannot be made
    path = str((settings.publications / POINTER).resolve()).replace("'", "''")
    warehouse.execute(
        f"""
        create or replace view serving.current_recommendations as
        select recommendations.*
        from {SERVING_RECOMMENDATIONS.qualified} as recommendations
        inner join read_json('{path}', columns = {{publication_id: 'VARCHAR'}}) as pointer
            using (publication_id)
        """
    )
