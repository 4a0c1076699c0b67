from __future__ import annotations

import numpy as np
import pytest

from pipelines.events.synthetic.days import EVENT_TYPES, REMEMBERED, Memory, draw_day
from pipelines.events.synthetic.population import N_TASTES, draw_world

DAY_MICROSECONDS = 86_400 * 10**6


@pytest.fixture(scope="module")
def world():
    return draw_world(np.random.default_rng(5), n_users=500, n_items=400, n_days=30)


@pytest.fixture(scope="module")
def events(world):
    return draw_day(np.random.default_rng(1), world, Memory.empty(500), 3, 20_000)


def test_a_day_has_exactly_the_events_asked_for(world):
    for count in (1, 2, 777):
        day = draw_day(np.random.default_rng(count), world, Memory.empty(500), 0, count)
        assert {len(column) for column in vars(day).values()} == {count}


def test_events_are_sorted_and_within_the_day(events):
    assert (np.diff(events.microsecond) >= 0).all()
    assert events.microsecond[0] >= 0
    assert events.microsecond[-1] < DAY_MICROSECONDS


def test_each_type_is_rarer_than_the_one_before(events):
    counts = np.bincount(events.event_type, minlength=len(EVENT_TYPES))
    assert counts[0] > 2 * counts[1] > 2 * counts[2] > 2 * counts[3] > 0


def test_a_session_belongs_to_one_user_and_what_is_bought_was_viewed(events):
    pairs = np.unique(np.column_stack([events.session, events.user]), axis=0)
    assert len(pairs) == len(np.unique(events.session))
    viewed = {
        (session, item)
        for session, item, kind in zip(
            events.session.tolist(), events.item.tolist(), events.event_type.tolist(), strict=True
        )
        if kind == 0
    }
    bought = events.event_type == 3
    assert set(zip(events.session[bought].tolist(), events.item[bought].tolist(), strict=True)) <= (
        viewed
    )


def test_only_users_who_are_there_come(world, events):
    assert (world.user_weights(3)[events.user] > 0).all()


def test_users_look_at_their_tastes_far_more_than_chance(world, events):
    liked = np.zeros((world.n_users, N_TASTES), dtype=bool)
    for slot in range(world.user_tastes.shape[1]):
        has = np.flatnonzero(world.user_taste_count > slot)
        liked[has, world.user_tastes[has, slot]] = True
    share_of_taste = np.zeros((world.n_items, N_TASTES))
    share_of_taste[world.member_item, world.member_taste] = world.member_share
    fits = (liked[events.user] & (share_of_taste[events.item] > 0)).any(axis=1)
    others = np.random.default_rng(0).permutation(events.user)
    by_chance = (liked[others] & (share_of_taste[events.item] > 0)).any(axis=1)
    assert fits.mean() > 0.8 > 3 * by_chance.mean()


def test_memory_holds_the_last_items_of_each_user_in_a_ring():
    memory = Memory.empty(2)
    memory.add(np.array([1, 0, 1]), np.array([10, 20, 30]))
    assert memory.items[1, :2].tolist() == [10, 30]
    assert memory.looks.tolist() == [1, 2]
    memory.add(np.ones(REMEMBERED + 3, dtype=int), np.arange(REMEMBERED + 3))
    assert sorted(memory.items[1].tolist()) == list(range(3, REMEMBERED + 3))
    assert memory.items[0, 0] == 20


def test_nobody_recalls_what_nobody_saw():
    memory = Memory.empty(3)
    memory.add(np.array([1]), np.array([7]))
    assert memory.recall(np.random.default_rng(0), np.array([0, 1, 2])).tolist() == [-1, 7, -1]
