from __future__ import annotations

import numpy as np
import pytest

from pipelines.events.synthetic.population import LAUNCH_EVERY_DAYS, N_TASTES, draw_world


@pytest.fixture(scope="module")
def world():
    return draw_world(np.random.default_rng(5), n_users=4_000, n_items=2_000, n_days=365)


def test_shares_of_an_item_in_its_tastes_add_up_to_one(world):
    shares = np.bincount(world.member_item, world.member_share, world.n_items)
    np.testing.assert_allclose(shares, 1.0)
    assert (np.diff(world.member_taste) >= 0).all()


def test_the_main_taste_has_the_larger_share(world):
    main = world.main_tastes()
    is_main = world.member_taste == main[world.member_item]
    assert is_main.sum() == world.n_items
    assert world.member_share[is_main].min() >= 0.5


def test_every_taste_has_an_item_on_the_first_day(world):
    on_sale = world.item_launch_day[world.member_item] == 0
    assert len(np.unique(world.member_taste[on_sale])) == N_TASTES


def test_items_appear_on_launch_days_only_and_weigh_nothing_before(world):
    assert (world.item_launch_day % LAUNCH_EVERY_DAYS == 0).all()
    late = world.item_launch_day > 100
    assert late.any()
    assert (world.item_popularity(100)[late] == 0).all()
    assert (world.item_popularity(365) > 0).all()


def test_a_tenth_of_the_users_make_half_of_the_events(world):
    activity = np.sort(world.user_activity)[::-1]
    # of a log-normal, the top share p has Phi(sigma - z_p) of the sum: Phi(1.2 - 1.28) = 0.47
    assert activity[:400].sum() / activity.sum() == pytest.approx(0.47, abs=0.05)


def test_the_head_of_the_catalogue_changes_through_the_year(world):
    heads = [set(np.argsort(-world.item_popularity(day))[:50].tolist()) for day in (10, 11, 200)]
    assert len(heads[0] & heads[1]) > len(heads[0] & heads[2])


def test_nobody_comes_before_the_first_or_after_the_last_day(world):
    for day in (0, 180, 364):
        weights = world.user_weights(day)
        absent = (world.user_first_day > day) | (world.user_last_day < day)
        assert (weights[absent] == 0).all()
        assert weights[0] > 0


def test_every_item_has_a_title_of_its_own(world):
    assert len(set(world.titles())) == world.n_items
