"""Who is asking: the attributes that rules read, and which items they allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from pipelines.base.settings_sections import PlacementSettings
from pipelines.rules.boosts import attributes_read, places_of_rows
from pipelines.rules.eligibility import Eligibility
from pipelines.serve.answer.list_store import ListStore

_eligibility = lru_cache(maxsize=256)(Eligibility)
_attributes_read = lru_cache(maxsize=256)(attributes_read)
#: Attributes that every publication has in its table of items.
_FIXED = ("title", "category", "price")


class Person:
    """One user, or nobody in particular, as the rules of a placement see them.

    Parameters
    ----------
    store : ListStore
    rules : PlacementSettings
    user_id : str or None
    given : mapping of str to str, float or bool
        What the request says. What the publication knows counts before it; consent needs both.
    """

    def __init__(
        self,
        store: ListStore,
        rules: PlacementSettings,
        user_id: str | None,
        given: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._rules = _eligibility(rules.eligible)
        self._boosts = rules.boosts
        boost_items, boost_users = _attributes_read(rules.boosts)
        self._item_names = {*self._rules.item_names, *boost_items}
        self._user_names = {*self._rules.user_names, *boost_users}
        self._attributes: dict[str, Any] = {}
        needs_consent = rules.personalise_without_consent is False
        if rules.eligible or rules.boosts or needs_consent:
            known = {} if user_id is None else store.get_person(user_id)
            self._attributes = {**given, **known}
            if given.get("consent") is False:
                self._attributes["consent"] = False
            if user_id is not None:
                self._attributes["user_id"] = user_id
        self.may_be_known = not needs_consent or self._attributes.get("consent") is True

    @property
    def is_described(self) -> bool:
        """Whether anything is known that a rule reads."""
        return any(self._attributes.get(name) is not None for name in self._user_names)

    def allowed(self, item_ids: Iterable[str]) -> set[str]:
        """The items that the conditions allow this person; each must be true."""
        wanted = list(dict.fromkeys(item_ids))
        if not self._rules.rules or not wanted:
            return set(wanted)
        rows = self._item_rows(wanted)
        mask = self._rules.allowed(rows, self._attributes).tolist()
        return {item_id for item_id, is_allowed in zip(wanted, mask, strict=True) if is_allowed}

    def places(self, item_ids: list[str]) -> np.ndarray:
        """Places that each item moves up for this person; attributes count only with consent."""
        user = self._attributes if self.may_be_known else {}
        return places_of_rows(self._boosts, self._item_rows(item_ids), user)

    def _item_rows(self, item_ids: list[str]) -> list[dict[str, Any]]:
        names = self._item_names
        rows: list[dict[str, Any]] = [{"item_id": item_id} for item_id in item_ids]
        if names & set(_FIXED):
            infos = self._store.get_items(item_ids)
            for row in rows:
                info = infos.get(row["item_id"])
                row.update({name: getattr(info, name, None) for name in _FIXED})
        if names - {"item_id", *_FIXED}:
            further = self._store.get_item_attributes(item_ids)
            return [{**row, **further.get(row["item_id"], {})} for row in rows]
        return rows
