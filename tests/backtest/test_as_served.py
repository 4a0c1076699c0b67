from __future__ import annotations

import pytest

from pipelines.backtest.as_served import night_that_knows, score_served
from pipelines.backtest.replay import backtest_settings
from pipelines.evaluate.results import read_evaluation
from tests.conftest import shop_night

pytestmark = pytest.mark.xdist_group("backtest")


@pytest.fixture
def own(replayed_shop):
    return backtest_settings(*replayed_shop)


def test_the_night_one_horizon_later_knows_what_was_bought(own):
    nights = [shop_night(8), shop_night(9), shop_night(10)]
    assert night_that_knows(own, nights, shop_night(8)) == shop_night(9)
    assert night_that_knows(own, nights, shop_night(10)) is None


def test_a_night_without_a_snapshot_knows_nothing(own):
    assert night_that_knows(own, [shop_night(12)], shop_night(8)) is None


@pytest.mark.parametrize("placement", ["discover", "for_you"])
def test_baselines_score_as_they_do_at_the_gate_one_horizon_later(own, placement):
    served = score_served(own, shop_night(9), shop_night(10))[placement]
    for name in own.placements[placement].baselines:
        gate = read_evaluation(own, shop_night(10), name, "gate", placement).per_user
        assert served[name].to_dict() == dict(zip(gate["user_id"], gate["ndcg_at_5"], strict=True))


@pytest.mark.parametrize("placement", ["discover", "for_you"])
def test_what_was_published_scores_as_its_candidate_refitted_on_the_same_days(own, placement):
    import json

    gate = own.run_folder(shop_night(9)).gate(placement)
    champion = json.loads(gate.read_text())["champion"]["name"]
    served = score_served(own, shop_night(9), shop_night(10))[placement]["champion"]
    later = read_evaluation(own, shop_night(10), champion, "gate", placement).per_user
    assert served.to_dict() == pytest.approx(
        dict(zip(later["user_id"], later["ndcg_at_5"], strict=True))
    )
