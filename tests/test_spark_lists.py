"""Lists and evaluations that Spark's executors make: the same as those of one machine."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from pipelines.base import blocks
from pipelines.base.blocks import Work, block_workers
from pipelines.base.config import Settings, load_settings
from pipelines.base.durable import write_json
from pipelines.base.errors import BlockWorkError
from pipelines.base.paths import ROLE_FILE
from pipelines.base.settings_sections import CandidateSettings, PinSettings, SparkSettings
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.evaluate.held_out import Scored, read_held_out, score_recommender
from pipelines.features.read import read_interactions
from pipelines.lists.for_users import generate_lists
from pipelines.models.artefacts import save_recommender
from pipelines.models.candidates import RECOMMENDERS, candidate_spec, fit_candidate
from pipelines.rules import block_lists
from pipelines.rules.block_lists import Origin
from tests.conftest import SHOP_SETTINGS, shop_night
from tests.models.test_base import PARAMS
from tests.spark_cluster import SMALL, on_spark

pytestmark = [pytest.mark.xdist_group("spark"), pytest.mark.slow]

NIGHT = shop_night(10)
#: 160 users are eight blocks.
BLOCK_USERS = 20
EVERY_RECOMMENDER = tuple(
    CandidateSettings(name=f"a_{name}", recommender=name, params=PARAMS.get(name, {}))
    for name in sorted(RECOMMENDERS)
)
#: Rules of lists of every kind that needs more than the block's own users.
RULED = {"max_per_category": 2, "diversity": 0.3, "pinned": (PinSettings(item_id="i07", rank=3),)}


@dataclass(frozen=True)
class Engines:
    """One home after its night, with the settings of both engines."""

    duckdb: Settings
    spark: Settings

    @property
    def both(self) -> tuple[Settings, Settings]:
        return self.duckdb, self.spark


def make_engines(shop: Settings, home: Path) -> Engines:
    """Every recommender as a candidate of a shop after its night, in a home of its own."""
    shutil.copytree(shop.home, home)
    settings = load_settings(SHOP_SETTINGS, home)
    names = tuple(one.name for one in EVERY_RECOMMENDER)
    placements = {
        "discover": settings.placements["discover"].model_copy(
            update={"candidates": names, **RULED}
        ),
        "for_you": settings.placements["for_you"].model_copy(update={"candidates": names}),
    }
    settings = settings.model_copy(
        update={"candidates": settings.candidates + EVERY_RECOMMENDER, "placements": placements}
    )
    return Engines(settings, on_spark(settings, SparkSettings(master="local[2]", conf=SMALL)))


@pytest.fixture(scope="module")
def engines(
    tmp_path_factory: pytest.TempPathFactory, shop_after: Callable[..., Settings]
) -> Iterator[Engines]:
    """A shop of eight blocks of users, and a Spark that is kept for all of its tests."""
    engines = make_engines(shop_after(10), tmp_path_factory.mktemp("lists") / "home")
    with pytest.MonkeyPatch.context() as patch, block_workers(engines.spark):
        patch.setattr(block_lists, "BLOCK_USERS", BLOCK_USERS)
        yield engines


def crown(settings: Settings, name: str) -> None:
    """Make a candidate the champion of all placements, whose lists are written."""
    spec = candidate_spec(settings, settings.candidate(name), NIGHT)
    fitted = fit_candidate(spec, read_interactions(settings, NIGHT, NIGHT))
    for placement in settings.placements:
        folder = settings.run_folder(NIGHT).role(placement, "champion")
        save_recommender(fitted, spec, folder)
        write_json(folder / ROLE_FILE, {"model_version": f"{name}@{NIGHT}"})


def written_lists(settings: Settings, placement: str) -> dict[str, bytes]:
    folder = settings.run_folder(NIGHT).lists / placement
    shutil.rmtree(folder, ignore_errors=True)
    generate_lists(settings, NIGHT, placement)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def evaluated(settings: Settings, name: str) -> dict[str, object]:
    """Metrics and rows by user of a candidate's evaluations, without how long they took."""
    folder = settings.run_folder(NIGHT).candidates / name
    shutil.rmtree(folder, ignore_errors=True)
    evaluate_candidate(settings, NIGHT, name)
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("metrics.json")):
        metrics = json.loads(path.read_text())
        timed = {"fit_seconds", "recommend_seconds", "run_id"}
        found[str(path)] = {key: metrics[key] for key in metrics.keys() - timed}
    for path in sorted(folder.rglob("*.parquet")):
        found[str(path)] = path.read_bytes()
    assert len(found) > 4
    return found


def other_lists(engines: Engines, name: str, tasks: Sequence[int]) -> list[str]:
    """Lists of a candidate that are others with Spark, by number of tasks."""
    found = []
    crown(engines.duckdb, name)
    for placement in engines.duckdb.placements:
        here = written_lists(engines.duckdb, placement)
        found += [
            f"{name} in {placement} by {count} tasks"
            for count in by_tasks(tasks)
            if written_lists(engines.spark, placement) != here
        ]
    return found


def other_scores(engines: Engines, name: str, tasks: Sequence[int]) -> list[str]:
    """Scores of a candidate on the gate window that are others with Spark, by number of tasks."""
    spec = candidate_spec(engines.duckdb, engines.duckdb.candidate(name), NIGHT)
    window = engines.duckdb.night(NIGHT).gate
    held_out = read_held_out(engines.duckdb, NIGHT, window)
    fitted = fit_candidate(spec, held_out.history)

    def scored(settings: Settings, placement: str) -> Scored:
        origin = Origin(settings, NIGHT, window.cutoff, placement, recommender=spec)
        return score_recommender(
            settings, placement, fitted, held_out, with_candidates=True, origin=origin
        )

    found = []
    for placement in engines.duckdb.placements:
        here = scored(engines.duckdb, placement)
        for count in by_tasks(tasks):
            there = scored(engines.spark, placement)
            if not (
                here.per_user.equals(there.per_user)
                and np.array_equal(here.lists.items, there.lists.items)
                and np.array_equal(here.lists.scores, there.lists.scores, equal_nan=True)
            ):
                found.append(f"{name} in {placement} by {count} tasks")
    return found


def by_tasks(tasks: Sequence[int]) -> Iterator[int]:
    """Each number of tasks, while eight blocks are worked on by so many."""
    for count in tasks:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(blocks, "BLOCKS_PER_TASK", 8 // count)
            yield count


def test_executors_make_the_lists_and_evaluations_of_one_machine(engines, caplog):
    caplog.set_level(logging.INFO, logger="pipelines.base.blocks")
    assert other_lists(engines, "a_ials", [4]) == []
    assert evaluated(engines.duckdb, "a_ranker") == evaluated(engines.spark, "a_ranker")
    done = [one.getMessage() for one in caplog.records if one.name == "pipelines.base.blocks"]
    lists = "8 blocks of users done by 4 tasks of Spark"
    assert done.count(lists) == 2 and len(done) == 2 + 2 * 2  # placements, and windows of each


def test_an_error_of_an_executor_is_told(engines, tmp_path):
    with (
        block_workers(engines.spark) as workers,
        pytest.raises(BlockWorkError, match=r"A task failed .*ZeroDivisionError: "),
    ):
        list(workers.map(open_what_fails, [slice(0, 1)], tmp_path))


def open_what_fails() -> Work:
    return lambda block: 1 // 0


@pytest.mark.prove
@pytest.mark.parametrize("name", [one.name for one in EVERY_RECOMMENDER])
def test_executors_make_the_same_of_every_candidate_by_one_task_or_more(engines, name):
    assert other_lists(engines, name, [1, 4, 8]) == []
    assert other_scores(engines, name, [1, 4, 8]) == []
