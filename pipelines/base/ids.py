"""Ids and texts as every door of the product reads them: day files, `land` and the API."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

#: Longest id, in characters.
MAX_ID_LENGTH = 256
#: Characters cut from both ends of an id, as a class of Python's `re` and of RE2 alike: white
#: space of Unicode, zero-width space and byte-order mark.
TRIMMED = (
    r"[\t-\r\x1c-\x20\x85\xa0\x{1680}\x{2000}-\x{200b}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000}"
    r"\x{feff}]"
)
#: Characters that an id must not hold and that a title loses: control characters (C0, C1), and
#: those that start a line or turn the direction of writing.
CONTROLS = r"[\x00-\x1f\x7f-\x9f\x{2028}-\x{202e}\x{2066}-\x{2069}]"
#: Unicode noncharacter (U+FDD0, never used in interchange) that marks a byte that is not UTF-8.
BAD_BYTE = "\ufdd0"
#: Unicode noncharacter (U+FDD1) before the text of a list or an object where one value must be.
NESTED = "\ufdd1"


def _for_python(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\x\{([0-9a-f]{4})\}", r"\\u\1", pattern))


_TRIMMED = _for_python(f"^{TRIMMED}+|{TRIMMED}+$")
_CONTROLS = _for_python(CONTROLS)
#: What undecodable bytes become elsewhere, and our own marks.
_DAMAGE = frozenset("\ufffd" + BAD_BYTE + NESTED)


def clean_id(text: str) -> str:
    r"""Check an id and give its canonical form: NFC, without white space at its ends.

    Raises
    ------
    ValueError
        If it is empty or blank, longer than `MAX_ID_LENGTH`, or holds control characters,
        surrogates or bytes that were not UTF-8.

    Examples
    --------
    >>> clean_id(" cafe\u0301 ") == "caf\u00e9"
    True
    """
    if not text.isascii():
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise ValueError("must not hold control characters, holds a surrogate")
        text = unicodedata.normalize("NFC", text)
    text = _TRIMMED.sub("", text)
    if not text:
        raise ValueError("must not be empty")
    if len(text) > MAX_ID_LENGTH:
        raise ValueError(f"must have at most {MAX_ID_LENGTH} characters, has {len(text)}")
    if found := _CONTROLS.search(text):
        raise ValueError(f"must not hold control characters, holds U+{ord(found.group()):04X}")
    if not _DAMAGE.isdisjoint(text):
        raise ValueError("must be valid UTF-8")
    return text


def printable(text: str) -> str:
    r"""A text of a stranger's file as a terminal may show it; lines stay lines.

    Examples
    --------
    >>> printable("row 2: \x1b[31mred")
    'row 2: �[31mred'
    """
    return "\n".join(_CONTROLS.sub("\ufffd", line) for line in text.split("\n"))


def is_nobody(text: str, nobody: Collection[str]) -> bool:
    """Whether a text in the place of an id says that there is none, whatever its case.

    Parameters
    ----------
    text : str
        A clean id.
    nobody : collection of str
        `events.nobody`, such as ``null`` and ``(not set)``.
    """
    return text.casefold() in {one.casefold() for one in nobody}
