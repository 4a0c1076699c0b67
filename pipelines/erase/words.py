"""One user's id as it may stand in texts and bytes, and how it is taken out of them."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

#: What stands in a text in place of an id.
REDACTED = "[erased]"
#: Ids at least this long, and not of digits only, do not occur by chance inside other words.
DISTINCT_LENGTH = 8
#: Fields, columns and arrays with ids of items.
ITEM_FIELDS = frozenset({"item_id", "items", "item_ids", "item_ids_", "payload"})


@dataclass(frozen=True)
class UserWords:
    """How a user's id is recognised.

    A distinct id (8 characters or more, not only digits) is found wherever its bytes are. Any other
    is found as a word of its own, so that user ``17841`` is not found in the price ``178410``.
    """

    user_id: str

    @property
    def is_distinct(self) -> bool:
        """Whether the id cannot be part of another word by chance."""
        return len(self.user_id) >= DISTINCT_LENGTH and not self.user_id.isdigit()

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """The id in each form of Unicode: as given, composed (NFC), decomposed (NFD)."""
        normal = (unicodedata.normalize(form, self.user_id) for form in ("NFC", "NFD"))
        return tuple(dict.fromkeys((self.user_id, *normal)))

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The id in each form as it stands, and as JSON, HTML and addresses escape it."""
        found = [
            spelling
            for form in self.forms
            for spelling in (
                form,
                json.dumps(form)[1:-1],
                json.dumps(form, ensure_ascii=False)[1:-1],
                html.escape(form),
                quote(form, safe=""),
            )
        ]
        return tuple(dict.fromkeys(found))

    @cached_property
    def text_pattern(self) -> re.Pattern[str]:
        """Matches every spelling in a text."""
        return re.compile("|".join(self._bounded(re.escape(one)) for one in self.spellings))

    @cached_property
    def byte_pattern(self) -> re.Pattern[bytes]:
        """Matches every spelling in UTF-8, and a distinct id also in UTF-16 and UTF-32."""
        narrow = [self._bounded(re.escape(one)).encode() for one in self.spellings]
        wide = [
            re.escape(form.encode(encoding))
            for form in self.forms
            for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
        ]
        return re.compile(b"|".join(narrow + (wide if self.is_distinct else [])))

    def may_be_item(self, field: str) -> bool:
        """Whether a field holds ids of items, which may equal a user's short id."""
        return not self.is_distinct and field in ITEM_FIELDS

    def is_in(self, text: str) -> bool:
        """Whether a text names the user."""
        return self.text_pattern.search(text) is not None

    def redact(self, text: str) -> str:
        """The text without the id."""
        return self.text_pattern.sub(REDACTED, text)

    def redact_json(self, value: Any) -> Any:
        """The JSON value without the id in its strings; numbers are no ids and stay."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, list):
            return [self.redact_json(one) for one in value]
        if isinstance(value, dict):
            return {
                self.redact(key): one if self.may_be_item(key) else self.redact_json(one)
                for key, one in value.items()
            }
        return value

    def _bounded(self, pattern: str) -> str:
        if self.is_distinct:
            return pattern
        return rf"(?<![0-9A-Za-z_@.-]){pattern}(?![0-9A-Za-z_@-])"
