"""Attributes of items and users: those of every feed, and those that the settings declare."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

#: What an attribute is: text, a number, or yes or no.
Kind = Literal["text", "number", "flag"]
#: Attributes of every items feed that a rule may read.
ITEM_KINDS: dict[str, Kind] = {
    "item_id": "text",
    "title": "text",
    "category": "text",
    "price": "number",
}
#: Attributes of every users feed that a rule may read.
USER_KINDS: dict[str, Kind] = {
    "user_id": "text",
    "country": "text",
    "language": "text",
    "age": "number",
    "consent": "flag",
}
#: Names of other columns of the feeds, which no attribute may have.
_TAKEN = {"is_available", "is_in_feed", "valid_from", "landed_date", "attributes"}
_Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class AttributeSettings(BaseModel):
    """Further columns of the items feed and the users feed that are kept; all others are not."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    items: Mapping[_Name, Kind] = Field(default_factory=dict)
    """Column of the items feed to what it is: ``text``, ``number`` or ``flag``."""
    users: Mapping[_Name, Kind] = Field(default_factory=dict)
    """Column of the users feed to what it is."""

    @model_validator(mode="after")
    def _check_names(self) -> AttributeSettings:
        for feed, fixed in (("items", ITEM_KINDS), ("users", USER_KINDS)):
            if taken := sorted(set(getattr(self, feed)) & (_TAKEN | set(fixed))):
                raise ValueError(
                    f"`{feed}` must name further columns. Got {', '.join(taken)}, which the feed "
                    "has anyway. Leave them out"
                )
        return self

    def declared(self, feed: str) -> Mapping[str, Kind]:
        """Further columns of a feed; none for events."""
        return {"items": self.items, "users": self.users}.get(feed, {})

    @property
    def item_kinds(self) -> dict[str, Kind]:
        """Every attribute of items that a rule may read."""
        return {**ITEM_KINDS, **self.items}

    @property
    def user_kinds(self) -> dict[str, Kind]:
        """Every attribute of users that a rule may read."""
        return {**USER_KINDS, **self.users}
