from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.evaluate.results import read_metrics
from pipelines.evaluate.spent import evaluation_seconds

AS_OF = date(2024, 3, 1)


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(placements={"discover": {}, "for_you": {"exclude": "none"}})


@pytest.fixture
def spend(settings: Settings, fabricate: Callable[..., Path]) -> Callable[..., None]:
    """Write an evaluation that took so many seconds."""

    def write(name: str, fit: float, recommend: float, **where: str) -> None:
        folder = fabricate(settings, name, level=0.3, **where)
        times = {"fit_seconds": fit, "recommend_seconds": recommend}
        write_ordered_json(folder / "metrics.json", {**(read_metrics(folder) or {}), **times})

    return write


def test_a_fit_counts_once_for_all_its_placements_and_each_ranking_for_itself(
    settings: Settings, spend: Callable[..., None]
) -> None:
    for window, fit in (("selection", 10.0), ("gate", 20.0)):
        for placement, recommend in (("discover", 1.0), ("for_you", 2.0)):
            spend("ease", fit, recommend, window=window, placement=placement)

    (row,) = evaluation_seconds(settings, AS_OF)

    assert (row["fit_seconds"], row["recommend_seconds"]) == (10 + 20, 2 * (1 + 2))
    assert (row["total_seconds"], row["share"]) == (36, 1)


def test_the_slowest_candidate_is_first_and_shares_add_up(
    settings: Settings, spend: Callable[..., None]
) -> None:
    for name, fit in (("fast", 1.0), ("slow", 8.0), ("also_fast", 1.0)):
        spend(name, fit, 0.0)

    found = evaluation_seconds(settings, AS_OF)

    shares = {row["candidate"]: row["share"] for row in found}
    assert list(shares.items()) == [("slow", 0.8), ("also_fast", 0.1), ("fast", 0.1)]


def test_the_longest_fit_counts_where_one_placement_was_evaluated_again(
    settings: Settings, spend: Callable[..., None]
) -> None:
    spend("ease", 3.0, 0.0, placement="discover")
    spend("ease", 5.0, 0.0, placement="for_you")

    assert evaluation_seconds(settings, AS_OF)[0]["fit_seconds"] == 5


def test_candidate_outside_the_plan_is_passed_over(
    settings: Settings, spend: Callable[..., None]
) -> None:
    spend("ease", 3.0, 0.0)
    spend("dropped", 3.0, 0.0)
    write_ordered_json(settings.run_folder(AS_OF).plan, {"candidates": [{"name": "ease"}]})

    assert [row["candidate"] for row in evaluation_seconds(settings, AS_OF)] == ["ease"]


def test_fits_in_no_time_have_no_share(settings: Settings, spend: Callable[..., None]) -> None:
    spend("ease", 0.0, 0.0)

    assert [row["share"] for row in evaluation_seconds(settings, AS_OF)] == [0]


def test_night_without_evaluations_has_no_rows(settings: Settings) -> None:
    assert evaluation_seconds(settings, AS_OF) == []
