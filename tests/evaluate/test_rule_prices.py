from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from pipelines.base.config import Settings
from pipelines.evaluate import rule_prices
from pipelines.evaluate.evaluation import evaluate_candidate
from pipelines.evaluate.leaderboard import rule_board
from pipelines.evaluate.results import read_evaluation

AS_OF = date(2024, 3, 1)
BEFORE, IN_GATE = date(2024, 1, 10), date(2024, 2, 20)
SHOP = [
    *((name, "milk", "purchase", BEFORE) for name in ("ann", "bob", "cid", "dan")),
    *((name, "jam", "purchase", BEFORE) for name in ("bob", "cid", "dan")),
    ("cid", "tea", "purchase", BEFORE),
    ("dan", "oil", "purchase", BEFORE),
    ("dan", "tea", "purchase", BEFORE),
    # popularity: milk 4, jam 3, tea 2, oil 1
    ("ann", "jam", "purchase", IN_GATE),
    ("bob", "milk", "purchase", IN_GATE),
    ("cid", "oil", "purchase", IN_GATE),
]


@pytest.fixture
def evaluated(
    make_settings: Callable[..., Settings], with_store: Callable, take_shop: Callable
) -> Callable[..., dict[str, dict[str, Any]]]:
    """Prices of popularity in the gate window of a placement, by rule."""

    def evaluate(unavailable: tuple[str, ...] = (), **placement: Any) -> dict[str, Any]:
        settings = with_store(
            make_settings(placements={"home": placement}, evaluation={"k": 2, "ks": [1, 2]})
        )
        take_shop(settings, SHOP, unavailable=unavailable)
        evaluate_candidate(settings, AS_OF, "popularity")
        evaluate.settings = settings  # type: ignore[attr-defined]  # for a look at the rest
        found = read_evaluation(settings, AS_OF, "popularity", "gate", "home")
        return {price["rule"]: price for price in found.metrics["rule_prices"]}

    return evaluate


def test_price_of_keeping_out_what_was_seen_counts_the_repeats_given_away(
    evaluated: Callable,
) -> None:
    (price,) = evaluated().values()

    # with: ann jam (hit), bob tea oil, cid oil (hit); without: all are shown milk, jam
    assert price["rule"] == "seen"
    assert price["user_count"] == 3
    assert price["ndcg_with"] == pytest.approx((1 + 0 + 1) / 3)
    assert price["ndcg_without"] == pytest.approx((0.6309297536 + 1 + 0) / 3)
    assert price["difference"] == pytest.approx(price["ndcg_with"] - price["ndcg_without"])
    assert price["low"] < price["difference"] < price["high"]
    assert (price["coverage_with"], price["coverage_without"]) == (3 / 4, 2 / 4)


def test_price_of_availability_counts_what_is_out_of_stock(evaluated: Callable) -> None:
    price = evaluated(exclude="none", unavailable=("milk",))["availability"]

    # with: jam, tea; without: milk, jam
    assert price["ndcg_with"] == pytest.approx((1 + 0 + 0) / 3)
    assert price["ndcg_without"] == pytest.approx((0.6309297536 + 1 + 0) / 3)


def test_price_of_a_pin_is_what_it_pushes_down(evaluated: Callable) -> None:
    (price,) = evaluated(exclude="none", pinned=[{"item_id": "oil", "rank": 1}]).values()

    # with: oil, milk; without: milk, jam
    assert price["rule"] == "pinned"
    assert price["ndcg_with"] == pytest.approx((0 + 0.6309297536 + 1) / 3)
    assert price["ndcg_without"] == pytest.approx((0.6309297536 + 1 + 0) / 3)


def test_what_the_gate_scores_is_the_list_with_the_rules(evaluated: Callable) -> None:
    (price,) = evaluated(exclude="none", pinned=[{"item_id": "oil", "rank": 1}]).values()
    settings = evaluated.settings  # type: ignore[attr-defined]  # set by the fixture

    found = read_evaluation(settings, AS_OF, "popularity", "gate", "home")

    assert found.metrics["metrics"]["ndcg_at_2"]["all"]["value"] == price["ndcg_with"]


def test_without_rules_there_is_nothing_to_price(evaluated: Callable) -> None:
    assert evaluated(exclude="none") == {}
    board = rule_board(evaluated.settings, AS_OF, "home", "gate")  # type: ignore[attr-defined]  # set by the fixture
    assert board.empty and "difference" in board.columns


def test_rules_are_priced_on_the_gate_window_only(evaluated: Callable) -> None:
    evaluated()
    settings = evaluated.settings  # type: ignore[attr-defined]  # set by the fixture

    assert rule_board(settings, AS_OF, "home", "selection").empty
    assert rule_board(settings, AS_OF, "home", "gate")["rule"].tolist() == ["seen"]


def test_many_users_are_represented_by_some(
    evaluated: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rule_prices, "MAX_PRICED_USERS", 2)

    (price,) = evaluated().values()

    assert price["user_count"] == 2  # ann and cid, the ends
    assert price["ndcg_with"] == 1
