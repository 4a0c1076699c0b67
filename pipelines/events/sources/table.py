"""Adapter `table`: any CSV or Parquet file, with a mapping from the feed's columns to its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import LandingError
from pipelines.events.feeds import FEEDS, Feed
from pipelines.events.sources.source_rows import SourceRows, check_source_columns

if TYPE_CHECKING:
    import duckdb

_TIME_COLUMN = {"events": "event_at", "items": "valid_from"}
NO_TIME = "no readable time"
#: Whole numbers are epoch times; their size tells seconds, milliseconds and microseconds apart
#: (1e11 seconds is the year 5138, 1e11 milliseconds is 1973).
_EPOCH = """make_timestamp(case
    when abs({0}) < 1e11 then {0}::bigint * 1000000
    when abs({0}) < 1e14 then {0}::bigint * 1000
    else {0}::bigint end)"""
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UINTEGER", "UBIGINT", "HUGEINT", "DOUBLE")


def read_table(
    connection: duckdb.DuckDBPyConnection,
    path: Path | None,
    *,
    mapping: Mapping[str, str] | None = None,
    event_type: str | None = None,
    feed: str = "events",
) -> SourceRows:
    """Read the rows of any CSV or Parquet table as events or items.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An in-memory database.
    path : Path
        CSV (any delimiter DuckDB recognises) or Parquet file.
    mapping : mapping of str to str, optional
        Feed column to the file's column; a feed column that the file has by the same name needs
        no entry.
    event_type : str, optional
        Type of every event, for a file without such a column.
    feed : {"events", "items"}, default "events"
        What the rows are.

    Returns
    -------
    SourceRows
        Rows without a readable time have no day to land in; they are left out and counted.

    Raises
    ------
    LandingError
        If the file is missing, the mapping names unknown columns, or a required one has no source.

    Notes
    -----
    Times are timestamps, dates, texts of the form of ISO 8601 (UTC unless they name an offset) or
    whole numbers since 1970 in seconds, milliseconds or microseconds.
    """
    if feed not in FEEDS:
        raise LandingError(f"A feed must be events or items. Got {feed!r}. Use --feed events.")
    if path is None or not path.is_file():
        raise LandingError(
            f"A table must be a CSV or Parquet file. Found none at {path}. "
            "Name one: recsys land table PATH --map user_id=customer --map event_at=time."
        )
    types = check_source_columns(connection, str(path), ())
    sources = _sources(FEEDS[feed], path, types, dict(mapping or {}), event_type)
    time = _time_expression(
        _quoted(sources[_TIME_COLUMN[feed]]), types[sources[_TIME_COLUMN[feed]]]
    )
    reader = "read_parquet" if path.suffix.lower() == ".parquet" else "read_csv"
    expressions = [
        f"{time} as {name}" if name == _TIME_COLUMN[feed] else _value(name, kind, sources, types)
        for name, kind in FEEDS[feed].columns.items()
        if name in sources
    ]
    if event_type is not None:
        expressions.append("$event_type as event_type")
    parameters = {"path": str(path)} | ({"event_type": event_type} if event_type else {})
    day = f"{_TIME_COLUMN[feed]}::date"
    names = [name for name in FEEDS[feed].columns if name in sources]
    query = f"""
        select * from (select {", ".join(expressions)} from {reader}($path))
        where {_TIME_COLUMN[feed]} is not null order by {", ".join((day, *names))}
    """
    (lost_count,) = connection.execute(
        f"select count(*) from {reader}($path) where {time} is null", {"path": str(path)}
    ).fetchall()[0]
    exclusions = {NO_TIME: lost_count} if lost_count else {}
    if feed == "events":
        return SourceRows(query, None, exclusions, events_parameters=parameters)
    return SourceRows(None, query, exclusions, items_parameters=parameters)


def _sources(
    feed: Feed,
    path: Path,
    types: Mapping[str, str],
    mapping: dict[str, str],
    event_type: str | None,
) -> dict[str, str]:
    """Map feed columns to file columns, and check them."""
    if unknown := [name for name in mapping if name not in feed.columns]:
        raise LandingError(
            f"A mapping must name columns of the {feed.name} feed ({', '.join(feed.columns)}). "
            f"Got {', '.join(unknown)}. Write --map FEED_COLUMN=FILE_COLUMN."
        )
    if absent := [column for column in mapping.values() if column not in types]:
        raise LandingError(
            f"A mapping must point to columns of {path}. Missing {', '.join(absent)}; "
            f"found {', '.join(types)}. Correct --map."
        )
    sources = {name: mapping.get(name, name) for name in feed.columns}
    sources = {name: column for name, column in sources.items() if column in types}
    if event_type is not None:
        sources.pop("event_type", None)
    wanted = {*feed.required, _TIME_COLUMN[feed.name]} - ({"event_type"} if event_type else set())
    if missing := [name for name in feed.columns if name in wanted and name not in sources]:
        raise LandingError(
            f"The {feed.name} feed needs a source for {', '.join(missing)}. "
            f"{path} has {', '.join(types)}. Map them: "
            + " ".join(f"--map {name}=COLUMN" for name in missing)
            + (" or --event-type purchase." if "event_type" in missing else ".")
        )
    return sources


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _value(name: str, kind: str, sources: Mapping[str, str], types: Mapping[str, str]) -> str:
    column = _quoted(sources[name])
    if kind == "VARCHAR" and types[sources[name]] == "DOUBLE":
        # Ids that lost their type to a missing value: 17850.0 is 17850.
        whole = f"{column} = trunc({column}) and abs({column}) < 1e15"
        return (
            f"case when {whole} then {column}::bigint::varchar else {column}::varchar end as {name}"
        )
    return f"try_cast({column} as {kind}) as {name}"


def _time_expression(column: str, kind: str) -> str:
    if kind in _NUMBERS:
        return _EPOCH.format(column)
    if kind == "VARCHAR":
        return f"try_cast(try_cast({column} as timestamptz) as timestamp)"
    return f"{column}::timestamp"
