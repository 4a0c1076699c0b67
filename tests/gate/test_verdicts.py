from __future__ import annotations

import json
import shutil
from datetime import timedelta

import pytest

from pipelines.base.errors import NoChampionError
from pipelines.base.tracking import parent_run_id
from pipelines.base.warehouse import connect
from pipelines.gate.select import select_challengers
from pipelines.gate.verdicts import decide_gates, read_gate

CHAMPIONS = """
select as_of, candidate, challenger, is_promoted, previous_spec_hash is null
from serving.champions where placement = 'discover' order by as_of
"""


@pytest.fixture
def decide_night(evaluate_all):
    """Evaluate, select and decide one night; keywords are levels of NDCG by candidate."""

    def run(settings, as_of, **ndcg):
        evaluate_all(settings, as_of, **ndcg)
        select_challengers(settings, as_of)
        return decide_gates(settings, as_of)

    return run


def rows(settings, query):
    with connect(settings) as connection:
        return connection.execute(query).fetchall()


def rule_of(verdict, rule, subject="all"):
    return next(one for one in verdict["rules"] if (one["rule"], one["subject"]) == (rule, subject))


def test_first_night_promotes_who_beats_the_best_baseline(shop, night, decide_night):
    verdict = decide_night(shop, night)["discover"]
    assert verdict["is_promoted"] is True
    assert (verdict["champion"]["name"], verdict["champion_before"]) == ("ease", None)
    assert "ease replaces recent_popularity: NDCG@10 +.2000" in verdict["reason"]


def test_first_night_without_a_winner_is_held_by_the_best_baseline_of_selection(
    shop, night, evaluate_all, evaluate
):
    evaluate_all(shop, item_knn=0.05, ease=0.06)
    evaluate(shop, "popularity", selection=0.3, gate=0.1)
    evaluate(shop, "recent_popularity", selection=0.2, gate=0.2)
    select_challengers(shop, night)
    verdict = decide_gates(shop, night)["discover"]
    assert verdict["champion"]["name"] == "popularity"
    assert verdict["is_promoted"] is False
    assert verdict["reason"].startswith("First night")


def test_champion_stays_when_the_challenger_is_level(shop, night, decide_night):
    decide_night(shop, night)
    second = night + timedelta(days=1)
    verdict = decide_night(shop, second, item_knn=0.4)["discover"]
    assert verdict["champion"]["name"] == "ease"
    assert verdict["challenger"]["name"] == "item_knn"
    assert rule_of(verdict, "beats_champion")["is_passed"] is False


def test_champions_have_one_row_a_night_and_reruns_change_nothing(shop, night, decide_night):
    second = night + timedelta(days=1)
    decide_night(shop, night)
    decide_night(shop, second, item_knn=0.5)
    path = shop.run_folder(second).gate("discover")
    first_file = path.read_bytes()
    expected = [
        (night, "ease", "ease", True, True),
        (second, "item_knn", "item_knn", True, False),
    ]
    assert rows(shop, CHAMPIONS) == expected
    decide_gates(shop, second)
    assert rows(shop, CHAMPIONS) == expected
    assert path.read_bytes() == first_file


def test_replayed_night_does_not_see_the_champion_of_a_later_one(shop, night, decide_night):
    decide_night(shop, night + timedelta(days=1), item_knn=0.5)
    assert decide_night(shop, night)["discover"]["champion_before"] is None


def test_champion_whose_evaluation_failed_is_kept_with_the_reason(shop, night, evaluate_all):
    evaluate_all(shop)
    select_challengers(shop, night)
    decide_gates(shop, night)
    second = night + timedelta(days=1)
    evaluate_all(shop, second, item_knn=0.6)
    shutil.rmtree(shop.run_folder(second).candidates / "ease")
    select_challengers(shop, second)
    verdict = decide_gates(shop, second)["discover"]
    assert verdict["is_promoted"] is False
    assert verdict["champion"]["spec"]["params"] == {"regularization": 5.0}
    assert "NDCG@10 of ease is missing" in verdict["reason"]


def test_champion_renamed_by_the_plan_is_compared_under_its_new_name(
    shop, change, night, decide_night
):
    decide_night(shop, night)
    candidates = [one.model_dump() for one in shop.candidates]
    candidates[3]["params"] = {"regularization": 99.0}
    second = night + timedelta(days=1)
    verdict = decide_night(
        change(candidates=candidates), second, ease_champion=0.4, ease=0.45, item_knn=0.1
    )["discover"]
    assert verdict["champion_before"]["name"] == "ease"
    assert "ease replaces ease_champion" in verdict["reason"]
    assert verdict["champion"]["spec"]["params"] == {"regularization": 99.0}


def test_unlogged_candidate_is_not_promoted(shop, night, evaluate_all, evaluate):
    evaluate_all(shop)
    evaluate(shop, "ease", selection=0.4, gate=0.4, run_id=None)
    select_challengers(shop, night)
    verdict = decide_gates(shop, night)["discover"]
    assert verdict["champion"]["name"] == "recent_popularity"
    assert "has no run in MLflow" in verdict["reason"]


def test_evaluations_on_other_users_are_refused(shop, night, evaluate_all, evaluate):
    evaluate_all(shop)
    evaluate(shop, "ease", selection=0.4, gate=0.4, user_count=10)
    select_challengers(shop, night)
    verdict = decide_gates(shop, night)["discover"]
    assert verdict["is_promoted"] is False
    assert "must be evaluated on the same users: 10 and 12 users" in verdict["reason"]


def test_every_candidate_is_reported_against_the_champion(shop, night, decide_night):
    decide_night(shop, night)
    found = rows(
        shop,
        """
        select subject, opponent, round(value, 4), is_passed from serving.gate_decisions
        where placement = 'discover' and rule = 'reported_difference' order by subject
        """,
    )
    assert found == [
        ("ease", "recent_popularity", 0.2, None),
        ("item_knn", "recent_popularity", 0.1, None),
        ("popularity", "recent_popularity", -0.1, None),
    ]


def test_rules_are_rows_with_their_key_and_missing_values_are_null(shop, night, decide_night):
    decide_night(shop, night)
    found = rows(
        shop,
        """
        select count(*), count(distinct (placement, rule, subject)),
            count(*) filter (where isnan(value) or isnan(low) or isnan(threshold))
        from serving.gate_decisions
        """,
    )
    assert found[0][0] == found[0][1] > 30
    assert found[0][2] == 0


def test_verdict_is_tagged_and_attached_to_the_run_of_the_night(
    shop, night, decide_night, client, tmp_path
):
    decide_night(shop, night)
    run_id = parent_run_id(shop, night)
    tags = client.get_run(run_id).data.tags
    assert (tags["gate.discover.verdict"], tags["gate.discover.champion"]) == ("promoted", "ease")
    path = client.download_artifacts(run_id, "gate/discover.json", str(tmp_path))
    with open(path) as file:
        assert json.load(file)["champion"]["name"] == "ease"


def test_first_night_without_any_baseline_is_refused(shop, night, evaluate_all):
    evaluate_all(shop)
    for name in ("popularity", "recent_popularity"):
        shutil.rmtree(shop.run_folder(night).candidates / name)
    select_challengers(shop, night)
    with pytest.raises(NoChampionError, match="first night needs an evaluated baseline"):
        decide_gates(shop, night)


def test_reading_a_gate_that_was_not_decided_is_refused(shop, night):
    with pytest.raises(NoChampionError, match="must be decided before"):
        read_gate(shop, night, "discover")


def test_gate_that_was_decided_is_read_back(shop, night, decide_night):
    verdict = decide_night(shop, night)["for_you"]
    assert read_gate(shop, night, "for_you") == verdict
