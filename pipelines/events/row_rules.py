"""Rules for bad rows: SQL predicates with reason codes, for the load and for releases.

A predicate sees the columns of a day file with their types, `landed_date`, and two helpers of the
reader: `line` (the text of a line that is no row at all) and `unreadable` (a JSON object with the
original text of values that are not of their column's type). `$types` is the list of accepted
event types, `$nobody` that of texts that mean nobody, in lower case, `$refuse_negative` says
whether a purchase of a negative quantity is bad. The first rule that holds gives the reason.
`whole_days` adds the reasons that only a day's rows together show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.base.event_meaning import ADD_TO_CART, MAX_AMOUNT, PURCHASE, RETURN
from pipelines.base.ids import BAD_BYTE, CONTROLS, MAX_ID_LENGTH, NESTED
from pipelines.base.tables import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS
from pipelines.events.values import EARLIEST

#: Longest text of any other column, in characters.
MAX_TEXT_LENGTH = 1000
#: A line of a CSV file longer than this holds a text that is too long, not a broken row.
MAX_LINE_LENGTH = 100_000


@dataclass(frozen=True)
class RowRule:
    """A reason code, the SQL predicate of a row that breaks the rule, and what it means."""

    reason: str
    predicate: str
    meaning: str


def _texts(columns: dict[str, str]) -> list[str]:
    return [name for name, kind in columns.items() if kind == "VARCHAR"]


def _any(form: str, columns: Iterable[str]) -> str:
    return " or ".join(form.format(column) for column in columns)


def _text_rules(columns: dict[str, str], ids: tuple[str, ...]) -> tuple[RowRule, ...]:
    texts = _texts(columns)
    return (
        RowRule(
            "bad_utf8",
            _any(f"contains({{}}, chr({ord(BAD_BYTE)}))", [*texts, "line"]),
            "a text has bytes that are not UTF-8",
        ),
        RowRule(
            "oversized_text",
            _any(f"length({{}}) > {MAX_TEXT_LENGTH}", texts)
            + f" or length(line) > {MAX_LINE_LENGTH}",
            f"a text has more than {MAX_TEXT_LENGTH} characters",
        ),
        RowRule("malformed_row", "line is not null", "the line is not a row of the file's format"),
        RowRule(
            "id_too_long",
            _any(f"length({{}}) > {MAX_ID_LENGTH}", ids),
            f"an id has more than {MAX_ID_LENGTH} characters",
        ),
        RowRule(
            "control_characters",
            " or ".join(f"regexp_matches({name}, '{CONTROLS}')" for name in ids),
            "an id has control characters",
        ),
        RowRule(
            "nested_value",
            _any(f"contains({{}}, chr({ord(NESTED)}))", texts),
            "a list or an object stands where one value must be",
        ),
    )


def _number_rules(numbers: tuple[str, ...]) -> tuple[RowRule, ...]:
    return (
        RowRule(
            "bad_number",
            _any("(unreadable ->> '{}') is not null", numbers),
            "a number cannot be read as one",
        ),
        RowRule(
            "non_finite_number",
            "not isfinite(price)" + (" or not isfinite(value)" if "value" in numbers else ""),
            "a number is NaN or infinite",
        ),
        RowRule("negative_price", "price < 0", "a price is below zero"),
        RowRule(
            "oversized_number",
            f"price > {MAX_AMOUNT}" + (f" or abs(value) > {MAX_AMOUNT}" * ("value" in numbers)),
            f"a price or value is beyond {MAX_AMOUNT:,.0f}",
        ),
    )


def _time_rules(column: str, future_reason: str) -> tuple[RowRule, ...]:
    return (
        RowRule(
            "bad_time",
            f"(unreadable ->> '{column}') is not null or {column} < timestamp '{EARLIEST}'"
            f" or not isfinite({column})",
            f"{column} cannot be read as a UTC timestamp or is before {EARLIEST}",
        ),
        RowRule(
            future_reason,
            f"{column} >= landed_date + interval 1 day",
            f"{column} is after the day the row landed in",
        ),
    )


def _nobody(what: str) -> RowRule:
    return RowRule(
        f"nobody_{what}",
        f"list_contains($nobody, lower({what}_id))",
        f"{what}_id is a text that means nobody (events.nobody)",
    )


#: Values of a good event that are another than the row's: a purchase of a negative quantity is a
#: return of as many units, and units of a return are above zero (`base.event_meaning`).
EVENT_MEANINGS = {
    "event_type": f"case when event_type = '{PURCHASE}' and value < 0 then '{RETURN}' "
    "else event_type end",
    "value": f"case when event_type in ('{PURCHASE}', '{RETURN}') and value < 0 then -value "
    "else value end",
}
EVENT_RULES = (
    *_text_rules(EVENT_COLUMNS, ("event_id", "user_id", "item_id", "session_id")),
    RowRule("missing_user", "user_id is null", "user_id is empty"),
    _nobody("user"),
    RowRule("missing_item", "item_id is null", "item_id is empty"),
    _nobody("item"),
    RowRule(
        "bad_type",
        "event_type is null or not list_contains($types, event_type)",
        "event_type is not one of events.types in the settings",
    ),
    *_time_rules("event_at", "future_event"),
    RowRule("missing_time", "event_at is null", "event_at is empty"),
    *_number_rules(("value", "price", "position")),
    RowRule(
        "negative_quantity",
        f"value < 0 and (event_type = '{ADD_TO_CART}' "
        f"or (event_type = '{PURCHASE}' and $refuse_negative::boolean))",
        "a quantity is below zero in a cart, or in a purchase where events.negative_quantity "
        "refuses it",
    ),
)
BAD_ATTRIBUTE = RowRule(
    "bad_attribute",
    "(unreadable ->> 'attributes') is not null",
    "a further column is not of the kind that [attributes] in the settings says",
)
ITEM_RULES = (
    *_text_rules(ITEM_COLUMNS, ("item_id",)),
    RowRule("missing_item", "item_id is null", "item_id is empty"),
    _nobody("item"),
    *_time_rules("valid_from", "future_item"),
    *_number_rules(("price",)),
    RowRule(
        "bad_flag",
        "(unreadable ->> 'is_available') is not null",
        "is_available cannot be read as true or false",
    ),
    BAD_ATTRIBUTE,
)
USER_RULES = (
    *_text_rules(USER_COLUMNS, ("user_id",)),
    RowRule("missing_user", "user_id is null", "user_id is empty"),
    _nobody("user"),
    *_time_rules("valid_from", "future_user"),
    RowRule(
        "bad_age",
        "(unreadable ->> 'age') is not null or not (age >= 0 and age <= 150)",
        "age cannot be read as a number of years from 0 to 150",
    ),
    RowRule(
        "bad_flag",
        "(unreadable ->> 'consent') is not null",
        "consent cannot be read as true or false",
    ),
    BAD_ATTRIBUTE,
)


def reason_expression(rules: Iterable[RowRule]) -> str:
    """SQL expression: the reason code of the first rule a row breaks, null for a good row."""
    cases = " ".join(f"when {rule.predicate} then '{rule.reason}'" for rule in rules)
    return f"case {cases} end"
