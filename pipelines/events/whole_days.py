"""Judge staged rows by what only a day's rows together show, and count those that repeat."""

from __future__ import annotations

import duckdb

from pipelines.base.config import Settings
from pipelines.events.feeds import EVENTS, Feed
from pipelines.events.staging import arrived_table

#: Reason of rows whose event_id names events of several users, items or types in one day.
REPEATED_ID = "repeated_event_id"
#: What to do about them.
REPEATED_ID_HINT = (
    "An event_id must name one event: leave the column out, or write the number of an order as "
    "session_id."
)
#: Reason of the rows of a user who makes more than `events.user_share_quarantine` of a day.
HEAVY_USER = "heavy_user"


def judge_days(connection: duckdb.DuckDBPyConnection, settings: Settings, feed: Feed) -> list[str]:
    """Give a reason to staged events that are bad in the company of their day's others.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the feed's staging table, its rows typed and judged one by one.
    settings : Settings
        Exposure types, and the share of a day's events that one user may make.
    feed : Feed
        Items pass as they are.

    Returns
    -------
    list of str
        How many purchases count as returns, if any do.
    """
    if feed is not EVENTS:
        return []
    find_repeated_keys(connection, feed)
    _refuse_repeated_ids(connection)
    if settings.events.user_share_quarantine < 1:
        _refuse_heavy_users(connection, settings)
    return _turned(connection)


def find_repeated_keys(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Make the temporary table `repeated_keys`: hashes of keys that several good rows share."""
    connection.execute(
        f"""
        create or replace temp table repeated_keys as
        select {key_hash(feed)} as key_hash from {arrived_table(feed)} where reason is null
        group by key_hash having count(*) > 1
        """
    )


def key_hash(feed: Feed) -> str:
    """SQL expression: a hash of a row's day and key."""
    return f"hash({', '.join(('landed_date', *feed.key))})"


def count_repeated(connection: duckdb.DuckDBPyConnection, feed: Feed) -> int:
    """Count good staged rows that differ in nothing from another, all but one of each."""
    names = ", ".join(feed.table.columns)
    ((count,),) = connection.execute(
        f"""
        select coalesce(sum(row_count - 1), 0)::bigint from (
            select count(*) as row_count from {arrived_table(feed)}
            where reason is null and {key_hash(feed)} in (select key_hash from repeated_keys)
            group by {names}
        )
        """
    ).fetchall()
    return int(count)


def _refuse_repeated_ids(connection: duckdb.DuckDBPyConnection) -> None:
    """One id for several events, such as the number of an order, would lose all but one."""
    table, key = arrived_table(EVENTS), ", ".join(("landed_date", *EVENTS.key))
    connection.execute(
        f"""
        update {table} set reason = '{REPEATED_ID}'
        where reason is null and {key_hash(EVENTS)} in (select key_hash from repeated_keys)
            and ({key}) in (
                select ({key}) from {table}
                where reason is null and {key_hash(EVENTS)} in (select key_hash from repeated_keys)
                group by {key} having count(distinct hash(user_id, item_id, event_type)) > 1
            )
        """
    )


def _refuse_heavy_users(connection: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    table = arrived_table(EVENTS)
    connection.execute(
        f"""
        update {table} set reason = '{HEAVY_USER}'
        where reason is null and (landed_date, user_id) in (
            select (landed_date, user_id) from {table}
            where reason is null and not list_contains($exposures, event_type)
            group by landed_date, user_id
            qualify count(*) >= $least
                and count(*) > $share * sum(count(*)) over (partition by landed_date)
        )
        """,
        {
            "exposures": list(settings.events.exposures),
            "least": settings.events.user_share_min_events,
            "share": settings.events.user_share_quarantine,
        },
    )


def _turned(connection: duckdb.DuckDBPyConnection) -> list[str]:
    ((count,),) = connection.execute(
        f"select count(*) from {arrived_table(EVENTS)} where reason is null and is_turned"
    ).fetchall()
    if not count:
        return []
    return [
        f"{count} purchases or returns of a negative quantity count as returns of as many units "
        "(events.negative_quantity)"
    ]
