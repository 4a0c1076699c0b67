from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import MissingEvaluationError, SettingsError
from pipelines.evaluate.leaderboard import (
    evaluation_seconds,
    leaderboard,
    list_board,
    read_evaluations,
)
from pipelines.evaluate.list_metrics import LIST_METRICS
from pipelines.evaluate.results import read_metrics

AS_OF = date(2024, 3, 1)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], fabricate: Callable[..., Path]) -> Settings:
    settings = make_settings()
    for seed, (name, level) in enumerate({"popularity": 0.1, "ease": 0.6, "knn": 0.3}.items()):
        fabricate(settings, name, level=level, seed=seed)
    return settings


def test_best_candidate_is_first(settings: Settings) -> None:
    found = leaderboard(settings, AS_OF, "discover", "gate")

    assert found["candidate"].tolist() == ["ease", "knn", "popularity"]
    assert found["is_baseline"].tolist() == [False, False, True]
    assert found["user_count"].tolist() == [60, 60, 60]
    assert ((found["low"] < found["ndcg_at_10"]) & (found["ndcg_at_10"] < found["high"])).all()
    assert list(found.columns) == [
        *("candidate", "ndcg_at_10", "low", "high", "recall_at_10", "coverage_at_10"),
        *("user_count", "is_baseline"),
        *("candidate_recall", "candidate_recall_low", "candidate_recall_high"),
    ]
    assert found["candidate_recall"].isna().all()


def test_recall_of_a_first_stage_stands_in_its_candidate_s_row(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    folder = fabricate(settings, "ranker", level=0.9)
    stored = read_metrics(folder)
    assert stored is not None
    recall = {"value": 0.5, "low": 0.4, "high": 0.6, "user_count": 60}
    stored["metrics"]["candidate_recall"] = {"all": recall}
    write_ordered_json(folder / "metrics.json", stored)

    found = leaderboard(settings, AS_OF, "discover", "gate")

    assert found.iloc[0]["candidate"] == "ranker"
    assert found.iloc[0, -3:].tolist() == [0.5, 0.4, 0.6]
    assert found["candidate_recall"].isna().tolist() == [False, True, True, True]


def test_equal_candidates_are_in_order_of_their_names(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    for name in ("twin_b", "twin_a"):
        fabricate(settings, name, level=0.9, seed=7)

    assert leaderboard(settings, AS_OF, "discover", "gate")["candidate"].tolist()[:2] == [
        *("twin_a", "twin_b")
    ]


def test_candidate_outside_the_plan_is_passed_over(settings: Settings) -> None:
    entries = [{"name": "popularity"}, {"name": "knn"}]
    write_ordered_json(settings.run_folder(AS_OF).plan, {"candidates": entries})

    found = leaderboard(settings, AS_OF, "discover", "gate")

    assert found["candidate"].tolist() == ["knn", "popularity"]


def test_list_board_has_all_users_and_each_segment_of_every_candidate(settings: Settings) -> None:
    found = list_board(settings, AS_OF, "discover", "gate")

    assert found["candidate"].tolist() == [
        name for name in ("ease", "knn", "popularity") for _ in range(4)
    ]
    assert found["segment"].tolist() == ["all", "new", "light", "heavy"] * 3
    assert found["user_count"].tolist() == [60, 20, 20, 20] * 3
    assert found["coverage_at_10"][0] == 0.5
    assert list(found.columns[3:]) == [f"{name}_at_10" for name in ("ndcg", *LIST_METRICS)]


def test_evaluations_come_in_the_order_of_the_leaderboard(settings: Settings) -> None:
    found = read_evaluations(settings, AS_OF, "discover", "gate")

    assert [one.name for one in found] == ["ease", "knn", "popularity"]


def test_candidate_without_any_scored_user_is_last(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    folder = fabricate(settings, "empty", level=0.9)
    stored = read_metrics(folder)
    assert stored is not None
    for metric in stored["metrics"].values():
        metric["all"] = {"value": None, "low": None, "high": None, "user_count": 0}
    write_ordered_json(folder / "metrics.json", stored)

    assert leaderboard(settings, AS_OF, "discover", "gate")["candidate"].iloc[-1] == "empty"


def test_unknown_placement_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="Got 'cart'. Known: discover"):
        leaderboard(settings, AS_OF, "cart", "gate")


def test_unknown_window_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="one of selection, gate. Got 'today'"):
        leaderboard(settings, AS_OF, "discover", "today")


def test_night_without_evaluations_is_refused(settings: Settings) -> None:
    with pytest.raises(MissingEvaluationError, match="Run `recsys train --as-of 2024-03-01`"):
        leaderboard(settings, AS_OF, "discover", "selection")


@pytest.fixture
def two_placements(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings(placements={"discover": {}, "for_you": {"exclude": "none"}})


@pytest.fixture
def spend(two_placements: Settings, fabricate: Callable[..., Path]) -> Callable[..., None]:
    """Write an evaluation that took so many seconds."""

    def write(name: str, fit: float, recommend: float, **where: str) -> None:
        folder = fabricate(two_placements, name, level=0.3, **where)
        times = {"fit_seconds": fit, "recommend_seconds": recommend}
        write_ordered_json(folder / "metrics.json", {**(read_metrics(folder) or {}), **times})

    return write


def test_a_fit_counts_once_for_all_its_placements_and_each_ranking_for_itself(
    two_placements: Settings, spend: Callable[..., None]
) -> None:
    for window, fit in (("selection", 10.0), ("gate", 20.0)):
        for placement, recommend in (("discover", 1.0), ("for_you", 2.0)):
            spend("ease", fit, recommend, window=window, placement=placement)

    (row,) = evaluation_seconds(two_placements, AS_OF)

    assert (row["fit_seconds"], row["recommend_seconds"]) == (10 + 20, 2 * (1 + 2))
    assert (row["total_seconds"], row["share"]) == (36, 1)


def test_the_slowest_candidate_is_first_and_shares_add_up(
    two_placements: Settings, spend: Callable[..., None]
) -> None:
    for name, fit in (("fast", 1.0), ("slow", 8.0), ("also_fast", 1.0)):
        spend(name, fit, 0.0)

    found = evaluation_seconds(two_placements, AS_OF)

    shares = {row["candidate"]: row["share"] for row in found}
    assert list(shares.items()) == [("slow", 0.8), ("also_fast", 0.1), ("fast", 0.1)]


def test_the_longest_fit_counts_where_one_placement_was_evaluated_again(
    two_placements: Settings, spend: Callable[..., None]
) -> None:
    spend("ease", 3.0, 0.0, placement="discover")
    spend("ease", 5.0, 0.0, placement="for_you")

    assert evaluation_seconds(two_placements, AS_OF)[0]["fit_seconds"] == 5


def test_time_of_a_candidate_outside_the_plan_is_left_out(
    two_placements: Settings, spend: Callable[..., None]
) -> None:
    spend("ease", 3.0, 0.0)
    spend("dropped", 3.0, 0.0)
    write_ordered_json(two_placements.run_folder(AS_OF).plan, {"candidates": [{"name": "ease"}]})

    assert [row["candidate"] for row in evaluation_seconds(two_placements, AS_OF)] == ["ease"]


def test_fits_in_no_time_have_no_share(
    two_placements: Settings, spend: Callable[..., None]
) -> None:
    spend("ease", 0.0, 0.0)

    assert [row["share"] for row in evaluation_seconds(two_placements, AS_OF)] == [0]


def test_night_without_evaluations_has_no_rows(two_placements: Settings) -> None:
    assert evaluation_seconds(two_placements, AS_OF) == []
