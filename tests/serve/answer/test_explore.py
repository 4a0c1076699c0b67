from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from pipelines.serve.answer.explore import draw_swap, read_propensities, shown_order, swap_odds


def test_chances_of_a_list_of_four_by_hand():
    # k = 2: slots 0 and 1, places 0 to 3; slot 0 has three places below it, slot 1 has two.
    odds = swap_odds(9, set(), 2, 0.04)
    assert (odds.slots, odds.places) == ((0, 1), (0, 1, 2, 3))
    assert odds.swap_chance(0, 3) == pytest.approx(0.04 / (2 * 3))
    assert odds.swap_chance(2, 1) == pytest.approx(0.04 / (2 * 2))
    assert odds.swap_chance(2, 3) == 0
    assert odds.stay_chance(0) == pytest.approx(1 - 0.04 / 2)
    assert odds.stay_chance(1) == pytest.approx(1 - 0.04 / 2 - 0.04 / 6)
    assert odds.stay_chance(2) == pytest.approx(1 - 0.04 / 6 - 0.04 / 4)
    assert odds.stay_chance(8) == 1.0


@pytest.mark.parametrize(
    ("length", "pinned", "depth"), [(9, set(), 3), (5, {1}, 3), (6, {0, 2}, 4), (2, set(), 3)]
)
def test_every_place_shows_something_and_every_item_is_somewhere(length, pinned, depth):
    odds = swap_odds(length, pinned, depth, 0.05)
    places = range(length)
    for one in places:
        assert sum(odds.shown_chance(one, other) for other in places) == pytest.approx(1)
        assert sum(odds.shown_chance(other, one) for other in places) == pytest.approx(1)
    for place in pinned:
        assert odds.stay_chance(place) == 1.0


def test_draws_have_the_chances_that_are_logged():
    odds, n = swap_odds(8, {2}, 2, 0.05), 60_000
    found = Counter(draw_swap(odds, f"r{number}") for number in range(n))
    for one in range(8):
        for other in range(one + 1, 8):
            chance = odds.swap_chance(one, other)
            error = (chance * (1 - chance) / n) ** 0.5
            assert abs(found[one, other] / n - chance) <= 4 * error
    assert sum(count for swap, count in found.items() if swap) / n == pytest.approx(0.05, rel=0.1)


@pytest.mark.parametrize(("length", "pinned"), [(0, set()), (1, set()), (2, {0}), (3, {0, 1, 2})])
def test_nothing_to_swap_with_is_no_chance_at_all(length, pinned):
    odds = swap_odds(length, pinned, 3, 0.05)
    assert odds.slots == () and draw_swap(odds, "r") is None


def test_the_same_request_draws_the_same_swap():
    odds = swap_odds(6, set(), 3, 1.0)
    assert draw_swap(odds, "r1") == draw_swap(odds, "r1") is not None
    assert len({draw_swap(odds, f"r{n}") for n in range(300)}) == 5 + 4 + 3


def test_chances_add_up_exactly_in_fractions():
    # 1 - sum of swaps, in rationals: slots 3, places 6
    odds = swap_odds(6, set(), 3, 0.03)
    exact = 1 - Fraction(3, 100) * (Fraction(1, 3) + Fraction(1, 15) + Fraction(1, 12))
    assert odds.stay_chance(2) == pytest.approx(float(exact), abs=1e-15)


@pytest.mark.parametrize(
    ("length", "pinned", "depth"), [(10, set(), 3), (4, {1}, 2), (2, set(), 1)]
)
def test_the_log_tells_what_was_drawn(length, pinned, depth):
    odds = swap_odds(length, pinned, depth, 0.05)
    swaps = {draw_swap(odds, f"r{n}") for n in range(3000)}
    assert len(swaps) == 1 + sum(len(odds.below(slot)) for slot in odds.slots)
    for swap in swaps:
        order = shown_order(length, swap)
        logged = tuple(odds.shown_chance(was, now) for now, was in enumerate(order))
        told, drawn = read_propensities(logged, depth)
        assert drawn == swap and (told.slots, told.places) == (odds.slots, odds.places)
        assert told.share == pytest.approx(0.05)


@pytest.mark.parametrize("logged", [(1.0, 1.0), (0.9, 1.0, 0.8), (0.95, 0.95, 0.95)])
def test_chances_that_no_draw_has_are_not_read(logged):
    assert read_propensities(logged, 1) is None
