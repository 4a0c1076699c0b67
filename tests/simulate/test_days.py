from __future__ import annotations

from collections import Counter
from datetime import date

import numpy as np
import pytest

from pipelines.simulate.days import LIST_LENGTH, purchase_event, simulate_day
from pipelines.simulate.past import visitors
from pipelines.simulate.world import make_world

DAY = date(2024, 3, 10)


class PaperShop:
    """Shows everybody the same items, and writes down what it is told."""

    def __init__(self, items, variant_of=None):
        self.items = items
        self.variant_of = variant_of
        self.rows = []
        self.asked = []

    def recommend(self, user_id, placement, n, at):
        self.asked.append((user_id, placement, n))
        variant = self.variant_of(user_id) if self.variant_of else None
        return {
            "request_id": f"r{len(self.asked)}",
            "items": [{"item_id": item} for item in self.items],
            "experiment": variant and {"variant": variant},
        }

    def take_events(self, rows, at):
        self.rows += rows


@pytest.fixture
def world():
    return make_world(9, 3000, 50)


@pytest.fixture
def items(world):
    return [world.item_id(item) for item in range(LIST_LENGTH)]


def test_every_visitor_is_answered_once_and_looks_from_the_top(world, items):
    shop = PaperShop(items)
    truth = simulate_day(world, DAY, shop, "home")
    assert [asked[0] for asked in shop.asked] == [world.user_id(u) for u in visitors(world, DAY)]
    looks = Counter(row["position"] for row in shop.rows if row["event_type"] == "impression")
    assert looks[1] == len(truth.served)
    assert all(looks[place] >= looks[place + 1] for place in range(1, LIST_LENGTH))
    share = sum(looks.values()) / len(truth.served)
    assert share == pytest.approx(world.look_chances(LIST_LENGTH).sum(), rel=0.05)


def test_what_the_shop_is_told_is_what_the_truth_says(world, items):
    shop = PaperShop(items)
    truth = simulate_day(world, DAY, shop, "home")
    told = [
        (row["request_id"], row["item_id"]) for row in shop.rows if row["event_type"] == "click"
    ]
    assert told == truth.clicks
    assert set(truth.clicks) <= set(truth.impressions)
    assert len({row["event_id"] for row in shop.rows}) == len(shop.rows)


def test_the_same_day_again_is_the_same_day(world, items):
    first, again = (simulate_day(world, DAY, PaperShop(items), "home") for _ in range(2))
    assert first == again
    assert simulate_day(world, date(2024, 3, 11), PaperShop(items), "home").clicks != first.clicks


def test_how_far_people_look_does_not_depend_on_what_they_see(world, items):
    def looks(shown):
        truth = simulate_day(world, DAY, PaperShop(shown), "home")
        return Counter(request for request, _ in truth.impressions)

    assert looks(items) == looks(items[::-1])


def test_clicks_come_as_often_as_expected(world, items):
    truth = simulate_day(
        world, DAY, PaperShop(items), "home", lists_of=lambda user: {"control": items}
    )
    expected = truth.expected_clicks["control"]
    assert len(truth.clicks) == pytest.approx(expected, abs=4 * expected**0.5)
    assert truth.expected_impressions == pytest.approx(len(truth.impressions), rel=0.05)


def test_a_planted_lift_is_in_the_arm_it_was_planted_in(world, items):
    def arm_of(user_id):
        return "better" if int(user_id[1:]) % 2 else "control"

    lifts = {"better": 0.5}
    truth = simulate_day(
        world,
        DAY,
        PaperShop(items, arm_of),
        "home",
        lifts=lifts,
        lists_of=lambda user: {"control": items, "better": items},
    )
    assert truth.expected_clicks["better"] == pytest.approx(1.5 * truth.expected_clicks["control"])
    plain = simulate_day(world, DAY, PaperShop(items, arm_of), "home")
    by_arm = Counter(one["variant"] for one in truth.served)
    assert set(by_arm) == {"control", "better"}
    assert len(truth.clicks) > len(plain.clicks)
    arm = {one["request_id"]: one["variant"] for one in truth.served}
    assert [c for c in truth.clicks if arm[c[0]] == "control"] == [
        c for c in plain.clicks if arm[c[0]] == "control"
    ]


def test_purchases_follow_clicks_within_days(world, items):
    truth = simulate_day(world, DAY, PaperShop(items), "home")
    assert truth.purchases
    clicked = {(request, item) for request, item in truth.clicks}
    for purchase in truth.purchases:
        request, _, _ = purchase["event_id"].split(":")
        assert (request, purchase["item_id"]) in clicked
        assert "2024-03-10" <= purchase["at"][:10] <= "2024-03-16"
    event = purchase_event(truth.purchases[0])
    assert event["event_type"] == "purchase" and np.isfinite(event["price"])
