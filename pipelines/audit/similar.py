"""The audit of the lists of similar items."""

from __future__ import annotations

from datetime import date

import duckdb

from pipelines.audit.findings import WITHOUT_FEED, Finding
from pipelines.base.config import Settings
from pipelines.base.durable import read_json
from pipelines.lists.similar_items import SIMILAR_SCHEMA

#: Placement and variant that findings on these lists are filed under.
PLACE, LISTS = "similar", "items"

#: Rules: name, statement that counts what must not be there, and what it counts.
_COUNTS = (
    (
        "ranks",
        """
        select count(*) from (
            select item_id from similar_items group by item_id
            having min(rank) <> 1 or max(rank) <> count(*) or count(distinct rank) <> count(*)
        )
        """,
        "lists whose ranks are not 1..n without gaps",
    ),
    (
        "duplicates",
        "select count(*) - count(distinct (item_id, similar_item_id)) from similar_items",
        "rows that repeat an item of their list",
    ),
    (
        "itself",
        "select count(*) from similar_items where item_id = similar_item_id",
        "rows that show the item itself",
    ),
    (
        "items",
        """
        select count(*) from similar_items
        left join items on similar_items.similar_item_id = items.item_id
        where items.item_id is null or not coalesce(items.is_available, true)
        """,
        "rows of an item that is unknown or not available",
    ),
    (
        "scores",
        """
        select count(*) from (
            select score, lag(score) over (partition by item_id order by rank) as score_before
            from similar_items
        ) where score is null or not isfinite(score) or score > score_before
        """,
        "rows whose score is not finite or rises",
    ),
)
_WITHOUT_FEED = (
    "in_feed",
    f"""
    select count(*) from similar_items
    inner join items on similar_items.similar_item_id = items.item_id
    where {WITHOUT_FEED}
    """,
    "rows of an item that is in no items feed",
)


def audit_similar(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date
) -> list[Finding]:
    """Check a night's lists of similar items against every rule.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Has `items` (item_id, is_available, is_in_feed).
    settings : Settings
    as_of : date

    Returns
    -------
    list of Finding
        In a fixed order; only the finding `readable` if the file is missing or malformed.
    """
    path = settings.run_folder(as_of).similar
    try:
        found = connection.read_parquet(str(path))
        if found.columns != SIMILAR_SCHEMA.names:
            raise ValueError(f"columns are {found.columns}, not {SIMILAR_SCHEMA.names}")
        found.create_view("similar_items", replace=True)
        findings = [_none_found(connection, *count) for count in _COUNTS]
        unfed = _none_found(connection, *_WITHOUT_FEED, settings.similar.show_items_without_feed)
        summary = read_json(path.with_suffix(".json"))
    except (duckdb.Error, OSError, ValueError, KeyError) as error:
        note = str(error).splitlines()[0]
        return [Finding(PLACE, LISTS, "readable", "a list file", None, False, note)]
    return [*findings, unfed, _share(settings, summary)]


def _none_found(
    connection: duckdb.DuckDBPyConnection, rule: str, sql: str, note: str, *parameters: object
) -> Finding:
    ((count,),) = connection.execute(sql, list(parameters)).fetchall()
    return Finding(PLACE, LISTS, rule, "0", count, count == 0, note)


def _share(settings: Settings, summary: dict[str, int]) -> Finding:
    """Check the share of the items with a history that have a list."""
    low, rule = settings.similar.min_share, "min_share"
    threshold = f"at least {low:g}"
    if settings.similar.candidate is None or not summary["items_with_history"]:
        note = "not asked: no candidate makes such lists, or no item has a history"
        return Finding(PLACE, LISTS, rule, threshold, None, True, note)
    share = summary["lists_with_history"] / summary["items_with_history"]
    note = "share of the items with a history that have a list of similar items"
    return Finding(PLACE, LISTS, rule, threshold, share, share >= low, note)
