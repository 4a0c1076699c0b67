from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import date
from math import log2
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.base.config import Settings
from pipelines.base.errors import MissingSnapshotError, SettingsError
from pipelines.base.tracking import start_night, tracking_client
from pipelines.evaluate import held_out as held_out_module
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.evaluate.results import Evaluation, read_evaluated, read_evaluation

AS_OF = date(2024, 3, 1)
EARLY, BEFORE, IN_GATE = date(2024, 1, 10), date(2024, 2, 10), date(2024, 2, 20)
SHOP = [
    ("zoe", "milk", "purchase", EARLY),
    ("ann", "milk", "purchase", BEFORE),
    ("bob", "milk", "purchase", BEFORE),
    ("bob", "jam", "purchase", BEFORE),
    ("cid", "milk", "purchase", BEFORE),
    ("cid", "tea", "purchase", BEFORE),
    # popularity before the gate window: milk 4, jam 1, tea 1
    ("ann", "jam", "purchase", IN_GATE),
    ("bob", "milk", "purchase", IN_GATE),
    ("dan", "milk", "purchase", IN_GATE),  # no history
]
SETTINGS: dict[str, Any] = {
    "placements": {"discover": {}, "for_you": {"exclude": "none"}},
    "evaluation": {"k": 2, "ks": [1, 2]},
}
POPULAR = ("popularity", "recent_popularity")
NO_SERVER = {"tracking_uri": "http://127.0.0.1:9", "timeout_seconds": 1, "restart_seconds": 0}


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], with_store: Callable, take_shop: Callable
) -> Settings:
    settings = with_store(make_settings(**SETTINGS))
    take_shop(settings, SHOP)
    return settings


def gate_of(settings: Settings, placement: str, name: str = "popularity") -> Evaluation:
    return read_evaluation(settings, AS_OF, name, "gate", placement)


def test_repeats_count_where_they_are_allowed(settings: Settings) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")

    found = gate_of(settings, "for_you")

    # ann bought jam, second of milk, jam; bob bought milk, the first
    assert found.per_user["user_id"].tolist() == ["ann", "bob"]
    assert found.per_user["ndcg_at_2"].tolist() == pytest.approx([1 / log2(3), 1])
    assert found.per_user["segment"].tolist() == ["new", "new"]
    assert found.metrics["left_out"] == {
        "users_without_history": 1,  # dan
        "users_without_truth": 2,  # cid and zoe
        "users_with_excluded_truth_only": 0,
    }
    assert found.metrics["metrics"]["coverage_at_2"]["all"]["value"] == 2 / 3
    assert found.metrics["cutoff"] == "2024-02-16"


def test_excluded_items_leave_lists_and_truth(settings: Settings) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")

    found = gate_of(settings, "discover")

    # ann is shown jam and tea; bob's only truth, milk, is excluded
    assert found.per_user["user_id"].tolist() == ["ann"]
    assert found.per_user["ndcg_at_1"].tolist() == [1]
    assert found.metrics["left_out"]["users_with_excluded_truth_only"] == 1


def test_item_out_of_stock_leaves_lists_and_truth(settings: Settings, take_shop: Callable) -> None:
    take_shop(settings, SHOP, unavailable=("milk",))

    evaluate_candidate(settings, AS_OF, "popularity")

    found = gate_of(settings, "for_you").per_user
    assert found["user_id"].tolist() == ["ann"]  # bob bought nothing else
    assert found["ndcg_at_1"].tolist() == [1]


@pytest.fixture
def with_ranker(
    make_settings: Callable[..., Settings], with_store: Callable, take_shop: Callable
) -> Settings:
    """The shop with a candidate of two stages that lists one candidate for each user."""
    params = {"parts": [{"recommender": "popularity"}], "depth": 1}
    candidates = [
        {"name": "ranker", "recommender": "ranker", "params": params},
        *({"name": name, "recommender": "popularity"} for name in POPULAR),
    ]
    settings = with_store(make_settings(**SETTINGS, candidates=candidates))
    take_shop(settings, SHOP)
    return settings


def test_recall_of_a_first_stage_is_scored_on_the_truth_of_the_lists(with_ranker: Settings) -> None:
    settings = with_ranker

    evaluate_candidate(settings, AS_OF, "ranker")
    evaluate_candidate(settings, AS_OF, "popularity")

    # one candidate each, milk: ann bought jam, bob bought milk
    found = gate_of(settings, "for_you", "ranker")
    assert found.per_user["candidate_recall"].tolist() == [0, 1]
    assert found.metrics["metrics"]["candidate_recall"]["all"]["value"] == 1 / 2
    assert found.metrics["metrics"]["candidate_recall"]["all"]["high"] > 1 / 2
    # where milk is excluded, ann's one candidate is jam
    assert gate_of(settings, "discover", "ranker").per_user["candidate_recall"].tolist() == [1]
    assert "candidate_recall" not in gate_of(settings, "for_you").metrics["metrics"]
    run = tracking_client(settings).get_run(found.run_id)
    assert run.data.metrics["for_you/candidate_recall"] == 1 / 2


def test_recall_of_many_users_first_stage_is_that_of_evenly_spaced_ones(
    with_ranker: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held_out_module, "MAX_CANDIDATE_USERS", 1)

    evaluate_candidate(with_ranker, AS_OF, "ranker")

    found = gate_of(with_ranker, "for_you", "ranker")
    np.testing.assert_array_equal(found.per_user["candidate_recall"], [0, np.nan])
    recall = found.metrics["metrics"]["candidate_recall"]["all"]
    assert (recall["value"], recall["user_count"]) == (0, 1)
    assert found.metrics["metrics"]["ndcg_at_1"]["all"]["user_count"] == 2


def test_answer_is_ndcg_by_window_and_placement(settings: Settings) -> None:
    found = evaluate_candidate(settings, AS_OF, "popularity")

    assert found["gate"] == {"discover": 1, "for_you": pytest.approx((1 / log2(3) + 1) / 2)}
    assert found["selection"] == {"discover": None, "for_you": None}  # nobody has both


def test_window_without_anyone_to_score_is_stored_as_such(settings: Settings) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")

    found = read_evaluation(settings, AS_OF, "popularity", "selection", "for_you")

    assert found.per_user.empty
    assert found.metrics["left_out"]["users_without_history"] == 3
    assert found.metrics["metrics"]["ndcg_at_2"]["all"] == {
        "value": None,
        "low": None,
        "high": None,
        "user_count": 0,
    }


def test_one_fit_a_window_serves_all_placements(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "pipelines")

    evaluate_candidate(settings, AS_OF, "popularity")

    assert caplog.text.count("fitted popularity") == 2
    assert "popularity: NDCG@2 1 on 1 users (discover, gate)" in caplog.text


def test_events_after_the_cutoff_change_no_list(settings: Settings, take_shop: Callable) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")
    before = gate_of(settings, "for_you")
    future = [(f"u{n}", "tea", "purchase", date(2024, 2, 16)) for n in range(50)]
    take_shop(settings, SHOP + future)

    evaluate_candidate(settings, AS_OF, "popularity")

    after = gate_of(settings, "for_you")
    assert after.metrics["history"] == before.metrics["history"]
    pd.testing.assert_frame_equal(after.per_user, before.per_user)


def test_rerun_keeps_what_is_there(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")
    files = sorted(settings.run_folder(AS_OF).candidates.rglob("*.*"))
    before = {path: path.stat().st_mtime_ns for path in files}
    caplog.set_level(logging.INFO, "pipelines")

    evaluate_candidate(settings, AS_OF, "popularity")

    assert len(files) == 8
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert caplog.text.count("popularity: kept, nothing changed") == 2


def test_what_a_candidate_needed_is_kept_and_the_budget_changes_no_evaluation(
    settings: Settings, make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")
    needed = json.loads((settings.home / "memory" / "popularity.json").read_text())
    caplog.set_level(logging.INFO, "pipelines")
    evaluation = {**SETTINGS["evaluation"], "memory_budget_gb": 1.5}

    evaluate_candidate(make_settings(**{**SETTINGS, "evaluation": evaluation}), AS_OF, "popularity")

    assert 20 < needed["peak_mib"] < 20_000
    assert caplog.text.count("popularity: kept, nothing changed") == 2


def test_only_the_placement_that_changed_is_evaluated_again(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")
    before = gate_of(settings, "discover").metrics
    placements = {"discover": {}, "for_you": {"exclude": "none", "exclude_within_days": 3}}

    evaluate_candidate(make_settings(**{**SETTINGS, "placements": placements}), AS_OF, "popularity")

    assert gate_of(settings, "discover").metrics["input_hash"] == before["input_hash"]
    assert gate_of(settings, "discover").metrics["fit_seconds"] == before["fit_seconds"]
    assert gate_of(settings, "for_you").run_id != before["run_id"]


def test_same_night_gives_the_same_bytes(settings: Settings, take_shop: Callable) -> None:
    def per_user_bytes() -> list[bytes]:
        paths = sorted(settings.run_folder(AS_OF).candidates.rglob("per_user.parquet"))
        return [path.read_bytes() for path in paths]

    evaluate_candidate(settings, AS_OF, "popularity")
    first = per_user_bytes()
    take_shop(settings, SHOP, unavailable=("jam",))
    evaluate_candidate(settings, AS_OF, "popularity")
    assert per_user_bytes() != first

    take_shop(settings, SHOP)
    evaluate_candidate(settings, AS_OF, "popularity")

    assert per_user_bytes() == first


def test_runs_are_logged_once_a_window_below_the_night(settings: Settings) -> None:
    parent = start_night(settings, AS_OF)

    for _ in range(2):
        evaluate_candidate(settings, AS_OF, "popularity")

    client = tracking_client(settings)
    experiment = client.get_experiment_by_name("nightly").experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{parent}'")
    assert sorted(run.info.run_name for run in runs) == [
        *("popularity on gate", "popularity on selection")
    ]
    assert gate_of(settings, "for_you").run_id in {run.info.run_id for run in runs}


def test_dead_server_costs_the_run_only_and_it_is_logged_when_the_server_is_back(
    settings: Settings, make_settings: Callable[..., Settings], take_shop: Callable
) -> None:
    offline = make_settings(**SETTINGS, mlflow=NO_SERVER)

    found = evaluate_candidate(offline, AS_OF, "popularity")

    assert found["gate"]["discover"] == 1
    assert gate_of(settings, "for_you").run_id is None

    start_night(settings, AS_OF)
    evaluate_candidate(settings, AS_OF, "popularity")

    assert gate_of(settings, "for_you").run_id is not None


def test_failed_candidate_leaves_no_earlier_result_behind(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    evaluate_candidate(settings, AS_OF, "popularity")
    candidates = [
        {"name": "popularity", "recommender": "popularity", "params": {"half_life_days": -1.0}},
        {"name": "recent_popularity", "recommender": "popularity"},
    ]
    broken = make_settings(**SETTINGS, candidates=candidates)

    with pytest.raises(SettingsError, match="half_life_days"):
        evaluate_candidate(broken, AS_OF, "popularity")

    assert read_evaluated(settings, AS_OF, "selection", "for_you") == {}


def test_candidate_that_competes_nowhere_is_not_fitted(
    make_settings: Callable[..., Settings], caplog: pytest.LogCaptureFixture
) -> None:
    placements = {"discover": {"candidates": ["popularity", "recent_popularity"]}}
    names = ("popularity", "recent_popularity", "spare")
    candidates = [{"name": name, "recommender": "popularity"} for name in names]
    caplog.set_level(logging.INFO, "pipelines")

    found = evaluate_candidate(
        make_settings(placements=placements, candidates=candidates), AS_OF, "spare"
    )

    assert found == {}
    assert "spare: competes in no placement" in caplog.text


def test_unknown_candidate_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="Got 'magic'"):
        evaluate_candidate(settings, AS_OF, "magic")


def test_night_without_snapshot_is_refused(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(MissingSnapshotError, match="must have a snapshot"):
        evaluate_candidate(make_settings(), AS_OF, "popularity")


def test_metrics_file_is_strict_json_with_the_specification(settings: Settings) -> None:
    evaluate_candidate(settings, AS_OF, "recent_popularity")

    path = next(settings.run_folder(AS_OF).candidates.rglob("gate/for_you/metrics.json"))
    stored = json.loads(path.read_text(), parse_constant=pytest.fail)

    assert stored["spec"] == {
        "recommender": "popularity",
        "params": {"half_life_days": 10.0},
        "event_weights": {"purchase": 1.0},
    }
    assert stored["history"].keys() == {"user_count", "item_count", "row_count", "content_hash"}
