"""A small language of conditions on an item and a user, parsed into a tree and never executed.

``item.country = user.country and (item.min_age is null or item.min_age <= user.age)``: comparisons
(``= != < <= > >=``), ``in (…)``, ``is null``, ``and``, ``or``, ``not``, parentheses; attributes are
``item.NAME`` and ``user.NAME``, literals ``'text'``, ``18``, ``true``, ``false``.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal as OneOf

from pipelines.base.attributes import Kind

#: Longest condition, in characters, and deepest nesting of parentheses and `not`.
MAX_LENGTH, MAX_DEPTH = 1000, 30
#: Comparisons as they are written, and what they mean.
COMPARISONS = {"=": "=", "==": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">"}
COMPARISONS |= {">=": ">="}
_WORDS = {"and", "or", "not", "in", "is", "null", "true", "false"}
_TOKEN = re.compile(
    r"""\s*(?:
        (?P<text>'(?:[^']|'')*')
        | (?P<number>[+-]?(?:\d+\.?\d*|\.\d+))
        | (?P<name>[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)?)
        | (?P<mark><=|>=|<>|!=|==|[=<>(),])
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True)
class Attribute:
    """An attribute of the item or of the user."""

    owner: OneOf["item", "user"]
    name: str


@dataclass(frozen=True)
class Literal:
    """A value that stands in the condition itself."""

    value: str | float | bool


Operand = Attribute | Literal


@dataclass(frozen=True)
class Compare:
    """Two operands compared; `sign` is one of ``= != < <= > >=``."""

    sign: str
    left: Operand
    right: Operand


@dataclass(frozen=True)
class IsNull:
    """Whether an attribute is missing."""

    operand: Attribute


@dataclass(frozen=True)
class Not:
    """The contrary of a condition."""

    part: Condition


@dataclass(frozen=True)
class Both:
    """Conditions of which all must hold (``and``)."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """Conditions of which one must hold (``or``)."""

    parts: tuple[Condition, ...]


Condition = Compare | IsNull | Not | Both | Either


@lru_cache(maxsize=1024)
def parse_condition(text: str) -> Condition:
    """Parse a condition.

    Raises
    ------
    ValueError
        If it is none: says what must stand there, what was found, and at which character.

    Examples
    --------
    >>> parse_condition("item.min_age <= user.age").sign
    '<='
    >>> parse_condition("item.country in ('DE', user.country)").parts[1].right
    Attribute(owner='user', name='country')
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(
            f"a condition must have at most {MAX_LENGTH} characters. Got {len(text)}. Split it: "
            "every rule of the list must hold"
        )
    return _Parser(text).parse()


def attributes_of(condition: Condition) -> Iterator[Attribute]:
    """Attributes that a condition reads, as often as it names them."""
    for predicate in _predicates(condition):
        if isinstance(predicate, IsNull):
            yield predicate.operand
        else:
            operands = (predicate.left, predicate.right)
            yield from (one for one in operands if isinstance(one, Attribute))


def _predicates(condition: Condition) -> Iterator[Compare | IsNull]:
    """Comparisons and tests for missing values that a condition is made of."""
    match condition:
        case Both(parts) | Either(parts):
            for part in parts:
                yield from _predicates(part)
        case Not(part):
            yield from _predicates(part)
        case _:
            yield condition


def check_kinds(text: str, items: Mapping[str, Kind], users: Mapping[str, Kind]) -> None:
    """Check that a condition names known attributes, and compares like with like.

    Parameters
    ----------
    text : str
    items, users : mapping of str to Kind
        Known attributes.

    Raises
    ------
    ValueError
        If it is no condition, names another attribute, compares values of two kinds, or asks for
        the order of what is no number.
    """
    condition = parse_condition(text)
    known = {"item": items, "user": users}
    for attribute in attributes_of(condition):
        _check_known(text, attribute, known[attribute.owner])
    for compare in _predicates(condition):
        if isinstance(compare, IsNull):
            continue
        kinds = [_kind_of(one, known) for one in (compare.left, compare.right)]
        if kinds[0] != kinds[1]:
            raise ValueError(
                f"a comparison must be of values of one kind. Got a {kinds[0]} {compare.sign} a "
                f"{kinds[1]} in {text!r}. Write text in single quotes and numbers without, or "
                "declare the attribute's kind in [attributes]"
            )
        if compare.sign not in {"=", "!="} and kinds[0] != "number":
            raise ValueError(
                f"an order ({compare.sign}) must be of numbers. Got a {kinds[0]} in {text!r}. "
                "Compare it with = or !=, or declare the attribute a number in [attributes]"
            )


def _check_known(text: str, attribute: Attribute, known: Mapping[str, Kind]) -> None:
    if attribute.name in known:
        return
    near = difflib.get_close_matches(attribute.name, known, n=1)
    hint = f", or perhaps you mean {attribute.owner}.{near[0]}" if near else ""
    raise ValueError(
        f"a rule must name attributes that the {attribute.owner}s have ({', '.join(known)}). Got "
        f"{attribute.owner}.{attribute.name} in {text!r}. Declare it in [attributes] as a further "
        f"column of the {attribute.owner}s feed{hint}"
    )


def _kind_of(operand: Operand, known: Mapping[str, Mapping[str, Kind]]) -> Kind:
    if isinstance(operand, Attribute):
        return known[operand.owner][operand.name]
    if isinstance(operand.value, bool):
        return "flag"
    return "text" if isinstance(operand.value, str) else "number"


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int


class _Parser:
    """Recursive descent over the tokens of one condition."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = list(self._read())
        self._place = 0
        self._depth = 0

    def parse(self) -> Condition:
        """The whole condition."""
        found = self._either()
        if self._next.kind != "end":
            raise self._wrong("`and`, `or` or the end")
        return found

    def _read(self) -> Iterator[_Token]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None:
                at += len(self._text[at:]) - len(self._text[at:].lstrip())
                raise ValueError(
                    "a condition must consist of item.NAME, user.NAME, 'text', numbers, "
                    f"comparisons, and, or, not, in, is null. Got {self._text[at : at + 20]!r} at "
                    f"character {at + 1} of {self._text!r}. Text stands in single quotes"
                )
            kind, text = str(match.lastgroup), match[str(match.lastgroup)]
            if kind == "name" and text.lower() in _WORDS:
                kind, text = "word", text.lower()
            yield _Token(kind, text, match.start(match.lastgroup or 0))
            at = match.end()
        yield _Token("end", "", len(self._text))

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self, *texts: str) -> str | None:
        """The next token if it is one of these words or marks, and go on."""
        token = self._next
        if token.kind in {"word", "mark"} and token.text in texts:
            self._place += 1
            return token.text
        return None

    def _need(self, text: str) -> None:
        if self._take(text) is None:
            raise self._wrong(f"`{text}`")

    def _wrong(self, wanted: str) -> ValueError:
        token = self._next
        found = f"{token.text!r} at character {token.at + 1}" if token.text else "the end"
        return ValueError(
            f"a condition must have {wanted} here. Got {found} of {self._text!r}. It reads like "
            "item.country = user.country and item.min_age <= user.age"
        )

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._take("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._take("and"):
            parts.append(self._one())
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _one(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(
                f"a condition must nest at most {MAX_DEPTH} deep. Got more in {self._text!r}. "
                "Split it: every rule of the list must hold"
            )
        try:
            if self._take("not"):
                return Not(self._one())
            if self._take("("):
                found = self._either()
                self._need(")")
                return found
            return self._predicate()
        finally:
            self._depth -= 1

    def _predicate(self) -> Condition:
        left = self._operand()
        if sign := self._take(*COMPARISONS):
            return Compare(COMPARISONS[sign], left, self._operand())
        if self._take("is"):
            is_not = self._take("not")
            self._need("null")
            if not isinstance(left, Attribute):
                raise self._wrong("an attribute before `is null`")
            return Not(IsNull(left)) if is_not else IsNull(left)
        is_not = self._take("not")
        if self._take("in"):
            found = Either(tuple(Compare("=", left, one) for one in self._list()))
            return Not(found) if is_not else found
        if is_not:
            raise self._wrong("`in`")
        return Compare("=", left, Literal(True))  # a flag by itself

    def _list(self) -> Iterator[Operand]:
        self._need("(")
        yield self._operand()
        while self._take(","):
            yield self._operand()
        self._need(")")

    def _operand(self) -> Operand:
        token = self._next
        if token.kind == "name":
            owner, _, name = token.text.partition(".")
            if owner not in {"item", "user"} or not name:
                raise self._wrong("item.NAME or user.NAME")
            self._place += 1
            return Attribute("item" if owner == "item" else "user", name)
        if token.kind in {"text", "number"}:
            self._place += 1
            is_text = token.kind == "text"
            return Literal(token.text[1:-1].replace("''", "'") if is_text else float(token.text))
        if word := self._take("true", "false"):
            return Literal(word == "true")
        raise self._wrong("an attribute or a value")
