"""Type and check the rows of any source in one SQL statement, into a staging table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.events.feeds import Feed
from pipelines.events.row_rules import reason_expression

#: SQL that converts a text to its column's type, or to null.
_FROM_TEXT = {
    "VARCHAR": "nullif({0}, '')",
    "TIMESTAMP": "try_cast(try_cast({0} as timestamptz) as timestamp)",
    "DOUBLE": "try_cast({0} as double)",
    "INTEGER": "try_cast(try_cast({0} as double) as integer)",
    "BOOLEAN": "try_cast({0} as boolean)",
}
_FROM_PARQUET = {
    "VARCHAR": "nullif({0}::varchar, '')",
    "TIMESTAMP": "{0}::timestamp",
    "DOUBLE": "{0}::double",
    "INTEGER": "try_cast({0} as integer)",
    "BOOLEAN": "{0}::boolean",
}


@dataclass(frozen=True)
class Source:
    """Rows to stage, as SQL: a relation, and an expression for each column.

    Parameters
    ----------
    relation : str
        Text after ``from``.
    values : mapping of str to str
        Feed column to SQL expression.
    is_text : bool
        Whether every value is text.
    landed_date, landed_path : str
        SQL expressions for the day and the file of a row.
    line : str
        SQL expression for the text of a line that is no row.
    """

    relation: str
    values: dict[str, str]
    is_text: bool
    landed_date: str
    landed_path: str
    line: str


def arrived_table(feed: Feed) -> str:
    """Name of the temporary table a feed's rows are staged in."""
    return f"arrived_{feed.name}"


def create_arrived(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Create a feed's empty staging table."""
    columns = {
        "landed_date": "DATE",
        "landed_path": "VARCHAR",
        **feed.columns,
        "unreadable": "VARCHAR",
        "line": "VARCHAR",
        "reason": "VARCHAR",
    }
    body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    connection.execute(f"create or replace temp table {arrived_table(feed)} ({body})")


def stage(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    feed: Feed,
    source: Source,
    parameters: dict[str, Any],
) -> None:
    """Append a source's rows to the feed's staging table; `parameters` are bound by name."""
    statement = stage_statement(feed, source)
    if "$types" in statement:
        parameters = {**parameters, "types": list(settings.events.types)}
    connection.execute(statement, parameters)


def stage_statement(feed: Feed, source: Source) -> str:
    """SQL that types and checks a source's rows and appends them to the feed's staging table."""
    forms = _FROM_TEXT if source.is_text else _FROM_PARQUET
    typed = ", ".join(
        f"{forms[kind].format(source.values[name]) if name in source.values else 'null'}::{kind}"
        f" as {name}"
        for name, kind in feed.columns.items()
    )
    filled = ", ".join(
        f"case when reason is null then coalesce({name}, {feed.defaults[name]}) else {name} end"
        if name in feed.defaults
        else name
        for name in feed.columns
    )
    return f"""
        insert into {arrived_table(feed)}
        with typed as (
            select
                {source.landed_date} as landed_date,
                {source.landed_path} as landed_path,
                {typed},
                {_unreadable(feed, source)}::varchar as unreadable,
                {source.line}::varchar as line
            from {source.relation}
        ),
        judged as (
            select *, {reason_expression(feed.rules)} as reason from typed
        )
        select landed_date, landed_path, {filled}, unreadable, line, reason from judged
    """


def _unreadable(feed: Feed, source: Source) -> str:
    """SQL for a JSON object of the values whose text is not of their column's type."""
    if not source.is_text:
        return "null"
    lost = {
        name: f"nullif({source.values[name]}, '') is not null and "
        f"{_FROM_TEXT[kind].format(source.values[name])} is null"
        for name, kind in feed.columns.items()
        if kind != "VARCHAR" and name in source.values
    }
    if not lost:
        return "null"
    originals = ", ".join(
        f"{name}: case when {condition} then {source.values[name]} end"
        for name, condition in lost.items()
    )
    any_lost = " or ".join(f"({condition})" for condition in lost.values())
    return f"case when {any_lost} then json_merge_patch('{{}}', to_json({{{originals}}})) end"
