from __future__ import annotations

import numpy as np

from pipelines.simulate.world import make_world


def test_the_same_seed_is_the_same_world():
    first, again, other = (make_world(seed, 50, 30) for seed in (1, 1, 2))
    assert np.array_equal(first.user_tastes, again.user_tastes)
    assert np.array_equal(first.item_appeal, again.item_appeal)
    assert not np.array_equal(first.user_tastes, other.user_tastes)


def test_people_click_what_they_like_and_chances_leave_room_for_a_lift():
    world = make_world(3, 20, 200)
    for user in range(20):
        chances = world.click_chances(user, np.arange(200))
        assert chances.min() > 0 and chances.max() < 0.5
        best = int(world.user_tastes[user].argmax())
        mine = world.item_tastes == best
        assert chances[mine].mean() > chances[~mine].mean()


def test_the_first_place_is_always_looked_at_and_later_ones_less():
    chances = make_world(3, 2, 2).look_chances(4)
    assert chances[0] == 1.0
    assert np.allclose(chances[1:] / chances[:-1], 0.85)


def test_ids_and_positions_belong_together():
    world = make_world(3, 12, 120)
    assert [world.item_position(world.item_id(item)) for item in range(120)] == list(range(120))
    assert world.user_id(11) == "u000011"
    assert world.item_title(5).endswith("thing 5")
