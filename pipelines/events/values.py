r"""Read texts as ids, times and numbers, in SQL: the one door of day files and of `land`.

Each macro takes one text and gives a value, or null where the text is none of its kind. Nothing is
guessed: a form that people read in two ways, such as 03/04/2024 or 1,234, is null here; what a
whole column says about such forms is decided in `sources.readings`.
"""

from __future__ import annotations

import duckdb

from pipelines.base.ids import CONTROLS, TRIMMED

#: Earliest plausible time, in seconds since 1970 (1990-01-01), and the end (2100-01-01). In
#: milliseconds, microseconds and nanoseconds these ranges do not overlap, so size tells the unit.
EARLIEST_SECONDS = 631_152_000
END_SECONDS = 4_102_444_800
EARLIEST = "1990-01-01"

#: Day and month, in either order, before the year; groups: first, second, year, the rest.
YEAR_LAST = r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[T ,]+(\d.*))?$"
#: A number as machines write it.
PLAIN_NUMBER = r"^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$"
#: Groups of three digits by comma, and a point or a second comma that leaves one reading.
GROUPED_NUMBER = r"^[+-]?\d{1,3}(?:(?:,\d{3})+\.\d+|(?:,\d{3}){2,})$"
#: One group: thousands, or three digits after a decimal comma.
TWO_READINGS_NUMBER = r"^[+-]?\d{1,3},\d{3}$"
#: A decimal comma: groups by point, apostrophe or space before it.
COMMA_NUMBER = r"^[+-]?(?:\d{1,3}(?:[. '’\x{a0}\x{202f}]\d{3})+|\d+),\d+$"
#: Whole numbers as people write them where the comma is the decimal mark.
COMMA_WHOLE = r"^[+-]?(?:\d{1,3}(?:[. '’\x{a0}\x{202f}]\d{3})+|\d+)$"

_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?"
_OFFSET = r" ?(?:Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)"
_YEAR_FIRST = (
    rf"^\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ]{_CLOCK}(?: ?[AaPp][Mm])?(?:{_OFFSET})?)?$"
)
_WITH_OFFSET = rf":\d{{2}}(?:[.,]\d{{1,9}})?{_OFFSET}$"
_HALF_DAYS = (
    "['%Y-%m-%d %I:%M:%S %p', '%Y-%m-%d %I:%M %p', '%Y-%m-%d %I:%M:%S%p', '%Y-%m-%d %I:%M%p']"
)
_CURRENCY = (
    r"^([+-]?) ?(?:\p{Sc}|[A-Z]{3})?[ \x{a0}]?([+-]?[0-9.][^A-Z\p{Sc}]*?)"
    r"[ \x{a0}]?(?:\p{Sc}|[A-Z]{3})?$"
)


def _quoted(pattern: str) -> str:
    return "'" + pattern.replace("'", "''") + "'"


# `nfc_normalize` ends a text at a zero byte; such a text is left as it is, to be refused.
#: Name and parameters of each macro, and its expression; later ones use earlier ones.
MACROS = {
    "as_id(written)": f"""
        nullif(regexp_replace(
            case when contains(written, chr(0)) then written else nfc_normalize(written) end,
            {_quoted(f"^{TRIMMED}+|{TRIMMED}+$")}, '', 'g'
        ), '')
    """,
    "as_title(written)": f"""
        as_id(regexp_replace(written, {_quoted(CONTROLS + "+")}, ' ', 'g'))
    """,
    "as_epoch(number)": f"""
        case
            when number >= {EARLIEST_SECONDS}::hugeint and number < {END_SECONDS}::hugeint
                then make_timestamp((number * 1000000)::bigint)
            when number >= {EARLIEST_SECONDS}000::hugeint and number < {END_SECONDS}000::hugeint
                then make_timestamp((number * 1000)::bigint)
            when number >= {EARLIEST_SECONDS}000000::hugeint
                and number < {END_SECONDS}000000::hugeint
                then make_timestamp(number::bigint)
            when number >= {EARLIEST_SECONDS}000000000::hugeint
                and number < {END_SECONDS}000000000::hugeint
                then make_timestamp((number::hugeint // 1000)::bigint)
        end
    """,
    # the same of a calendar's clock: `zone` is that of a time without an offset
    "as_iso_time(written, zone)": rf"""
        case
            when not regexp_matches(written, {_quoted(_YEAR_FIRST)}) then null
            when regexp_matches(written, {_quoted(_WITH_OFFSET)}) then timezone('UTC', try_cast(
                regexp_replace(regexp_replace(
                    replace(replace(written, '/', '-'), ',', '.'),
                    ' ?(?:Z|z|UTC|GMT)$', '+00'
                ), ' ([+-]\d{{2}}(?::?\d{{2}})?)$', '\1') as timestamptz
            ))
            else timezone('UTC', timezone(zone, coalesce(
                try_strptime(
                    case when regexp_matches(written, '[AaPp][Mm]$')
                        then replace(replace(written, '/', '-'), 'T', ' ') end,
                    {_HALF_DAYS}
                ),
                try_cast(
                    regexp_replace(
                        replace(replace(written, '/', '-'), ',', '.'),
                        '^(\d{{4}})\.(\d{{1,2}})\.(\d{{1,2}})', '\1-\2-\3'
                    ) as timestamp
                )
            )))
        end
    """,
    "as_number_time(written, zone)": r"""
        case
            when regexp_matches(written, '^(19|20)\d{6}$')
                then timezone('UTC', timezone(zone, try_strptime(written, '%Y%m%d')))
            when regexp_matches(written, '^(19|20)\d{12}$')
                then timezone('UTC', timezone(zone, try_strptime(written, '%Y%m%d%H%M%S')))
            when regexp_matches(written, '^\d{9,19}$')
                then as_epoch(try_cast(written as hugeint))
            when regexp_matches(written, '^\d{9,19}\.\d*$|^\d(\.\d+)?[eE]\+?\d{1,2}$')
                then as_epoch(try_cast(written as double))
        end
    """,
    "as_time(written, zone)": """
        case when contains(written, ':') or regexp_matches(written, '^\\d{4}[-/.]')
            then as_iso_time(written, zone) else as_number_time(written, zone) end
    """,
    # a time whose day or month comes first, as the year-first form
    "day_first(written)": rf"""
        rtrim(regexp_replace(written, {_quoted(YEAR_LAST)}, '\3-\2-\1 \4'))
    """,
    "month_first(written)": rf"""
        rtrim(regexp_replace(written, {_quoted(YEAR_LAST)}, '\3-\1-\2 \4'))
    """,
    "without_currency(written)": rf"""
        regexp_replace(written, {_quoted(_CURRENCY)}, '\1\2')
    """,
    "as_number(written)": f"""
        case when regexp_matches(written, {_quoted(PLAIN_NUMBER)})
            then try_cast(written as double) end
    """,
    "as_pointed_number(written)": f"""
        case
            when regexp_matches(written, {_quoted(GROUPED_NUMBER)})
                or regexp_matches(written, {_quoted(TWO_READINGS_NUMBER)})
                then try_cast(replace(written, ',', '') as double)
            else as_number(written)
        end
    """,
    "as_comma_number(written)": rf"""
        case when regexp_matches(written, {_quoted(COMMA_NUMBER)})
                or regexp_matches(written, {_quoted(COMMA_WHOLE)})
            then try_cast(replace(regexp_replace(
                written, '[. ''’\x{{a0}}\x{{202f}}]', '', 'g'), ',', '.') as double) end
    """,
    "as_flag(written)": """
        case lower(written)
            when 'true' then true when 't' then true when 'yes' then true when 'y' then true
            when '1' then true when 'in stock' then true when 'in_stock' then true
            when 'false' then false when 'f' then false when 'no' then false when 'n' then false
            when '0' then false when 'out of stock' then false when 'out_of_stock' then false
        end
    """,
}


def create_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the macros of `MACROS` in a connection; they end with it."""
    for signature, expression in MACROS.items():
        connection.execute(f"create or replace temp macro {signature} as ({expression})")
