"""A placement as it is served: recommender, fallback, histories and rules in one folder of data."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from pipelines.config import Settings
from pipelines.features.interactions import Interactions
from pipelines.models import fit_candidate, load_recommender, save_recommender
from pipelines.models.base import Exclusion, Recommender, TopN
from pipelines.models.exclusion import placement_exclusion
from pipelines.models.list_rules import ListRules, make_list_rules
from pipelines.models.pins import PINNED, PINNED_REASON, insert_pins
from pipelines.offline.inputs import planned_spec
from pipelines.promote.histories import load_histories, save_histories
from pipelines.settings_sections import PlacementSettings

#: Columns of the catalogue that serving needs: what may be shown, and how it is called.
CATALOGUE_COLUMNS = ["item_id", "title", "category", "is_available"]
#: Columns of `ServedPlacement.recommend`.
LIST_COLUMNS = ["user_id", "rank", "item_id", "score", "strategy", "reason"]
FALLBACK_REASON = "fallback: no history to learn from"


@dataclass(frozen=True)
class ServedPlacement:
    """Everything that turns a user id into a list.

    Parameters
    ----------
    recommender, fallback : Recommender
        The role's own, and who answers for users it has nothing for.
    history : Interactions
        Of every user known before the night.
    catalogue : DataFrame
        One row per item_id: title, category and is_available.
    rules : PlacementSettings
        What may be shown.
    """

    recommender: Recommender
    fallback: Recommender
    history: Interactions
    catalogue: pd.DataFrame
    rules: PlacementSettings

    def recommend(self, user_ids: Sequence[str], k: int) -> pd.DataFrame:
        """Lists of some users, known or not.

        Parameters
        ----------
        user_ids : sequence of str
            Answered in this order; a repeated id is answered once.
        k : int
            Longest list; at least 1.

        Returns
        -------
        DataFrame
            One row per user_id and rank: item_id, score, strategy, reason. Whoever the
            recommender has nothing for gets the fallback's list, and `reason` says so.
        """
        ids = np.array(list(dict.fromkeys(user_ids)), dtype=np.str_)
        asked = self._histories_of(ids)
        rule = self._exclusion(asked)
        own = self._rank(self.recommender, asked, k, rule)
        without = np.flatnonzero((own.items < 0).all(axis=1))
        pairs = None if rule.pairs is None else rule.pairs[without]
        spare_rule = Exclusion(pairs, rule.items)
        spare = self._rank(self.fallback, asked.select_users(without), k, spare_rule)
        frame = pd.concat(
            [
                self._rows(own, rule, self.recommender.strategy, self.recommender.reason),
                self._rows(spare, spare_rule, self.fallback.strategy, FALLBACK_REASON),
            ],
            ignore_index=True,
        )
        place = pd.Index(ids).get_indexer(pd.Index(frame["user_id"]))
        order = np.lexsort((frame["rank"], place))
        return frame.iloc[order].reset_index(drop=True)

    @cached_property
    def _list_rules(self) -> ListRules:
        return make_list_rules(self.rules, self.history, self.catalogue)

    def _rank(self, recommender: Recommender, asked: Interactions, k: int, rule: Exclusion) -> TopN:
        """Lists by every rule but the pins, over the items of the history."""
        rules = self._list_rules
        fetched = recommender.recommend(asked, rules.fetch_length(k), exclude=rule)
        return rules.reorder(fetched, k)

    def _rows(self, lists: TopN, rule: Exclusion, strategy: str, reason: str) -> pd.DataFrame:
        """One row per user_id and rank, pinned items among them."""
        pins = self._list_rules.pins_of(lists.item_ids)
        exclude = rule.with_items(self.history.item_ids, lists.item_ids)
        pinned = insert_pins(lists.items, lists.scores, pins, exclude)
        user, column = np.nonzero(pinned.items >= 0)
        is_pinned = pinned.is_pinned[user, column]
        return pd.DataFrame(
            {
                "user_id": lists.user_ids[user],
                "rank": column + 1,
                "item_id": lists.item_ids[pinned.items[user, column]],
                "score": pinned.scores[user, column].astype(np.float64),
                "strategy": np.where(is_pinned, PINNED, strategy),
                "reason": np.where(is_pinned, PINNED_REASON, reason),
            },
            columns=LIST_COLUMNS,
        )

    def _histories_of(self, asked: np.ndarray) -> Interactions:
        """Histories of the ids asked for, unknown users last and without rows."""
        position = pd.Index(self.history.user_ids).get_indexer(pd.Index(asked))
        known = self.history.select_users(position[position >= 0])
        return replace(known, user_ids=np.concatenate([known.user_ids, asked[position < 0]]))

    def _exclusion(self, asked: Interactions) -> Exclusion:
        """The placement's rule; items of no feed are kept from everybody."""
        rule = placement_exclusion(self.rules, asked, self.catalogue)
        banned = ~np.isin(asked.item_ids, self.catalogue["item_id"].to_numpy(dtype=np.str_))
        if rule.items is not None:
            banned = banned | rule.items
        return replace(rule, items=banned)


def gather_placement(
    settings: Settings, as_of: date, placement: str, recommender: Recommender
) -> ServedPlacement:
    """Put a fitted recommender together with what it is served with on a night.

    Parameters
    ----------
    settings : Settings
    as_of : date
        Histories end, and the catalogue is known, before this day.
    placement : str
    recommender : Recommender
        Fitted at `as_of`.
    """
    from pipelines.features import read_catalogue, read_interactions

    history = read_interactions(settings, as_of, as_of)
    rules = settings.placements[placement]
    fallback = fit_candidate(planned_spec(settings, as_of, rules.fallback), history)
    catalogue = read_catalogue(settings, as_of, as_of)[CATALOGUE_COLUMNS]
    return ServedPlacement(recommender, fallback, history, catalogue, rules)


def save_placement(
    settings: Settings,
    as_of: date,
    served: ServedPlacement,
    recommender_folder: Path,
    folder: Path,
) -> None:
    """Write a placement as data: npz, parquet and JSON.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night whose plan says what the fallback is.
    served : ServedPlacement
    recommender_folder : Path
        Where its recommender was saved; copied as it is.
    folder : Path
        Made; must not exist.
    """
    shutil.copytree(recommender_folder, folder / "recommender")
    spec = planned_spec(settings, as_of, served.rules.fallback)
    save_recommender(served.fallback, spec, folder / "fallback")
    save_histories(served.history, folder / "histories.npz")
    served.catalogue.to_parquet(folder / "catalogue.parquet", index=False)
    rules = json.dumps(served.rules.model_dump(mode="json"), indent=2)
    (folder / "placement.json").write_text(rules + "\n", encoding="utf-8")


def load_placement(folder: Path) -> ServedPlacement:
    """Read what `save_placement` wrote."""
    rules = json.loads((folder / "placement.json").read_text(encoding="utf-8"))
    return ServedPlacement(
        recommender=load_recommender(folder / "recommender"),
        fallback=load_recommender(folder / "fallback"),
        history=load_histories(folder / "histories.npz"),
        catalogue=pd.read_parquet(folder / "catalogue.parquet"),
        rules=PlacementSettings.model_validate(rules),
    )
