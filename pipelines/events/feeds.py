"""The feeds of day files, events, items and users: their columns, and the rules for bad rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipelines.base.tables import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    PAYLOAD_COLUMNS,
    RAW_EVENTS,
    RAW_ITEMS,
    RAW_USERS,
    USER_COLUMNS,
    Table,
)
from pipelines.events.row_rules import (
    EVENT_MEANINGS,
    EVENT_RULES,
    ITEM_RULES,
    USER_RULES,
    RowRule,
)


@dataclass(frozen=True)
class Feed:
    """A kind of day file and the raw table it fills.

    Parameters
    ----------
    name : str
        Folder below `landing/` and value of `feed` in `raw.loads` and `raw.quarantine`.
    table : Table
        Where its rows go.
    columns : mapping of str to str
        Columns of a day file and their DuckDB types.
    required : tuple of str
        Columns every file must have; the others are null where a file lacks them.
    key : tuple of str
        Columns that identify a row within a day; rows that share them count once.
    time : str
        Column whose day is that of a row's day file.
    titles : tuple of str
        Columns of text for people; every other text is an id.
    defaults : mapping of str to str
        SQL expressions, over the row, for values a good row does not give.
    meanings : mapping of str to str
        SQL expressions, over the row, for values of a good row that mean another.
    rules : tuple of RowRule
        What makes a row bad, in order of precedence.
    """

    name: str
    table: Table
    columns: Mapping[str, str]
    required: tuple[str, ...]
    key: tuple[str, ...]
    time: str
    titles: tuple[str, ...]
    defaults: Mapping[str, str]
    meanings: Mapping[str, str]
    rules: tuple[RowRule, ...]


#: Column that holds the declared further columns of a row, as one JSON object.
PACKED = "attributes"


def canonical_payload() -> str:
    """SQL expression: an event's values as one text, the same whatever file format held them."""
    parts = (f"coalesce({name}::varchar, '')" for name in PAYLOAD_COLUMNS if name != "event_id")
    return "concat_ws(chr(31), " + ", ".join(parts) + ")"


EVENTS = Feed(
    name="events",
    table=RAW_EVENTS,
    columns=EVENT_COLUMNS,
    required=("event_type", "user_id", "item_id", "event_at"),
    key=("event_id",),
    time="event_at",
    titles=(),
    defaults={"event_id": f"sha256({canonical_payload()})"},
    meanings=EVENT_MEANINGS,
    rules=EVENT_RULES,
)
ITEMS = Feed(
    name="items",
    table=RAW_ITEMS,
    columns=ITEM_COLUMNS,
    required=("item_id", "title"),
    key=("item_id", "valid_from"),
    time="valid_from",
    titles=("title", "category", "attributes"),
    defaults={"is_available": "true", "valid_from": "landed_date::timestamp"},
    meanings={},
    rules=ITEM_RULES,
)
USERS = Feed(
    name="users",
    table=RAW_USERS,
    columns=USER_COLUMNS,
    required=("user_id",),
    key=("user_id", "valid_from"),
    time="valid_from",
    titles=("attributes",),
    defaults={"valid_from": "landed_date::timestamp"},
    meanings={},
    rules=USER_RULES,
)
#: Feeds by name, in the order they are loaded; a shop needs events only.
FEEDS = {feed.name: feed for feed in (EVENTS, ITEMS, USERS)}
