"""All recommenders by key, and how a specification becomes a fitted recommender.

A new recommender is one file and one line in `RECOMMENDERS`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib import import_module
from typing import Any

from pipelines.base.config import Settings, stable_hash
from pipelines.base.errors import SettingsError, UnknownRecommenderError
from pipelines.base.event_meaning import counted_weights
from pipelines.base.settings_sections import CandidateSettings
from pipelines.features.interactions import Interactions
from pipelines.models.base import Recommender
from pipelines.models.specifications import entry_at, read_entries

logger = logging.getLogger(__name__)

#: Class of each recommender as ``module:Class``, imported when it is first used.
RECOMMENDERS: dict[str, str] = {
    "popularity": "pipelines.models.popularity:Popularity",
    "personal_frequency": "pipelines.models.personal_frequency:PersonalFrequency",
    "personal_recency": "pipelines.models.personal_recency:PersonalRecency",
    "item_knn": "pipelines.models.item_knn:ItemKNN",
    "rp3beta": "pipelines.models.rp3beta:RP3Beta",
    "link_propagation": "pipelines.models.link_propagation:LinkPropagation",
    "graph_filter": "pipelines.models.graph_filter:GraphFilter",
    "ease": "pipelines.models.ease:Ease",
    "pure_svd": "pipelines.models.pure_svd:PureSVD",
    "ials": "pipelines.models.ials:IALS",
    "segment_popularity": "pipelines.models.segment_popularity:SegmentPopularity",
    "item_content": "pipelines.models.item_content:ItemContent",
    "item_rules": "pipelines.models.item_rules:ItemRules",
    "item_transitions": "pipelines.models.item_transitions:ItemTransitions",
    "user_knn": "pipelines.models.user_knn:UserKNN",
    "blend": "pipelines.models.blend:Blend",
    "ranker": "pipelines.models.ranker.two_stage:TwoStageRanker",
}


@dataclass(frozen=True)
class Spec:
    """A specification: all that decides what a recommender learns from given rows.

    Parameters
    ----------
    name : str
        The candidate's name; not part of what is specified.
    recommender : str
        Key of `RECOMMENDERS`.
    params : mapping of str to object
        Hyperparameters that differ from the defaults.
    event_weights : mapping of str to float
        Weight of one event of a type.
    """

    name: str
    recommender: str
    params: Mapping[str, Any]
    event_weights: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Everything but the name, as plain JSON values."""
        return {
            "recommender": self.recommender,
            "params": dict(self.params),
            "event_weights": dict(self.event_weights),
        }

    @property
    def spec_hash(self) -> str:
        """Twelve hex digits, equal for equal specifications whatever their names."""
        return stable_hash(self.as_dict())

    @classmethod
    def from_dict(cls, name: str, values: Mapping[str, Any]) -> Spec:
        """Read back what `as_dict` wrote.

        Raises
        ------
        SettingsError
            If a part is missing or unknown.
        """
        parts = {"recommender", "params", "event_weights"}
        if set(values) != parts:
            raise SettingsError(
                f"A specification must have exactly {sorted(parts)}. Got {sorted(values)}. "
                "Write it with Spec.as_dict."
            )
        return cls(name, values["recommender"], values["params"], values["event_weights"])


def candidate_spec(
    settings: Settings, candidate: CandidateSettings, as_of: date | None = None
) -> Spec:
    """Specification of a candidate, its event weights resolved.

    Parameters
    ----------
    settings : Settings
        `events.weights` hold where the candidate has none of its own; `events.below_min_value`
        says what low events weigh.
    as_of : date, optional
        Night for which the specification is asked: what `recsys tune` found by then wins over the
        settings, unless the candidate says `tuned = false`. Default: the settings as they are.
    """
    own = candidate.event_weights
    weights = counted_weights(settings.events, settings.events.weights if own is None else own)
    base = Spec(candidate.name, candidate.recommender, dict(candidate.params), weights)
    if as_of is None or not candidate.tuned:
        return base
    entry = entry_at(read_entries(settings, candidate.name), base.spec_hash, as_of)
    return base if entry is None else Spec.from_dict(candidate.name, entry["spec"])


def recommender_class(key: str) -> type[Recommender]:
    """The class that a key of `RECOMMENDERS` names."""
    module, _, name = RECOMMENDERS[key].partition(":")
    found: type[Recommender] = getattr(import_module(module), name)
    return found


def parameter_names(key: str) -> set[str]:
    """Hyperparameters that a recommender's specification may set, except its event weights."""
    return set(recommender_class(key)().get_params()) - {"event_weights"}


def make_recommender(spec: Spec) -> Recommender:
    """Build the unfitted recommender of a specification.

    Raises
    ------
    UnknownRecommenderError
        If no recommender has this key.
    SettingsError
        If a parameter is not one of the recommender's.
    """
    if spec.recommender not in RECOMMENDERS:
        raise UnknownRecommenderError(
            f"The recommender of candidate {spec.name!r} must be one of "
            f"{sorted(RECOMMENDERS)}. Got {spec.recommender!r}. Correct it in recsys.toml."
        )
    known = parameter_names(spec.recommender)
    if unknown := sorted(set(spec.params) - known):
        raise SettingsError(
            f"Parameters of candidate {spec.name!r} must be among {sorted(known)}. "
            f"Got {unknown}. Correct its `params` in recsys.toml."
        )
    cls = recommender_class(spec.recommender)
    return cls(**spec.params, event_weights=dict(spec.event_weights))


def fit_candidate(spec: Spec, history: Interactions) -> Recommender:
    """Build the recommender of a specification and fit it.

    Parameters
    ----------
    history : Interactions
        Everything known before a cutoff.

    Returns
    -------
    Recommender
        Fitted.

    Raises
    ------
    UnknownRecommenderError, SettingsError
        If the specification names an unknown recommender or parameter, or a value is out of
        range.
    InvalidHistoryError
        If the history has no items.
    """
    recommender = make_recommender(spec)
    started = time.monotonic()
    recommender.fit(history)
    logger.info(
        "fitted %s (%s) on %d rows of %d users and %d items before %s in %.1f s",
        spec.name,
        spec.spec_hash,
        len(history.user),
        history.n_users,
        history.n_items,
        history.cutoff,
        time.monotonic() - started,
    )
    return recommender
