"""Decide which items a user may be shown, by a placement's conditions: for lists and for requests.

Logic is three-valued, as in SQL: a comparison with a missing value is neither true nor false, and
an item may be shown only where every condition is true. So what is missing is not shown, unless the
condition says what to do with ``is null``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.expressions import (
    Both,
    Compare,
    Condition,
    Either,
    IsNull,
    Literal,
    Not,
    Operand,
    attributes_of,
    parse_condition,
)

if TYPE_CHECKING:
    import pandas as pd

#: A row of attributes: text, number, flag, or None where it is missing.
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Values:
    """Values of one attribute, of many items or users.

    Parameters
    ----------
    number : ndarray of float64
        NaN where there is no number.
    code : ndarray of int64
        Code of a text or flag; -1 where there is none.
    """

    number: np.ndarray
    code: np.ndarray

    @property
    def is_known(self) -> np.ndarray:
        """Mask of the values that are not missing."""
        known: np.ndarray = (self.code >= 0) | ~np.isnan(self.number)
        return known


@dataclass(frozen=True)
class Truth:
    """Outcome of a condition: where it is true and where it is false; elsewhere it is unknown."""

    yes: np.ndarray
    no: np.ndarray


class Eligibility:
    """Conditions that must all be true for an item to be shown to a user.

    Parameters
    ----------
    rules : iterable of str
        Conditions of `base.expressions`.
    """

    def __init__(self, rules: Iterable[str]) -> None:
        self.rules = tuple(rules)
        self._conditions = [parse_condition(rule) for rule in self.rules]
        named = [one for condition in self._conditions for one in attributes_of(condition)]
        self.item_names = sorted({one.name for one in named if one.owner == "item"})
        self.user_names = sorted({one.name for one in named if one.owner == "user"})
        self._codes: dict[tuple[bool, object], int] = {}

    def items(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, Values]:
        """Read items' attributes, a sequence by name as long as there are items, for `judge`."""
        return {name: self._read(rows[name]) for name in self.item_names}

    def judge(self, items: Mapping[str, Values], count: int, users: Sequence[Row]) -> Truth:
        """Whether each user may be shown each item.

        Parameters
        ----------
        items : mapping of str to Values
            Of `items`.
        count : int
            Number of items.
        users : sequence of mapping
            Attributes of each user; what is left out is missing.

        Returns
        -------
        Truth
            Of arrays of shape (n_users, n_items). An item may be shown where it is `yes`; where it
            is `no` it may not whatever is missing.
        """
        people = {name: self._read([user.get(name) for user in users]) for name in self.user_names}
        shape = (len(users), count)
        yes, no = np.ones(shape, dtype=bool), np.zeros(shape, dtype=bool)
        for condition in self._conditions:
            found = self._decide(condition, items, people)
            yes &= found.yes
            no |= found.no
        return Truth(yes, no)

    def broken_rules(self, item: Row, user: Row) -> list[str]:
        """Conditions that are not true of one item and one user, as they are written."""
        return [rule for rule in self.rules if not Eligibility([rule]).allowed([item], user).all()]

    def allowed(self, items: Sequence[Row], user: Row) -> np.ndarray:
        """Mask of the items, given as rows, that one user may be shown."""
        columns = {name: [item.get(name) for item in items] for name in self.item_names}
        found: np.ndarray = self.judge(self.items(columns), len(items), [user]).yes[0]
        return found

    def _read(self, values: Sequence[Any]) -> Values:
        number = np.full(len(values), np.nan)
        code = np.full(len(values), -1, dtype=np.int64)
        for place, value in enumerate(values):
            if value is None or value == "":
                continue
            if isinstance(value, str | bool | np.bool_):
                is_text = isinstance(value, str)
                key = (is_text, value if is_text else bool(value))
                code[place] = self._codes.setdefault(key, len(self._codes))
            elif math.isfinite(value):
                number[place] = value
        return Values(number, code)

    def _decide(
        self, condition: Condition, items: Mapping[str, Values], users: Mapping[str, Values]
    ) -> Truth:
        match condition:
            case Both(parts):
                found = [self._decide(part, items, users) for part in parts]
                return Truth(_all(one.yes for one in found), _any(one.no for one in found))
            case Either(parts):
                found = [self._decide(part, items, users) for part in parts]
                return Truth(_any(one.yes for one in found), _all(one.no for one in found))
            case Not(part):
                inner = self._decide(part, items, users)
                return Truth(inner.no, inner.yes)
            case IsNull(operand):
                known = self._operand(operand, items, users).is_known
                return Truth(~known, known)
            case Compare(sign, left, right):
                return _compare(
                    sign, self._operand(left, items, users), self._operand(right, items, users)
                )

    def _operand(
        self, operand: Operand, items: Mapping[str, Values], users: Mapping[str, Values]
    ) -> Values:
        """Values of an operand that spread over users (down) and items (across)."""
        if isinstance(operand, Literal):
            return self._read([operand.value])
        if operand.owner == "item":
            return items[operand.name]
        of_users = users[operand.name]
        return Values(of_users.number[:, None], of_users.code[:, None])


def _all(masks: Iterable[np.ndarray]) -> np.ndarray:
    first, *others = masks
    for one in others:
        first = first & one
    return first


def _any(masks: Iterable[np.ndarray]) -> np.ndarray:
    first, *others = masks
    for one in others:
        first = first | one
    return first


def _compare(sign: str, left: Values, right: Values) -> Truth:
    """Compare numbers with numbers, and texts and flags with their like; else it is unknown."""
    numbers = ~np.isnan(left.number) & ~np.isnan(right.number)
    coded = (left.code >= 0) & (right.code >= 0)
    if sign in {"=", "!="}:
        same = (coded & (left.code == right.code)) | (numbers & (left.number == right.number))
        found = Truth(same, (coded | numbers) & ~same)
        return found if sign == "=" else Truth(found.no, found.yes)
    signs = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
    holds = signs[sign](left.number, right.number)
    return Truth(numbers & holds, numbers & ~holds)


@lru_cache(maxsize=65_536)
def read_packed(packed: str) -> dict[str, Any]:
    """Declared further attributes of a row, from the JSON text in which feeds keep them."""
    found: dict[str, Any] = json.loads(packed)
    return found


def rows_of_frame(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, list[Any]]:
    """Attributes of every row of a frame with a column for each, or packed in `attributes`.

    Parameters
    ----------
    frame : DataFrame
        Of `feat_items` or `feat_user_attributes`, or a part of their columns.
    names : sequence of str

    Returns
    -------
    dict of str to list
        Plain values, None where missing.
    """
    found = {}
    packed: list[dict[str, Any]] = []
    if any(name not in frame for name in names):
        texts = frame["attributes"].tolist() if "attributes" in frame else [None] * len(frame)
        packed = [read_packed(text) if isinstance(text, str) else {} for text in texts]
    for name in names:
        if name in frame:
            column = frame[name].astype(object)
            found[name] = column.where(column.notna(), None).tolist()
        else:
            found[name] = [row.get(name) for row in packed]
    return found
