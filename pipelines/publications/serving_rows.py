"""Rows of the publications in the warehouse: the same lists as on disk, for joins and SQL."""

from __future__ import annotations

import glob

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import PIN, POINTER, Publication, is_there
from pipelines.base.faults import faultpoint
from pipelines.base.tables import (
    SERVING_PUBLICATION_MODELS,
    SERVING_PUBLICATIONS,
    SERVING_RECOMMENDATIONS,
)
from pipelines.base.warehouse import transaction
from pipelines.publications.publication_metrics import insert_metrics


def insert_rows(warehouse: duckdb.DuckDBPyConnection, publication: Publication) -> None:
    """Insert the publication's rows into `serving`, unless they are all there."""
    manifest = publication.manifest
    mine = [publication.publication_id]
    there = warehouse.execute(
        f"select count(*) from {SERVING_RECOMMENDATIONS.qualified} where publication_id = ?", mine
    ).fetchall()
    path = str(publication.serving_path).replace("'", "''")
    warehouse.execute(f"attach '{path}' as publication_file (read_only)")
    with transaction(warehouse):
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
        # Which recommender made the lists of a night stays known after its rows are dropped.
        models = SERVING_PUBLICATION_MODELS.qualified
        warehouse.execute(f"delete from {models} where as_of = ?", [publication.as_of])
        warehouse.execute(f"insert into {models} by name from publication_file.models")
        insert_metrics(warehouse, publication.publication_id, publication.as_of)
    warehouse.execute("detach publication_file")


def drop_rows(warehouse: duckdb.DuckDBPyConnection, kept: set[str]) -> None:
    """Delete from `serving` the rows of publications that are not kept on disk."""
    with transaction(warehouse):
        for table in (SERVING_RECOMMENDATIONS, SERVING_PUBLICATIONS):
            warehouse.execute(
                f"delete from {table.qualified}"
                " where publication_id not in (select unnest(?::varchar[]))",
                [sorted(kept)],
            )


def refresh_view(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    """Create the view `serving.current_recommendations`: the rows of what is live when it is read.

    The view reads PIN.json and CURRENT.json itself, so that a pin, an unpin or a rollback is seen
    at once, also while another process holds the warehouse. Where the file in force cannot be
    read, the query fails: it never answers with lists that are not live.
    """
    if not is_there(settings, PIN) and not is_there(settings, POINTER):
        return  # a view cannot be made over no file at all
    pattern = f"{glob.escape(str(settings.publications.resolve()))}/[CP]*.json"
    pattern = pattern.replace("'", "''")
    warehouse.execute(
        f"""
        create or replace view serving.current_recommendations as
        select recommendations.*
        from {SERVING_RECOMMENDATIONS.qualified} as recommendations
        where recommendations.publication_id = (
            select coalesce(
                json_extract_string(in_force.content, '$.publication_id'),
                error(in_force.filename || ' must name a publication. Run recsys doctor.')
            )
            from (
                select content, filename from read_text('{pattern}')
                where suffix(filename, '/{PIN}') or suffix(filename, '/{POINTER}')
                order by suffix(filename, '/{PIN}') desc
                limit 1
            ) as in_force
        )
        """
    )
    faultpoint("warehouse.view_made")
