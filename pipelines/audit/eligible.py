"""The audit of who is shown what: conditions on item and user, and consent, read again in SQL."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pandas as pd

from pipelines.audit.findings import Finding, ListFile
from pipelines.base.attributes import ITEM_KINDS, USER_KINDS, Kind
from pipelines.base.expressions import (
    Attribute,
    Both,
    Compare,
    Condition,
    Either,
    IsNull,
    Literal,
    Not,
    Operand,
    parse_condition,
)
from pipelines.lists.list_rows import FALLBACK
from pipelines.rules.eligibility import Eligibility
from pipelines.rules.shown_items import PINNED, WITHOUT_CONSENT

#: Columns of the catalogue that conditions read.
ITEM_COLUMNS = [*ITEM_KINDS, "attributes"]
_PEOPLE_COLUMNS = [*USER_KINDS, "attributes"]
_TYPES: dict[Kind, str] = {"text": "varchar", "number": "double", "flag": "boolean"}


def open_people(connection: duckdb.DuckDBPyConnection, users: pd.DataFrame) -> None:
    """Create the table `people`: what a users feed said before the night."""
    types = {name: _TYPES[kind] for name, kind in USER_KINDS.items()} | {"attributes": "varchar"}
    columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
    connection.execute(f"create table people ({columns})")
    if len(users):
        connection.register("users", users[_PEOPLE_COLUMNS])
        connection.execute("insert into people by name select * from users")
        connection.unregister("users")


def open_unconsenting(file: ListFile) -> None:
    """Create the view `unconsenting`: users whose history the placement must not use."""
    asked = file.rules.personalise_without_consent
    needed = {
        True: "false",
        False: "true",
        None: "(select bool_or(consent is not null) from people)",
    }
    file.connection.execute(
        f"""
        create or replace view unconsenting as
        select distinct user_id from history
        where {needed[asked]}
            and user_id not in (select user_id from people where consent)
        """
    )


def reads_user(file: ListFile) -> bool:
    """Whether a condition reads the user, so that there may be no list for people nobody knows."""
    return bool(Eligibility(file.rules.eligible).user_names)


def audit_eligible(file: ListFile) -> Iterator[Finding]:
    """Check that every row is one that its user is eligible for, and who consents to what.

    A placement without conditions, where nobody refuses consent, has no findings.

    The conditions are translated to SQL, whose logic is theirs, so that a mistake of what made the
    lists is found here.
    """
    is_anyone = file.variant == FALLBACK
    broken = 0.0
    for rule in file.rules.eligible:
        values: list[str | float | bool] = []
        condition = _in_sql(parse_condition(rule), file, values)
        broken += (
            file.value(
                f"""
            select count(*) from lists
            left join items using (item_id)
            left join people on lists.user_id = people.user_id and not {is_anyone}
            where not coalesce({condition}, false)
            """,
                *values,
            )
            or 0.0
        )
    if file.rules.eligible:
        yield file.none_found("eligible", broken, "rows that break a condition of `eligible`")
    if is_anyone or not file.value("select count(*) from unconsenting"):
        return
    personal = file.value(
        """
        select count(*) from lists semi join unconsenting using (user_id)
        where strategy <> ? and not starts_with(reason, ?)
        """,
        *(PINNED, WITHOUT_CONSENT),
    )
    yield file.none_found("consent", personal, "personal rows of users who do not consent to them")


def _in_sql(condition: Condition, file: ListFile, values: list[str | float | bool]) -> str:
    """SQL of a condition; its literals go to `values`, in the order of their marks."""
    match condition:
        case Both(parts) | Either(parts):
            word = " and " if isinstance(condition, Both) else " or "
            return "(" + word.join(_in_sql(part, file, values) for part in parts) + ")"
        case Not(part):
            return f"(not {_in_sql(part, file, values)})"
        case IsNull(operand):
            return f"({_value(operand, file, values)} is null)"
        case Compare(sign, left, right):
            first = _value(left, file, values)
            return f"({first} {sign} {_value(right, file, values)})"


def _value(operand: Operand, file: ListFile, values: list[str | float | bool]) -> str:
    if isinstance(operand, Literal):
        values.append(operand.value)
        return "?"
    return _column(operand, file)


def _column(attribute: Attribute, file: ListFile) -> str:
    declared = file.settings.attributes
    if attribute.owner == "item":
        table, fixed, kinds = "items", ITEM_KINDS, declared.item_kinds
    else:
        table, fixed, kinds = "people", USER_KINDS, declared.user_kinds
    if attribute.name == "item_id":
        return "lists.item_id"
    if attribute.name == "user_id":
        return "null::varchar" if file.variant == FALLBACK else "lists.user_id"
    if attribute.name in fixed:
        return (
            f"nullif({table}.{attribute.name}, '')"
            if kinds[attribute.name] == "text"
            else (f"{table}.{attribute.name}")
        )
    text = f"nullif({table}.attributes ->> '{attribute.name}', '')"
    return f"try_cast({text} as {_TYPES[kinds[attribute.name]]})"
