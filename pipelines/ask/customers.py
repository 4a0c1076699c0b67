"""Three sample customers for the report: what they did, and what they are shown."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from pipelines.ask.query import read_history
from pipelines.base.config import Settings
from pipelines.base.warehouse import connect, read_records
from pipelines.experiments.definition import CONTROL
from pipelines.features.read import read_catalogue, read_users

SEGMENTS = ("heavy", "light", "new")
#: Items of each list that are shown.
LIST_ROWS = 10


def choose_customers(settings: Settings, as_of: date) -> list[dict[str, Any]]:
    """Choose one heavy, one light and one new customer, with history and control lists.

    Of each segment, the one who was here last (then more items, then lower user_id) among those
    whose lists are their own from the first row, or among all if nobody's are.

    Returns
    -------
    list of dict
        ``user_id``, ``segment``, ``history`` (see `query.read_history`) and ``lists``: by
        placement rows of rank, item_id, title, score, strategy, reason. Segments nobody is in are
        left out; empty if the night has no lists.
    """
    run = settings.run_folder(as_of)
    files = [run.variant(name, CONTROL) for name in settings.placements]
    files = [path for path in files if path.exists()]
    if not files:
        return []
    users = read_users(settings, as_of, as_of)
    catalogue = read_catalogue(settings, as_of, as_of)
    with connect(settings, path=Path(":memory:")) as connection:
        connection.register("users", users[["user_id", "segment", "item_count", "last_event_at"]])
        connection.register("items", catalogue[["item_id", "title"]])
        connection.read_parquet([str(path) for path in files]).create_view("lists")
        return [
            {
                "user_id": user_id,
                "segment": segment,
                "history": read_history(connection, settings, as_of, user_id),
                "lists": {
                    name: _head_of_list(connection, name, user_id) for name in settings.placements
                },
            }
            for segment in SEGMENTS
            for user_id in _choose(connection, segment)
        ]


def _choose(connection: duckdb.DuckDBPyConnection, segment: str) -> list[str]:
    """The user_id of a segment's customer, if there is one."""
    rows = connection.execute(
        """
        with heads as (
            select user_id, bool_or(starts_with(reason, 'fallback')) as is_fallback
            from lists where rank = 1
            group by user_id
        )
        select users.user_id
        from users inner join heads using (user_id)
        where users.segment = ?
        order by heads.is_fallback, users.last_event_at desc, users.item_count desc, users.user_id
        limit 1
        """,
        [segment],
    ).fetchall()
    return [user_id for (user_id,) in rows]


def _head_of_list(
    connection: duckdb.DuckDBPyConnection, placement: str, user_id: str
) -> list[dict[str, Any]]:
    return read_records(
        connection,
        """
        select lists.rank, lists.item_id, items.title, lists.score, lists.strategy, lists.reason
        from lists left join items using (item_id)
        where lists.placement = ? and lists.user_id = ? and lists.rank <= ?
        order by lists.rank
        """,
        *(placement, user_id, LIST_ROWS),
    )
