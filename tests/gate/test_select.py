from __future__ import annotations

import json
import logging
import shutil
from datetime import timedelta

import pytest

from pipelines.base.errors import NoCandidateError
from pipelines.base.warehouse import connect
from pipelines.gate.plan import plan_candidates
from pipelines.gate.select import read_challengers, select_challengers
from pipelines.gate.verdicts import decide_gates

LEADERBOARD = """
select candidate, value, user_count from serving.candidate_metrics
where placement = 'discover' and time_window = 'selection' and metric = 'ndcg_at_10'
order by value desc
"""


def test_challenger_is_the_best_of_the_selection_window_whatever_the_gate_window_says(
    shop, night, evaluate_all, evaluate
):
    evaluate_all(shop)
    evaluate(shop, "item_knn", selection=0.3, gate=0.9)
    assert select_challengers(shop, night) == {"discover": "ease", "for_you": "ease"}


def test_baseline_is_never_the_challenger(shop, night, evaluate_all):
    evaluate_all(shop, recent_popularity=0.8)
    # in `for_you` recent popularity is a candidate like any other
    assert select_challengers(shop, night) == {"discover": "ease", "for_you": "recent_popularity"}


def test_champion_is_not_its_own_challenger(shop, night, evaluate_all):
    evaluate_all(shop)
    select_challengers(shop, night)
    decide_gates(shop, night)
    second = night + timedelta(days=1)
    evaluate_all(shop, second)
    assert select_challengers(shop, second) == {"discover": "item_knn", "for_you": "item_knn"}


def test_level_candidates_are_chosen_by_name(shop, night, evaluate_all):
    evaluate_all(shop, item_knn=0.4)
    assert select_challengers(shop, night)["discover"] == "ease"


def test_candidate_without_a_sound_figure_is_not_chosen(shop, night, evaluate_all):
    evaluate_all(shop)
    path = shop.run_folder(night).evaluation("ease", "selection", "discover") / "metrics.json"
    metrics = json.loads(path.read_text())
    metrics["metrics"]["ndcg_at_10"]["all"]["value"] = None
    path.write_text(json.dumps(metrics))
    assert select_challengers(shop, night)["discover"] == "item_knn"


def test_failed_candidate_is_left_out_with_a_note(shop, night, evaluate_all, caplog):
    evaluate_all(shop)
    shutil.rmtree(shop.run_folder(night).candidates / "ease" / "gate")
    with caplog.at_level(logging.WARNING):
        assert select_challengers(shop, night)["discover"] == "item_knn"
    assert "discover: ease is left out" in caplog.text


def test_evaluation_of_another_specification_than_planned_is_left_out(
    shop, change, night, evaluate_all, caplog
):
    evaluate_all(shop)
    candidates = [one.model_dump() for one in shop.candidates]
    candidates[3]["params"] = {"regularization": 99.0}
    settings = change(candidates=candidates)
    plan_candidates(settings, night)
    assert select_challengers(settings, night)["discover"] == "item_knn"
    assert "evaluated as another specification" in caplog.text


def test_only_baselines_leave_no_challenger(change, night, evaluate_all):
    placements = {"discover": {"candidates": ["popularity"], "list_length": 5}}
    settings = change(placements=placements)
    evaluate_all(settings)
    assert select_challengers(settings, night) == {"discover": None}


def test_no_evaluation_at_all_fails_the_night(shop, night):
    plan_candidates(shop, night)
    with pytest.raises(NoCandidateError, match="At least one candidate must be evaluated"):
        select_challengers(shop, night)


def test_leaderboard_is_written_and_replaced_on_a_rerun(shop, night, evaluate_all):
    evaluate_all(shop)
    for _ in range(2):
        select_challengers(shop, night)
    with connect(shop) as connection:
        found = connection.execute(LEADERBOARD).fetchall()
        bounds = connection.execute("select distinct low from serving.candidate_metrics").fetchall()
    assert [row[0] for row in found] == ["ease", "item_knn", "recent_popularity", "popularity"]
    assert found[0][1:] == (pytest.approx(0.4), 12)
    assert bounds == [(None,)]


def test_challengers_are_read_back(shop, night, evaluate_all):
    evaluate_all(shop)
    chosen = select_challengers(shop, night)
    assert read_challengers(shop, night) == chosen == {"discover": "ease", "for_you": "ease"}


def test_reading_challengers_before_the_choice_is_refused(shop, night):
    with pytest.raises(NoCandidateError, match="must be selected before the gate"):
        read_challengers(shop, night)


def test_prices_of_rules_are_written_and_replaced_on_a_rerun(shop, night, evaluate_all):
    evaluate_all(shop)
    path = shop.run_folder(night).evaluation("ease", "gate", "discover") / "metrics.json"
    price = dict.fromkeys(("ndcg_with", "ndcg_without", "coverage_with", "coverage_without"), 0.2)
    price |= {"rule": "seen", "difference": -0.1, "low": None, "high": None, "user_count": 12}
    path.write_text(json.dumps({**json.loads(path.read_text()), "rule_prices": [price]}))
    for _ in range(2):
        select_challengers(shop, night)
    with connect(shop) as connection:
        found = connection.execute(
            "select placement, candidate, rule, difference, low, user_count from serving.rule_prices"
        ).fetchall()
    assert found == [("discover", "ease", "seen", -0.1, None, 12)]
