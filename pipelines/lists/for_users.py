"""Top-N lists of one placement and variant for every user of the history."""

from __future__ import annotations

import logging
import time
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.config import Settings
from pipelines.base.durable import read_json, write_json
from pipelines.base.errors import NoChampionError, SettingsError
from pipelines.base.paths import ROLE_FILE
from pipelines.evaluate.inputs import planned_spec
from pipelines.experiments.definition import CONTROL
from pipelines.experiments.state import placement_experiment
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_catalogue, read_interactions, read_user_attributes
from pipelines.lists.exclusion_rows import write_exclusions
from pipelines.lists.for_anyone import list_for_anyone, lists_by_category, write_pool
from pipelines.lists.list_rows import (
    FALLBACK,
    ListWriter,
    to_table,
    write_tables,
)
from pipelines.models.artefacts import load_recommender
from pipelines.models.base import Exclusion
from pipelines.models.candidates import fit_candidate
from pipelines.rules.boosts import attributes_read
from pipelines.rules.eligibility import Eligibility
from pipelines.rules.eligible_groups import never_eligible
from pipelines.rules.exclusion import items_without_feed, placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import FALLBACK_LIST, NO_CONSENT, PlacedLists, place

logger = logging.getLogger(__name__)

#: Number of users ranked and written at once: one row group of the file.
BLOCK_USERS = 20_000


def generate_lists(settings: Settings, as_of: date, placement: str) -> dict[str, Any]:
    """Write a placement's lists: those of control, and of every arm of its experiment.

    Returns
    -------
    dict
        Counts of control; see `generate_variant`.

    Raises
    ------
    SettingsError
        If the placement does not exist.
    NoChampionError
        If a role has no saved model tonight.
    """
    experiment = placement_experiment(settings, as_of, placement)
    arms = [arm.name for arm in experiment.definition.arms[1:]] if experiment else []
    folder = settings.run_folder(as_of).lists / placement
    for path in sorted(folder.glob("*.parquet")):
        if path.stem not in {CONTROL, FALLBACK, *arms}:
            path.unlink()  # of an arm of an earlier run of the night
    summary = generate_variant(settings, as_of, placement, CONTROL)
    for arm in arms:
        generate_variant(settings, as_of, placement, arm)
    return summary


def generate_variant(
    settings: Settings, as_of: date, placement: str, variant: str
) -> dict[str, Any]:
    """Write `lists/<placement>/<variant>.parquet`, and the lists for people without a history.

    Parameters
    ----------
    as_of : date
        Histories end before this day.
    placement : str
        A placement of the settings.
    variant : str
        ``control`` for the champion's lists, else the name of a role: an arm of an experiment.

    Returns
    -------
    dict
        What `lists/<placement>/<variant>.json` holds: counts of users, rows, short lists and
        rows by strategy, and the users for whom nothing may be shown.

    Raises
    ------
    SettingsError
        If the placement does not exist or the variant is named ``fallback``.
    NoChampionError
        If the role has no saved model tonight.

    Notes
    -----
    The file is sorted by user_id and rank, one row group per `BLOCK_USERS` users, and has the
    same bytes on every run. Users for whom the recommender has nothing get the list of the
    placement's `fallback` candidate, fitted at `as_of`; lists that end early are completed from
    it. `strategy` and `reason` say so in each such row. `place` makes both kinds of list, by the
    placement's rules.
    """
    _check_names(settings, placement, variant)
    writer, history, exclude = prepare_lists(settings, as_of, placement, variant)
    run = settings.run_folder(as_of)
    summary = _write_users(run.variant(placement, variant), writer, history, exclude)
    anyone = list_for_anyone(writer, history, exclude)
    catalogue = read_catalogue(settings, as_of, as_of)
    by_category = lists_by_category(writer, history, exclude, catalogue)
    write_tables(run.variant(placement, FALLBACK), [anyone, by_category])
    rules = settings.placements[placement]
    never = None
    if Eligibility(rules.eligible).user_names or attributes_read(rules.boosts)[1]:
        never = never_eligible(rules.eligible, history.item_ids, catalogue)
    write_pool(run.pool(placement), writer, history, exclude, never)
    without_feed = items_without_feed(history.item_ids, catalogue, rules.show_items_without_feed)
    write_exclusions(settings, as_of, placement, history, exclude, without_feed=without_feed)
    summary |= {"fallback_rows": anyone.num_rows, "as_of": as_of.isoformat()}
    write_json(run.variant(placement, variant).with_suffix(".json"), summary)
    return summary


def _check_names(settings: Settings, placement: str, variant: str) -> None:
    if placement not in settings.placements:
        raise SettingsError(
            f"A placement must be listed in recsys.toml. Got {placement!r}. "
            f"Known: {', '.join(sorted(settings.placements))}."
        )
    if variant == FALLBACK:
        raise SettingsError(
            f"A variant must not be named {FALLBACK!r}. That name is the list for people the "
            "night does not know. Choose another."
        )


def prepare_lists(
    settings: Settings, as_of: date, placement: str, variant: str = CONTROL
) -> tuple[ListWriter, Interactions, Exclusion]:
    """Load what a placement's lists are made of: saved recommender, histories, and exclusions.

    Raises
    ------
    NoChampionError
        If the role has no saved model tonight.
    MissingSnapshotError
        If the night has no snapshot.
    """
    role = "champion" if variant == CONTROL else variant
    models = settings.run_folder(as_of).role(placement, role)
    if not (models / ROLE_FILE).exists():
        raise NoChampionError(
            f"Lists of {placement}/{variant} need a fitted {role}. Found no {models}. "
            f"Run `recsys gate --as-of {as_of}` first."
        )
    rules = settings.placements[placement]
    history = read_interactions(settings, as_of, as_of)
    catalogue = read_catalogue(settings, as_of, as_of)
    users = read_user_attributes(settings, as_of, as_of)
    exclude = placement_exclusion(rules, history, catalogue, users)
    writer = ListWriter(
        placement,
        variant,
        as_of,
        rules.list_length,
        read_json(models / ROLE_FILE)["model_version"],
        load_recommender(models),
        fit_candidate(planned_spec(settings, as_of, rules.fallback), history),
        make_list_rules(rules, history, catalogue, users),
    )
    return writer, history, exclude


def _write_users(
    path: Path, writer: ListWriter, history: Interactions, exclude: Exclusion
) -> dict[str, Any]:
    """Rank and write users block by block; return the counts."""
    started = time.monotonic()
    counts: dict[str, Any] = {"rows": 0, "short_lists": 0, "fallback_lists": 0}
    strategies: dict[str, int] = {}
    without: list[str] = []

    def blocks() -> Any:
        for start in range(0, max(history.n_users, 1), BLOCK_USERS):
            positions = slice(start, start + BLOCK_USERS)
            lists = rank_users(writer, history, exclude, positions)
            is_listed = lists.items >= 0
            table = to_table(writer, lists)
            counts["rows"] += table.num_rows
            counts["short_lists"] += int((~is_listed.all(axis=1)).sum())
            is_fallback = is_listed & np.isin(lists.source, (FALLBACK_LIST, NO_CONSENT))
            counts["fallback_lists"] += int(is_fallback.any(axis=1).sum())
            without.extend(lists.user_ids[~is_listed.any(axis=1)].tolist())
            for entry in table["strategy"].value_counts().to_pylist():
                strategies[entry["values"]] = strategies.get(entry["values"], 0) + entry["counts"]
            done = min(start + BLOCK_USERS, history.n_users)
            logger.info(
                "%s/%s: lists of %s of %s users, %.1f s",
                *(writer.placement, writer.variant, done, history.n_users),
                time.monotonic() - started,
            )
            yield table

    write_tables(path, blocks())
    return {
        "placement": writer.placement,
        "variant": writer.variant,
        "model_version": writer.model_version,
        "list_length": writer.list_length,
        "users": history.n_users,
        "users_without_items": without,
        "strategies": dict(sorted(strategies.items())),
        **counts,
    }


def rank_users(
    writer: ListWriter, history: Interactions, exclude: Exclusion, positions: slice
) -> PlacedLists:
    """Make the lists of some users of the history, completed where they are short."""
    return place(
        writer.recommender,
        writer.fallback,
        history.select_users(positions),
        writer.list_length,
        rules=writer.rules,
        exclude=exclude.select_users(positions),
    )
