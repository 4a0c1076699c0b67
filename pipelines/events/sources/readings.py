"""Decide from a whole column how its times and numbers are to be read, or refuse to guess.

A column is text as the file has it, or a type of a Parquet file. Where two readings are possible
and no value of the column excludes one, the column is refused and both are shown.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from pipelines.base.errors import LandingError
from pipelines.base.source_settings import TableSettings
from pipelines.events.values import (
    COMMA_NUMBER,
    EARLIEST_SECONDS,
    GROUPED_NUMBER,
    TWO_READINGS_NUMBER,
    YEAR_LAST,
)

#: Multiples of a second in `--time-format`.
UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: Values with a decimal comma, as a share, above which a column is refused without the option.
_COMMA_SHARE = 0.01


@dataclass(frozen=True)
class Reading:
    """SQL that reads a column, and what a person should know about it."""

    expression: str
    note: str | None = None


@dataclass(frozen=True)
class StagedColumn:
    """A column of a temporary table, what it is called in the source, and its DuckDB type."""

    table: str
    name: str
    source: str
    kind: str


def read_time(
    connection: duckdb.DuckDBPyConnection, column: StagedColumn, options: TableSettings
) -> Reading:
    """Decide how a column of times is read.

    Returns
    -------
    Reading
        Its expression gives a UTC timestamp, or null.

    Raises
    ------
    LandingError
        If day and month could be swapped, both orders occur, all values are counters, or the
        format or zone is none.
    """
    _check_zone(connection, options.time_zone)
    zone = _literal(options.time_zone)
    if column.kind == "TIMESTAMP WITH TIME ZONE":
        return Reading(f"timezone('UTC', {column.name})")
    if column.kind != "VARCHAR":
        return Reading(f"timezone('UTC', timezone({zone}, {column.name}))")
    if options.day_zero is not None:
        return Reading(
            f"timestamp '{options.day_zero}' + "
            f"to_microseconds(round(try_cast({column.name} as double) * 86400000000)::bigint)",
            f"{column.source}: days count from {options.day_zero} (--day-zero)",
        )
    if options.time_format is not None:
        return Reading(_by_format(connection, column.name, options.time_format, zone))
    reading = _day_and_month(connection, column, zone)
    if reading is None:
        reading = Reading(f"as_time({column.name}, {zone})")
        _refuse_counters(connection, column, reading.expression)
    return reading


def _check_zone(connection: duckdb.DuckDBPyConnection, zone: str) -> None:
    try:
        connection.execute("select timezone($zone, timestamp '2024-01-01')", {"zone": zone})
    except duckdb.Error as error:
        raise LandingError(
            f"A time zone must be one of the IANA database. Got {zone!r}. Write for example "
            "--time-zone Europe/Berlin."
        ) from error


def _by_format(connection: duckdb.DuckDBPyConnection, name: str, form: str, zone: str) -> str:
    if form in UNITS:
        exact = f"try_cast({name} as decimal(38, 6)) * 1000000 / {UNITS[form]}"
        return f"make_timestamp(round({exact})::bigint)"
    parsed = f"try_strptime({name}, {_literal(form)})"
    try:
        ((kind,),) = connection.execute(
            f"select typeof(try_strptime('', {_literal(form)}))"
        ).fetchall()
    except duckdb.Error as error:
        raise LandingError(
            "A time format must be written as of strptime, such as '%d/%m/%Y %H:%M:%S', or be "
            f"{', '.join(UNITS)} for a number since 1970. Got {form!r}. Correct --time-format."
        ) from error
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {parsed})"
    return f"timezone('UTC', timezone({zone}, {parsed}))"


def _day_and_month(
    connection: duckdb.DuckDBPyConnection, column: StagedColumn, zone: str
) -> Reading | None:
    """The reading of a column whose year stands last; None if it has no such value."""
    name = column.name
    day_first, month_first = (
        f"as_time({order}({name}), {zone})" for order in ("day_first", "month_first")
    )
    count, days, months, example = connection.execute(
        f"""
        select
            count(*),
            count(*) filter ({day_first} is not null and {month_first} is null),
            count(*) filter ({day_first} is null and {month_first} is not null),
            min_by({name}, source_row)
        from {column.table} where regexp_matches({name}, $year_last)
        """,
        {"year_last": YEAR_LAST},
    ).fetchall()[0]
    if not count:
        return None
    if (days > 0) == (months > 0):
        first, second = connection.execute(
            f"select strftime({day_first}, '%-d %B %Y'), strftime({month_first}, '%-d %B %Y') "
            f"from (select $example as {name})",
            {"example": example},
        ).fetchall()[0]
        raise LandingError(
            "Every time must have one reading. "
            + (
                f"Both orders of day and month occur in column {column.source!r}: {days} values "
                f"are only day first, {months} only month first. "
                if days
                else f"No value of column {column.source!r} tells day and month apart: "
                f"{example!r} is {first} with %d/%m/%Y, and {second} with %m/%d/%Y. "
            )
            + f"Say which: --time-format '{_format_of(example, 'd')}' or "
            f"--time-format '{_format_of(example, 'm')}'."
        )
    order, chosen = ("day first", day_first) if days else ("month first", month_first)
    return Reading(
        f"coalesce({chosen}, case when not regexp_matches({name}, {_literal(YEAR_LAST)}) "
        f"then as_time({name}, {zone}) end)",
        f"{column.source}: read {order}, the only order in which all of its {days + months} values "
        "beyond the 12th are dates",
    )


def _format_of(example: str, first: str) -> str:
    """The strptime format of a time whose year stands last."""
    import re

    mark = re.search(r"[-/.]", example)
    day = "%d", "%m"
    order = day if first == "d" else day[::-1]
    form = (mark.group() if mark else "/").join([*order, "%Y"])
    clock = example.partition(" ")[2]
    if clock:
        form += " %H:%M:%S" if clock.count(":") > 1 else " %H:%M"
    if clock.upper().endswith("M"):
        form = form.replace("%H", "%I") + " %p"
    return form


def _refuse_counters(
    connection: duckdb.DuckDBPyConnection, column: StagedColumn, expression: str
) -> None:
    """Refuse a column of numbers of which none is a plausible time."""
    total, numbers, times, low, high = connection.execute(
        f"""
        select
            count({column.name}),
            count(try_cast({column.name} as double)),
            count({expression}),
            min(try_cast({column.name} as double)),
            max(try_cast({column.name} as double))
        from {column.table}
        """
    ).fetchall()[0]
    if numbers and not times and abs(high) < EARLIEST_SECONDS:
        raise LandingError(
            f"A time must be a date, or a number of seconds, milliseconds, microseconds or "
            f"nanoseconds since 1970 after 1990. Column {column.source!r} holds numbers from "
            f"{low:g} to {high:g} ({numbers} of {total} values): a day of the week, an hour or a "
            "counter is no time. Map another column; if it counts days, add --day-zero YYYY-MM-DD; "
            "if the file has no time, add --event-at YYYY-MM-DD."
        )


def read_number(
    connection: duckdb.DuckDBPyConnection, column: StagedColumn, options: TableSettings
) -> Reading:
    """Decide how a column of numbers is read.

    Returns
    -------
    Reading
        Its expression gives a double, or null.

    Raises
    ------
    LandingError
        If the comma may be a decimal mark or part a number into thousands.
    """
    if column.kind != "VARCHAR":
        return Reading(f"{column.name}::double")
    value = f"without_currency({column.name})"
    if options.decimal_comma:
        return Reading(f"as_comma_number({value})")
    total, grouped, pointed, doubtful, commas, doubtful_example, comma_example = connection.execute(
        f"""
        with numbers as (
            select {value} as written, source_row from {column.table}
            where {column.name} is not null
        ),
        judged as (
            select
                *,
                regexp_matches(written, $grouped) as is_grouped,
                regexp_matches(written, $two_readings) as is_doubtful,
                regexp_matches(written, $comma) and not regexp_matches(written, $grouped)
                    and not regexp_matches(written, $two_readings) as is_comma
            from numbers
        )
        select
            count(*),
            count(*) filter (is_grouped),
            count(*) filter (regexp_matches(written, '^[+-]?\\d+\\.\\d+$')),
            count(*) filter (is_doubtful),
            count(*) filter (is_comma),
            min_by(written, source_row) filter (is_doubtful),
            min_by(written, source_row) filter (is_comma)
        from judged
        """,
        {"grouped": GROUPED_NUMBER, "two_readings": TWO_READINGS_NUMBER, "comma": COMMA_NUMBER},
    ).fetchall()[0]
    if commas > _COMMA_SHARE * total:
        raise LandingError(
            f"A number must be written with a decimal point. {commas} of the {total} values of "
            f"column {column.source!r} have a decimal comma, the first is {comma_example!r}. "
            "Add --decimal-comma."
        )
    if not (grouped or doubtful):
        return Reading(f"as_number({value})")
    if doubtful and not (grouped or pointed):
        raise LandingError(
            f"Every number must have one reading. {doubtful_example!r} in column "
            f"{column.source!r} is {doubtful_example.replace(',', '')} with a point as decimal "
            f"mark, and {doubtful_example.replace(',', '.')} with a comma; no value of the column "
            "tells. Add --decimal-comma, or write the numbers without marks for thousands."
        )
    return Reading(
        f"as_pointed_number({value})", f"{column.source}: commas part numbers into thousands"
    )


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
