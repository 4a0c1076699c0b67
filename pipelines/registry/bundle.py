"""What a placement's lists are made with, saved as a folder of data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.base.config import Settings
from pipelines.base.settings_sections import PlacementSettings
from pipelines.evaluate.inputs import planned_spec
from pipelines.features.interactions import Interactions
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.base import Recommender
from pipelines.models.candidates import fit_candidate
from pipelines.registry.histories import load_histories, save_histories
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import ListRules, make_list_rules
from pipelines.rules.place import (
    Labels,
    PlacedLists,
    make_labels,
    place,
    place_for_anyone,
    without_history,
)

#: Columns of the catalogue that lists need: what may be shown, and its title and category.
CATALOGUE_COLUMNS = [
    *("item_id", "title", "category", "price", "is_available", "is_in_feed", "attributes"),
]
#: File of a saved bundle with what a users feed said, if there is one.
USERS_FILE = "users.parquet"
#: Columns of `PlacementBundle.recommend`.
LIST_COLUMNS = ["user_id", "rank", "item_id", "score", "strategy", "reason"]


@dataclass(frozen=True)
class PlacementBundle:
    """Everything needed to turn a user id into a list.

    Parameters
    ----------
    recommender, fallback : Recommender
        The role's own recommender, and the one for users that it has no items for.
    history : Interactions
        Of every user known before the night.
    catalogue : DataFrame
        One row per item_id: `CATALOGUE_COLUMNS`.
    rules : PlacementSettings
        What may be shown.
    users : DataFrame or None
        One row per user_id of a users feed: attributes and consent.
    """

    recommender: Recommender
    fallback: Recommender
    history: Interactions
    catalogue: pd.DataFrame
    rules: PlacementSettings
    users: pd.DataFrame | None = None

    def recommend(self, user_ids: Sequence[str], k: int) -> pd.DataFrame:
        """Recommend lists to some users, known or not.

        Parameters
        ----------
        user_ids : sequence of str
            Answered in this order; a repeated id is answered once.
        k : int
            Longest list; at least 1.

        Returns
        -------
        DataFrame
            One row per user_id and rank: item_id, score, strategy, reason. Up to `list_length`
            ranks, it is the beginning of the list that the night publishes.
        """
        ids = np.array(list(dict.fromkeys(user_ids)), dtype=np.str_)
        position = pd.Index(self.history.user_ids).get_indexer(pd.Index(ids))
        known = self.history.select_users(position[position >= 0])
        exclude = placement_exclusion(self.rules, known, self.catalogue, self.users)
        length = max(k, self.rules.list_length)
        rules = self._list_rules
        own = place(self.recommender, self.fallback, known, length, rules=rules, exclude=exclude)
        strangers = without_history(self.history, ids[position < 0])
        others = place_for_anyone(
            self.fallback,
            self.history,
            strangers.user_ids,
            length,
            rules=rules,
            exclude=placement_exclusion(self.rules, strangers, self.catalogue, self.users),
        )
        frame = pd.concat(
            [
                _to_rows(own, make_labels(self.recommender, self.fallback)),
                _to_rows(others, make_labels(None, self.fallback)),
            ]
        )
        frame = frame[frame["rank"] <= k]
        asked = pd.Index(ids).get_indexer(pd.Index(frame["user_id"]))
        return frame.iloc[np.lexsort((frame["rank"], asked))].reset_index(drop=True)

    @cached_property
    def _list_rules(self) -> ListRules:
        return make_list_rules(self.rules, self.history, self.catalogue, self.users)


def _to_rows(lists: PlacedLists, labels: Labels) -> pd.DataFrame:
    """Frame of the lists, one row per user_id and rank."""
    user, column = np.nonzero(lists.items >= 0)
    label = labels.of_rows(lists)
    return pd.DataFrame(
        {
            "user_id": lists.user_ids[user],
            "rank": column + 1,
            "item_id": lists.item_ids[lists.items[user, column]],
            "score": lists.scores[user, column].astype(np.float64),
            "strategy": np.array(labels.strategies)[label],
            "reason": np.array(labels.reasons)[label],
        },
        columns=LIST_COLUMNS,
    )


def gather_placement(
    settings: Settings, as_of: date, placement: str, recommender: Recommender
) -> PlacementBundle:
    """Combine a fitted recommender with the fallback, histories, catalogue and rules of a night.

    Parameters
    ----------
    settings : Settings
    as_of : date
        Histories and catalogue are those known before this day.
    placement : str
    recommender : Recommender
        Fitted at `as_of`.
    """
    from pipelines.features.read import (
        read_catalogue,
        read_interactions,
        read_user_attributes,
    )

    history = read_interactions(settings, as_of, as_of)
    rules = settings.placements[placement]
    fallback = fit_candidate(planned_spec(settings, as_of, rules.fallback), history)
    catalogue = read_catalogue(settings, as_of, as_of).reindex(columns=CATALOGUE_COLUMNS)
    users = read_user_attributes(settings, as_of, as_of)
    known = None if users.empty else users
    return PlacementBundle(recommender, fallback, history, catalogue, rules, known)


def save_placement(
    settings: Settings,
    as_of: date,
    bundle: PlacementBundle,
    recommender_folder: Path,
    folder: Path,
) -> None:
    """Save a placement's bundle to a folder as plain data: npz, parquet and JSON.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night whose plan has the specification of the fallback.
    bundle : PlacementBundle
    recommender_folder : Path
        Where its recommender was saved; the folder is copied unchanged.
    folder : Path
        Created; must not exist.
    """
    shutil.copytree(recommender_folder, folder / "recommender")
    spec = planned_spec(settings, as_of, bundle.rules.fallback)
    save_recommender(bundle.fallback, spec, folder / "fallback")
    save_histories(bundle.history, folder / "histories.npz")
    bundle.catalogue.to_parquet(folder / "catalogue.parquet", index=False)
    if bundle.users is not None:
        bundle.users.to_parquet(folder / USERS_FILE, index=False)
    rules = json.dumps(bundle.rules.model_dump(mode="json"), indent=2)
    (folder / "placement.json").write_text(rules + "\n", encoding="utf-8")


def load_placement(folder: Path) -> PlacementBundle:
    """Load a placement that `save_placement` saved."""
    rules = json.loads((folder / "placement.json").read_text(encoding="utf-8"))
    return PlacementBundle(
        recommender=load_recommender(folder / "recommender"),
        fallback=load_recommender(folder / "fallback"),
        history=load_histories(folder / "histories.npz"),
        catalogue=pd.read_parquet(folder / "catalogue.parquet"),
        rules=PlacementSettings.model_validate(rules),
        users=pd.read_parquet(users) if (users := folder / USERS_FILE).exists() else None,
    )
