from __future__ import annotations

import json

import pytest

from pipelines.backtest.night import NightRecord
from pipelines.backtest.replay import backtest_settings
from pipelines.backtest.results import collect_results
from pipelines.evaluate.intervals import paired_interval
from pipelines.evaluate.results import read_evaluation
from tests.conftest import shop_night

pytestmark = pytest.mark.xdist_group("backtest")


@pytest.fixture
def own(replayed_shop):
    return backtest_settings(*replayed_shop)


@pytest.fixture
def results(own):
    return json.loads((own.backtest_results).read_text())


def test_every_night_has_figures_of_champion_and_baselines_with_intervals(results):
    for night in results["nights"]:
        for placement, baselines in results["baselines"].items():
            found = night["placements"][placement]["gate"]
            assert set(found["baselines"]) == set(baselines)
            for one in (found["champion"], *found["baselines"].values()):
                assert one["low"] < one["value"] < one["high"]
                assert one["user_count"] > 20


def test_figures_at_the_gate_are_those_of_the_evaluation(own, results):
    found = results["nights"][1]["placements"]["for_you"]["gate"]
    stored = read_evaluation(own, shop_night(9), found["candidate"], "gate", "for_you")
    value = stored.metrics["metrics"]["ndcg_at_5"]["all"]["value"]
    assert found["champion"]["value"] == pytest.approx(value)


def test_difference_is_paired_with_the_best_baseline(own, results):
    found = results["nights"][1]["placements"]["discover"]["gate"]
    best = max(found["baselines"], key=lambda name: found["baselines"][name]["value"])
    mine, theirs = (
        read_evaluation(own, shop_night(9), name, "gate", "discover").per_user["ndcg_at_5"]
        for name in (found["candidate"], best)
    )
    expected = paired_interval(mine.to_numpy(), theirs.to_numpy(), 0.95)
    assert found["best_baseline"] == best
    assert found["difference"]["low"] == pytest.approx(expected.low)


def test_lists_are_scored_as_served_once_later_days_are_known(results):
    known = [night["placements"]["for_you"]["served"] is not None for night in results["nights"]]
    assert known == [True, True, False]


def test_every_verdict_is_listed_with_its_reason(results):
    assert len(results["verdicts"]) == 6
    assert {one["outcome"] for one in results["verdicts"]} <= {
        "promoted",
        "refused",
        "unchallenged",
    }
    refused = [one for one in results["verdicts"] if one["outcome"] == "refused"]
    assert all(one["failed_rules"] for one in refused)
    counted = sum(
        results["summary"]["for_you"][name] for name in ("promoted", "refused", "unchallenged")
    )
    assert counted == 3


def test_a_night_that_stopped_before_the_gate_is_a_row_without_figures(own):
    records = [
        NightRecord(shop_night(8), "a", "published"),
        NightRecord(shop_night(20), "b", "stopped", "check_events", "no events"),
    ]
    found = collect_results(own, records)["nights"][1]
    assert found == {
        "as_of": shop_night(20).isoformat(),
        "state": "stopped",
        "stopped_at": "check_events",
        "reason": "no events",
        "publication_id": None,
        "placements": {},
    }
