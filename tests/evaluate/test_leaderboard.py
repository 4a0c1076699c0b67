from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import MissingEvaluationError, SettingsError
from pipelines.evaluate.leaderboard import leaderboard, list_board, read_evaluations
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
