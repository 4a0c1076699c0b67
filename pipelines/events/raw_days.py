"""Write staged rows into the four tables of `raw`; no other module does."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date

import duckdb

from pipelines.events.feeds import Feed
from pipelines.events.row_rules import MAX_TEXT_LENGTH
from pipelines.events.staging import arrived_table
from pipelines.events.whole_days import find_repeated_keys, key_hash


def replace_days(
    connection: duckdb.DuckDBPyConnection, feed: Feed, fingerprints: Mapping[date, str]
) -> tuple[int, int, dict[str, int]]:
    """Replace days of a feed by its staged rows, inside the caller's transaction.

    Rows released from quarantine earlier stay released, and stay in the raw table unless the
    files now bring a row with the same key.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With the feed's staging table and an open transaction.
    feed : Feed
        Which tables.
    fingerprints : mapping of date to str
        The days to replace and their content fingerprints.

    Returns
    -------
    row_count, duplicate_count : int
        Rows now in the raw table for these days; good rows left out because of their key.
    reasons : dict of str to int
        Bad rows by reason code.
    """
    _stage_days(connection, fingerprints)
    connection.execute(
        f"delete from {feed.table.qualified} where landed_date in (select landed_date from days)"
    )
    insert_good(connection, feed)
    _replace_loads(connection, feed)
    _replace_quarantine(connection, feed)
    restore_released(connection, feed)
    recount(connection, feed)
    row_count, duplicate_count = connection.execute(
        """
        select sum(row_count)::bigint, sum(duplicate_count)::bigint from raw.loads
        where feed = ? and landed_date in (select landed_date from days)
        """,
        [feed.name],
    ).fetchall()[0]
    reasons = connection.execute(
        f"select reason, count(*) from {arrived_table(feed)} where reason is not null "
        "group by reason order by reason"
    ).fetchall()
    return row_count, duplicate_count, dict(reasons)


def remove_days(connection: duckdb.DuckDBPyConnection, feed: Feed, days: Collection[date]) -> int:
    """Remove all rows of days, also quarantined and released ones, inside the caller's transaction.

    Returns
    -------
    int
        Rows removed from the raw table.
    """
    _stage_days(connection, dict.fromkeys(days, ""))
    of_days = "landed_date in (select landed_date from days)"
    ((row_count,),) = connection.execute(
        f"delete from {feed.table.qualified} where {of_days}"
    ).fetchall()
    for table in ("raw.quarantine", "raw.loads"):
        connection.execute(f"delete from {table} where feed = ? and {of_days}", [feed.name])
    return int(row_count)


def note_file_times(
    connection: duckdb.DuckDBPyConnection, feed: Feed, file_times: Mapping[date, str]
) -> None:
    """Write down the times of the files that days of a feed were loaded from."""
    connection.execute(
        """
        update raw.loads set file_times = noted.file_times
        from (
            select unnest($days::date[]) as landed_date, unnest($times::varchar[]) as file_times
        ) as noted
        where loads.feed = $feed and loads.landed_date = noted.landed_date
        """,
        {"feed": feed.name, "days": list(file_times), "times": list(file_times.values())},
    )


def _stage_days(connection: duckdb.DuckDBPyConnection, fingerprints: Mapping[date, str]) -> None:
    connection.execute(
        """
        create or replace temp table days as
        select unnest($days::date[]) as landed_date, unnest($fingerprints::varchar[]) as fingerprint
        """,
        {"days": list(fingerprints), "fingerprints": list(fingerprints.values())},
    )


def _key(feed: Feed) -> str:
    return ", ".join(("landed_date", *feed.key))


def insert_good(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Insert the good rows of the staging table, one per key.

    Of rows that share a key, the first in the order of all their values is inserted; which file or
    line a row came from makes no difference.
    """
    names = ", ".join(feed.table.columns)
    table = arrived_table(feed)
    # Only keys whose hash occurs twice (few, if any) are sorted; the rest pass straight through.
    find_repeated_keys(connection, feed)
    is_repeated = f"{key_hash(feed)} in (select key_hash from repeated_keys)"
    connection.execute(
        f"""
        insert into {feed.table.qualified} ({names})
        select {names} from {table} where reason is null and not {is_repeated}
        """
    )
    connection.execute(
        f"""
        insert into {feed.table.qualified} ({names})
        select {names} from {table} where reason is null and {is_repeated}
        qualify row_number() over (partition by {_key(feed)} order by {names}) = 1
        """
    )


def _replace_quarantine(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Replace the quarantined rows of the days; released ones keep their state."""
    connection.execute(
        """
        delete from raw.quarantine
        where feed = $feed and not is_released and landed_date in (select landed_date from days)
        """,
        {"feed": feed.name},
    )
    connection.execute(
        f"""
        insert into raw.quarantine
        with bad as (
            select landed_date, reason, {payload_expression(feed)} as payload
            from {arrived_table(feed)} where reason is not null
        ),
        numbered as (
            select
                *,
                row_number() over (partition by landed_date, payload order by reason) as ordinal
            from bad
        ),
        identified as (
            select
                sha256(concat_ws(chr(31), $feed, landed_date, payload, ordinal)) as quarantine_id,
                landed_date,
                reason,
                payload
            from numbered
        )
        select quarantine_id, landed_date, $feed, reason, payload, false, null
        from identified
        where quarantine_id not in (select quarantine_id from raw.quarantine)
        order by landed_date, quarantine_id
        """,
        {"feed": feed.name},
    )


def payload_expression(feed: Feed) -> str:
    """SQL expression: a staged row as JSON of texts, without nulls.

    A text longer than `MAX_TEXT_LENGTH` is cut, with a note of its length; it still breaks the rule
    about long texts.
    """
    texts = {
        name: f"coalesce(unreadable ->> '{name}', {name}::varchar)" for name in feed.columns
    } | {"line": "line"}
    cut = ", ".join(
        f"{name}: case when length({text}) > {MAX_TEXT_LENGTH} then left({text}, {MAX_TEXT_LENGTH})"
        f" || '… [cut: ' || length({text}) || ' characters]' else {text} end"
        for name, text in texts.items()
    )
    return f"json_merge_patch('{{}}', to_json({{{cut}}}))::varchar"


def restore_released(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Insert the released rows of the days again, unless the files have their keys."""
    values = ", ".join(
        f"(released_payload ->> '{name}')::{kind} as {name}" for name, kind in feed.columns.items()
    )
    names = ", ".join(feed.table.columns)
    match = " and ".join(f"present.{name} = released.{name}" for name in ("landed_date", *feed.key))
    connection.execute(
        f"""
        insert into {feed.table.qualified} ({names})
        with released as (
            select landed_date, {values} from raw.quarantine
            where feed = $feed and is_released and landed_date in (select landed_date from days)
        )
        select {names} from released
        where not exists (select 1 from {feed.table.qualified} as present where {match})
        qualify row_number() over (partition by {_key(feed)} order by {names}) = 1
        """,
        {"feed": feed.name},
    )


def _replace_loads(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    connection.execute(
        "delete from raw.loads where feed = ? and landed_date in (select landed_date from days)",
        [feed.name],
    )
    connection.execute(
        f"""
        insert into raw.loads (
            feed, landed_date, fingerprint, row_count, duplicate_count, quarantined_count
        )
        with arrived as (
            select
                landed_date,
                count(*) - count(reason) as good_count,
                count(reason) as quarantined_count
            from {arrived_table(feed)} group by landed_date
        ),
        kept as (
            select landed_date, count(*) as kept_count from {feed.table.qualified}
            where landed_date in (select landed_date from days) group by landed_date
        )
        select
            $feed,
            days.landed_date,
            days.fingerprint,
            0,
            coalesce(arrived.good_count, 0) - coalesce(kept.kept_count, 0),
            coalesce(arrived.quarantined_count, 0)
        from days
        left join arrived using (landed_date)
        left join kept using (landed_date)
        order by days.landed_date
        """,
        {"feed": feed.name},
    )


def recount(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Set `raw.loads.row_count` of the days to the number of rows in the raw table."""
    connection.execute(
        f"""
        update raw.loads set row_count = coalesce(counted.row_count, 0)
        from days left join (
            select landed_date, count(*) as row_count from {feed.table.qualified}
            where landed_date in (select landed_date from days) group by landed_date
        ) as counted using (landed_date)
        where loads.feed = $feed and loads.landed_date = days.landed_date
        """,
        {"feed": feed.name},
    )
