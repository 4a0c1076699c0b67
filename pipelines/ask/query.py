"""Ask the live publication, also while a night runs: one customer's lists, or any SQL."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import Publication, read_current
from pipelines.base.errors import QueryError, SettingsError, UnknownUserError
from pipelines.base.warehouse import connect, read_records
from pipelines.experiments.definition import CONTROL
from pipelines.features.snapshot import DAYS_FILE

if TYPE_CHECKING:
    import pandas as pd

#: Latest days of a user's history that are shown.
HISTORY_ROWS = 10


def query_user(settings: Settings, user_id: str, placement: str | None = None) -> dict[str, Any]:
    """A user's history and the lists that are live for them.

    Reads the live publication and its night's snapshot, never the warehouse, so it also answers
    while a night is running.

    Parameters
    ----------
    settings : Settings
    user_id : str
    placement : str, optional
        Only this placement; default all of the settings.

    Returns
    -------
    dict
        ``user_id``, ``publication_id``, ``as_of``; ``history``: the latest `HISTORY_ROWS` rows of
        event_date, event_type, event_count, item_id, title; ``lists``: by placement (and
        ``placement/variant`` for variants beside control) rows of rank, item_id, title, score,
        strategy, reason, model_version.

    Raises
    ------
    SettingsError
        If the placement does not exist.
    UnknownUserError
        If the user has neither a list nor a history; such people are shown the fallback lists.
    PublicationNotFoundError
        If nothing is live.
    """
    if placement is not None and placement not in settings.placements:
        raise SettingsError(
            f"A placement must be listed in recsys.toml. Got {placement!r}. "
            f"Known: {', '.join(sorted(settings.placements))}."
        )
    publication = read_current(settings)
    with connect(settings, path=publication.serving_path, read_only=True) as connection:
        lists = read_lists(connection, user_id, placement)
        history = _history_of(connection, settings, publication, user_id)
    if not lists and not history:
        raise UnknownUserError(
            f"A user must have a list or a history in {publication.publication_id}. Found neither "
            f"for {user_id!r}. People the night does not know are shown the fallback list of each "
            'placement: recsys query --sql "select * from fallback_recommendations".'
        )
    return {
        "user_id": user_id,
        "publication_id": publication.publication_id,
        "as_of": publication.as_of.isoformat(),
        "history": history,
        "lists": lists,
    }


def run_sql(settings: Settings, sql: str, *, over_warehouse: bool = False) -> pd.DataFrame:
    """Run SQL over the live publication's `serving.duckdb`, which stays as it is.

    Parameters
    ----------
    settings : Settings
    sql : str
        Tables: recommendations, fallback_recommendations, similar_items, items, models,
        publication; views: current_recommendations, explained_recommendations. No other file
        can be read or written.
    over_warehouse : bool, default False
        Ask the warehouse instead (`docs/tables.md`), while no night holds it.

    Returns
    -------
    DataFrame
        Rows of the last statement.

    Raises
    ------
    QueryError
        If DuckDB refuses the statement, or it returns no rows to show.
    PublicationNotFoundError
        If nothing is live.
    WarehouseLockedError
        If a night holds the warehouse.
    """
    path = None if over_warehouse else read_current(settings).serving_path
    with connect(settings, path=path, read_only=True) as connection:
        if over_warehouse:  # views read the pointers to the live publication, and Spark's tables
            places = [str(settings.publications), str(settings.spark_folder)]
            connection.execute(f"set allowed_directories = {places}")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        try:
            found = connection.sql(sql)
            if found is not None:
                return found.df()
        except duckdb.Error as error:
            asked = _WAREHOUSE_TABLES if over_warehouse else _PUBLICATION_TABLES
            raise QueryError(
                f"SQL must be one that only reads. Found: {error}. {asked}; `describe` shows the "
                "columns of each."
            ) from error
    raise QueryError("SQL must return rows. Found a statement without any. Start with `select`.")


_PUBLICATION_TABLES = (
    "Tables: recommendations, fallback_recommendations, similar_items, items, models, "
    "publication, current_recommendations, explained_recommendations"
)
_WAREHOUSE_TABLES = "Tables: those of docs/tables.md, such as metrics.met_publications"


def read_lists(
    connection: duckdb.DuckDBPyConnection, user_id: str, placement: str | None
) -> dict[str, list[dict[str, Any]]]:
    """A user's lists in a publication's `serving.duckdb`, as `query_user` returns them."""
    rows = read_records(
        connection,
        """
        select recommendations.placement, recommendations.variant, recommendations.rank,
            recommendations.item_id, items.title, recommendations.score,
            recommendations.strategy, recommendations.reason, recommendations.model_version
        from recommendations left join items using (item_id)
        where recommendations.user_id = $1
            and ($2::varchar is null or recommendations.placement = $2)
        order by recommendations.placement, recommendations.variant, recommendations.rank
        """,
        *(user_id, placement),
    )
    lists: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        place, variant = row.pop("placement"), row.pop("variant")
        name = place if variant == CONTROL else f"{place}/{variant}"
        lists.setdefault(name, []).append(row)
    return lists


def _history_of(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    publication: Publication,
    user_id: str,
) -> list[dict[str, Any]]:
    """Latest days first; empty if the night's run folder was cleared away."""
    if not (settings.run_folder(publication.as_of).snapshot / DAYS_FILE).exists():
        return []
    return read_history(connection, settings, publication.as_of, user_id)


def read_history(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date, user_id: str
) -> list[dict[str, Any]]:
    """What a user did last before a night, newest first.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Has `items` (item_id, title).
    settings : Settings
    as_of : date
        The night whose snapshot is read.
    user_id : str

    Returns
    -------
    list of dict
        At most `HISTORY_ROWS` of event_date, event_type, event_count, item_id and title; what the
        user was only shown is left out.
    """
    return read_records(
        connection,
        """
        select history.event_date::varchar as event_date, history.event_type,
            sum(history.event_count)::bigint as event_count, history.item_id, items.title
        from read_parquet($1) as history left join items using (item_id)
        where history.user_id = $2 and history.event_date < $3 and history.landed_date < $3
            and not list_contains($4, history.event_type)
        group by all
        order by event_date desc, max(history.last_event_at) desc, history.item_id,
            history.event_type
        limit $5
        """,
        str(settings.run_folder(as_of).snapshot / DAYS_FILE),
        *(user_id, as_of, list(settings.events.exposures), HISTORY_ROWS),
    )
