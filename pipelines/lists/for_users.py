"""Top-N lists of one placement and variant for every user of the history."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipelines.base.blocks import block_workers
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
from pipelines.lists.list_counts import ListCounts
from pipelines.lists.list_rows import FALLBACK, ListWriter, to_table, write_tables
from pipelines.models.artefacts import load_recommender
from pipelines.models.base import Exclusion
from pipelines.models.candidates import fit_candidate
from pipelines.rules import block_lists
from pipelines.rules.block_lists import ListInputs, Origin, make_in_blocks
from pipelines.rules.boosts import attributes_read
from pipelines.rules.eligibility import Eligibility
from pipelines.rules.eligible_groups import never_eligible
from pipelines.rules.exclusion import items_without_feed, placement_exclusion
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import PlacedLists

logger = logging.getLogger(__name__)


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
    with block_workers(settings):
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
    The file is sorted by user_id and rank, one row group per block of users, and has the
    same bytes on every run. Users for whom the recommender has nothing get the list of the
    placement's `fallback` candidate, fitted at `as_of`; lists that end early are completed from
    it. `strategy` and `reason` say so in each such row. `place` makes both kinds of list, by the
    placement's rules. With ``engine = "spark"`` executors make the blocks of users, and this
    process joins them.
    """
    _check_names(settings, placement, variant)
    writer, history, exclude = prepare_lists(settings, as_of, placement, variant)
    run = settings.run_folder(as_of)
    inputs = _inputs(writer, history, exclude)
    origin = Origin(
        *(settings, as_of, as_of, placement),
        recommender=run.role(placement, _role(variant)),
        fallback=planned_spec(settings, as_of, settings.placements[placement].fallback),
    )
    summary = _write_users(run.variant(placement, variant), writer, inputs, origin)
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
    role = _role(variant)
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


def _role(variant: str) -> str:
    return "champion" if variant == CONTROL else variant


def rank_users(
    writer: ListWriter, history: Interactions, exclude: Exclusion, positions: slice
) -> PlacedLists:
    """Make the lists of some users of the history, completed where they are short."""
    return _inputs(writer, history, exclude).of(positions).place(writer.list_length)


def _inputs(writer: ListWriter, history: Interactions, exclude: Exclusion) -> ListInputs:
    return ListInputs(writer.recommender, writer.fallback, history, exclude, writer.rules)


def _write_users(
    path: Path, writer: ListWriter, inputs: ListInputs, origin: Origin
) -> dict[str, Any]:
    """Rank and write users block by block; return the counts."""
    started = time.monotonic()
    user_ids = inputs.history.user_ids
    counts = ListCounts(writer)
    make = partial(
        _make_rows,
        placement=writer.placement,
        variant=writer.variant,
        as_of=writer.as_of,
        list_length=writer.list_length,
        model_version=writer.model_version,
    )

    def blocks() -> Iterator[pa.Table]:
        done = 0
        for table in make_in_blocks(inputs, make, origin):
            block = user_ids[done : done + block_lists.BLOCK_USERS]
            counts.add(table, block)
            done += len(block)
            logger.info(
                "%s/%s: lists of %s of %s users, %.1f s",
                *(writer.placement, writer.variant, done, len(user_ids)),
                time.monotonic() - started,
            )
            yield table

    write_tables(path, blocks())
    return {
        "placement": writer.placement,
        "variant": writer.variant,
        "model_version": writer.model_version,
        "list_length": writer.list_length,
        "users": len(user_ids),
        **counts.summary(),
    }


def _make_rows(inputs: ListInputs, users: slice, *, list_length: int, **names: Any) -> pa.Table:
    """Rows of the lists of a block of users; `names` are the other names that all rows share."""
    writer = ListWriter(
        list_length=list_length,
        recommender=inputs.recommender,
        fallback=inputs.fallback or inputs.recommender,
        rules=inputs.rules,
        **names,
    )
    return to_table(writer, inputs.place(list_length))
