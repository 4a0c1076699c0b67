"""Type and check the rows of any source in one SQL statement, into a staging table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.events.feeds import Feed
from pipelines.events.row_rules import reason_expression
from pipelines.events.values import create_macros

#: Macro that reads a text as its column's type, null if it cannot.
_FROM_TEXT = {
    "TIMESTAMP": "as_time({0}, 'UTC')",
    "DOUBLE": "try_cast({0} as double)",
    "INTEGER": "try_cast(try_cast({0} as double) as integer)",
    "BOOLEAN": "as_flag({0})",
}


@dataclass(frozen=True)
class Source:
    """Rows to stage, as SQL: a relation, and an expression for each column.

    Parameters
    ----------
    relation : str
        Text after ``from``.
    values : mapping of str to str
        Feed column to SQL expression of its type, null where it cannot be read.
    texts : mapping of str to str
        SQL expression of the original text, of the columns that may hold what cannot be read.
    landed_date, landed_path : str
        SQL expressions for the day and the file of a row.
    line : str
        SQL expression for the text of a line that is no row.
    """

    relation: str
    values: dict[str, str]
    texts: dict[str, str]
    landed_date: str
    landed_path: str
    line: str


def text_source(
    feed: Feed, relation: str, texts: dict[str, str], *, day: str, path: str, line: str
) -> Source:
    """Rows whose values are all text, read as the columns of a feed."""
    values = {name: from_text(feed, name).format(text) for name, text in texts.items()}
    typed = {name: text for name, text in texts.items() if feed.columns[name] != "VARCHAR"}
    return Source(relation, values, typed, day, path, line)


def from_text(feed: Feed, column: str) -> str:
    """SQL that reads a text as a column of a feed, with ``{0}`` for the text."""
    kind = feed.columns[column]
    if kind == "VARCHAR":
        return "as_title({0})" if column in feed.titles else "as_id({0})"
    return _FROM_TEXT[kind]


def arrived_table(feed: Feed) -> str:
    """Name of the temporary table a feed's rows are staged in."""
    return f"arrived_{feed.name}"


def create_arrived(connection: duckdb.DuckDBPyConnection, feed: Feed) -> None:
    """Create a feed's empty staging table, and the macros that read values."""
    create_macros(connection)
    columns = {
        "landed_date": "DATE",
        "landed_path": "VARCHAR",
        **feed.columns,
        "unreadable": "VARCHAR",
        "line": "VARCHAR",
        "is_turned": "BOOLEAN",
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
    known = {
        "types": list(settings.events.types),
        "nobody": [one.lower() for one in settings.events.nobody],
        "refuse_negative": settings.events.refuses_negative_quantity,
    }
    named = {name: value for name, value in known.items() if f"${name}" in statement}
    connection.execute(statement, parameters | named)


def stage_statement(feed: Feed, source: Source) -> str:
    """SQL that types and checks a source's rows and appends them to the feed's staging table."""
    typed = ", ".join(
        f"({source.values.get(name, 'null')})::{kind} as {name}"
        for name, kind in feed.columns.items()
    )
    good = {name: f"coalesce({name}, {value})" for name, value in feed.defaults.items()}
    good |= feed.meanings
    filled = ", ".join(
        f"case when reason is null then {good[name]} else {name} end" if name in good else name
        for name in feed.columns
    )
    turned = " or ".join(
        f"{name} is distinct from {value}" for name, value in feed.meanings.items()
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
        select
            landed_date, landed_path, {filled}, unreadable, line,
            reason is null and ({turned or "false"}) as is_turned,
            reason
        from judged
    """


def _unreadable(feed: Feed, source: Source) -> str:
    """SQL for a JSON object of the values whose text is not of their column's type."""
    lost = {
        name: f"nullif({text}, '') is not null and {source.values[name]} is null"
        for name, text in source.texts.items()
        if name in feed.columns
    }
    if not lost:
        return "null"
    originals = ", ".join(
        f"{name}: case when {condition} then {source.texts[name]} end"
        for name, condition in lost.items()
    )
    any_lost = " or ".join(f"({condition})" for condition in lost.values())
    return f"case when {any_lost} then json_merge_patch('{{}}', to_json({{{originals}}})) end"
