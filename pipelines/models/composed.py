"""Recommenders made of other recommenders."""

from __future__ import annotations

from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.base.errors import SettingsError
from pipelines.models.base import Recommender
from pipelines.models.candidates import Spec, make_recommender
from pipelines.models.parameters import require

#: Allowed keys of a part; `weight` is read by recommenders that weigh their parts.
PART_KEYS = frozenset({"recommender", "params", "event_weights", "weight"})


class ComposedRecommender(Recommender, ABC):
    """Base of recommenders that fit others and combine what they list.

    A part is a specification without a name: ``{"recommender": key, "params": {...}}``, with
    `event_weights` where it has its own. Parts are fitted on the same history, each ranks over
    its own vocabulary, and their lists are read in the columns of the whole history.

    Attributes
    ----------
    parts_ : tuple of Recommender
        Fitted, in the order of `parts`.
    """

    parts: Sequence[Mapping[str, Any]]
    parts_: tuple[Recommender, ...]

    def make_parts(self) -> tuple[Recommender, ...]:
        """The recommenders of `parts`, not fitted.

        Raises
        ------
        SettingsError
            If there is no part, or one has an unknown key or parameter.
        UnknownRecommenderError
            If a part names an unknown recommender.
        """
        is_valid = isinstance(self.parts, Sequence) and len(self.parts) > 0
        require(is_valid, "parts", self.parts, "list at least one recommender")
        made = []
        for part in self.parts:
            if "recommender" not in part or (unknown := set(part) - PART_KEYS):
                raise SettingsError(
                    f"A part must have a `recommender` and only keys of {sorted(PART_KEYS)}. "
                    f"Got {sorted(part if 'recommender' not in part else unknown)}. "
                    "Correct `parts` in recsys.toml."
                )
            weights = part.get("event_weights", self.event_weights)
            made.append(
                make_recommender(
                    Spec("part", part["recommender"], dict(part.get("params", {})), weights)
                )
            )
        return tuple(made)
