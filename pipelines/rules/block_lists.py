"""Make the lists of many users block by block: here, or on the executors of Spark.

A block is as large and has the same users wherever it is worked on, so every list is the same: the
last bit of a score may depend on who is ranked at the same time.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipelines.base.blocks import Work, block_workers
from pipelines.base.config import Settings
from pipelines.base.durable import new_file
from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.features.read import (
    read_catalogue,
    read_histories_of,
    read_user_attributes,
    read_vocabulary,
)
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.candidates import Spec
from pipelines.rules.eligible_groups import needs_consent
from pipelines.rules.exclusion import placement_exclusion
from pipelines.rules.list_rules import ListRules, make_list_rules
from pipelines.rules.place import PlacedLists, place
from pipelines.rules.rerank import Similarity

#: Users whose lists are made at once.
BLOCK_USERS = 20_000
#: Arrays that executors read by path, from files of these names.
USERS_FILE, ITEMS_FILE = "user_ids.npy", "item_ids.npy"
SIMILAR_KEYS_FILE, SIMILAR_VALUES_FILE = "similar_keys.npy", "similar_values.npy"


@dataclass(frozen=True)
class ListInputs:
    """Everything that the lists of some users are made of.

    Parameters
    ----------
    recommender : Recommender
        Fitted; makes the lists.
    fallback : Recommender or None
        Fitted; completes them.
    history : Interactions
        Of the users.
    exclude : Exclusion
        In the rows and columns of `history`.
    rules : ListRules
        The placement's rules on a list as a whole.
    """

    recommender: Recommender
    fallback: Recommender | None
    history: Interactions
    exclude: Exclusion
    rules: ListRules

    def of(self, positions: slice) -> ListInputs:
        """Inputs of the lists of some of the users."""
        return replace(
            self,
            history=self.history.select_users(positions),
            exclude=self.exclude.select_users(positions),
        )

    def place(self, k: int) -> PlacedLists:
        """Make a list of at most `k` items for each user."""
        return place(
            self.recommender,
            self.fallback,
            self.history,
            k,
            rules=self.rules,
            exclude=self.exclude,
        )


@dataclass(frozen=True)
class Origin:
    """Where the inputs of lists come from, for processes that read them again.

    Parameters
    ----------
    settings : Settings
    as_of, cutoff : date
        The night whose snapshot has the histories, and the cutoff that knew them.
    placement : str
        Its rules are those of the lists.
    recommender : Path or Spec
        The folder in which it is saved, or what it was made from.
    fallback : Spec, optional
        What it was made from, where there is one.
    """

    settings: Settings
    as_of: date
    cutoff: date
    placement: str
    recommender: Path | Spec
    fallback: Spec | None = None


#: Makes a block's result from the inputs of its users; the slice says which users they are.
MakeBlock = Callable[[ListInputs, slice], pa.Table]


def make_in_blocks(
    inputs: ListInputs, make: MakeBlock, origin: Origin | None = None
) -> Iterator[pa.Table]:
    """Make something of the lists of all users, block by block, in the order of the users.

    Parameters
    ----------
    inputs : ListInputs
        Of all users.
    make : callable
        A function of a module, or a partial of one: executors import it by its name.
    origin : Origin, optional
        Where Spark's executors find the same inputs. Without it, with another engine and where
        all users are one block, the blocks are made here, one after the other.

    Raises
    ------
    BlockWorkError
        If Spark could not end the work.
    """
    count = inputs.history.n_users
    blocks = [
        slice(start, min(start + BLOCK_USERS, count))
        for start in range(0, max(count, 1), BLOCK_USERS)
    ]
    if origin is None or origin.settings.engine != "spark" or len(blocks) == 1:
        for block in blocks:
            yield make(inputs.of(block), block)
        return
    folder = _handed_over(origin)
    shutil.rmtree(folder, ignore_errors=True)  # what a night that was killed left
    own = folder / str(os.getpid())  # its last tasks may still write, where nobody looks
    try:
        stored = _hand_over(inputs, origin, own)
        with block_workers(origin.settings) as workers:
            if workers is not None:
                yield from workers.map(partial(_open, stored, make), blocks, own / "parts")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _handed_over(origin: Origin) -> Path:
    """Folder of what goes between here and executors for one placement and recommender."""
    night = origin.settings.spark_folder / "blocks" / origin.as_of.isoformat()
    return night / f"{origin.placement}-{origin.cutoff.isoformat()}-{origin.recommender.name}"


@dataclass(frozen=True)
class _StoredInputs:
    """Inputs of lists in files, small enough to be sent to every task.

    Parameters
    ----------
    settings : Settings
        Home and events only.
    as_of, cutoff : date
    rules : PlacementSettings
        They say of consent what follows from all users.
    recommender : Path
    fallback : Path or None
    event_types : tuple of str
    folder : Path
        Of the ids of users and items, and of similarities.
    """

    settings: Settings
    as_of: date
    cutoff: date
    rules: PlacementSettings
    recommender: Path
    fallback: Path | None
    event_types: tuple[str, ...]
    folder: Path


def _hand_over(inputs: ListInputs, origin: Origin, folder: Path) -> _StoredInputs:
    """Write what executors read."""
    settings, rules = origin.settings, origin.settings.placements[origin.placement]
    _save(folder / USERS_FILE, inputs.history.user_ids)
    _save(folder / ITEMS_FILE, inputs.history.item_ids)
    if (similarity := inputs.rules.similarity) is not None:
        _save(folder / SIMILAR_KEYS_FILE, similarity.keys)
        _save(folder / SIMILAR_VALUES_FILE, similarity.values)
    people = read_user_attributes(settings, origin.as_of, origin.cutoff)
    consent = {"personalise_without_consent": not needs_consent(rules, people)}
    fallback = None
    if inputs.fallback is not None and origin.fallback is not None:
        fallback = _saved(inputs.fallback, origin.fallback, folder / "fallback")
    return _StoredInputs(
        # what reads a snapshot, and no more: settings may hold secrets, and tasks cross a network
        Settings(home=settings.home, events=settings.events),
        origin.as_of,
        origin.cutoff,
        rules.model_copy(update=consent),
        _saved(inputs.recommender, origin.recommender, folder / "recommender"),
        fallback,
        inputs.history.event_types,
        folder,
    )


def _save(path: Path, array: np.ndarray) -> None:
    with new_file(path) as fresh, fresh.open("wb") as out:
        np.save(out, array, allow_pickle=False)


def _saved(recommender: Recommender, source: Path | Spec, folder: Path) -> Path:
    if isinstance(source, Path):
        return source
    save_recommender(recommender, source, folder)
    return folder


def _open(stored: _StoredInputs, make: MakeBlock) -> Work:
    """Read what all blocks share; then each block's users are read from the snapshot."""
    settings, night, cutoff = stored.settings, stored.as_of, stored.cutoff
    all_users = np.load(stored.folder / USERS_FILE, mmap_mode="r")
    item_ids = np.load(stored.folder / ITEMS_FILE, mmap_mode="r")
    nobody = read_vocabulary(settings, night, cutoff, np.asarray(item_ids), stored.event_types)
    catalogue = read_catalogue(settings, night, cutoff)
    recommender = load_recommender(stored.recommender, mapped=True)
    fallback = None if stored.fallback is None else load_recommender(stored.fallback, mapped=True)
    similarity = _open_similarity(stored.folder, nobody.n_items)
    shared = make_list_rules(stored.rules, nobody, catalogue, similarity=similarity)

    def work(block: slice) -> pa.Table:
        user_ids = np.array(all_users[block])
        history = read_histories_of(settings, night, user_ids, nobody)
        people = read_user_attributes(settings, night, cutoff, user_ids=user_ids)
        exclude = placement_exclusion(stored.rules, history, catalogue, people)
        rules = shared
        if stored.rules.boosts:  # they may read the user
            rules = make_list_rules(stored.rules, history, catalogue, people, similarity=similarity)
        return make(ListInputs(recommender, fallback, history, exclude, rules), block)

    return work


def _open_similarity(folder: Path, n_items: int) -> Similarity | None:
    if not (folder / SIMILAR_KEYS_FILE).exists():
        return None
    keys, values = (
        np.load(folder / name, mmap_mode="r") for name in (SIMILAR_KEYS_FILE, SIMILAR_VALUES_FILE)
    )
    return Similarity(np.asarray(keys), np.asarray(values), n_items)
