"""Estimates of lists that were not shown, against sums by hand and a public whose truth is known."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from pipelines.measure.off_policy import (
    NO_PROPENSITIES,
    Estimate,
    estimate_off_policy,
    weigh_impressions,
)
from pipelines.serve.answer.explore import draw_swap, shown_order, swap_odds
from pipelines.simulate.world import make_world

SHOWN, DEPTH, SHARE = 10, 3, 0.05


def impressions_of(rows):
    """Rows of (user, shown, target, click, weight)."""
    return pd.DataFrame(rows, columns=["user_id", "item_id", "target_item", "click", "weight"])


def answer(request_id, user, shown, chances, targets, *, seen=None, clicked=()):
    return [
        (
            *(request_id, user, place + 1, item, chance),
            *(seen is None or place < seen, item in clicked, target),
        )
        for place, (item, chance, target) in enumerate(zip(shown, chances, targets, strict=True))
    ]


def frame(*answers):
    names = ["request_id", "user_id", "position", "item_id", "propensity", "is_seen"]
    rows = [row for one in answers for row in one]
    return pd.DataFrame(rows, columns=[*names, "is_clicked", "target_item"])


def test_the_weights_of_two_answers_by_hand():
    odds = swap_odds(4, set(), 2, 0.04)
    stays = [odds.stay_chance(place) for place in range(4)]
    swapped = [stays[0], *(odds.swap_chance(1, 3),) * 2]
    one = answer("r1", "u1", "abcd", stays, "bacx", seen=3, clicked="a")
    two = answer("r2", "u2", "adcb", [swapped[0], swapped[1], stays[2], swapped[2]], "adcb")
    found, left_out = weigh_impressions(frame(one, two), 2)
    weights = found["weight"].tolist()
    # r1 as listed: the target's a and b are shown elsewhere (weight 0), c is where it should be
    assert weights[:3] == pytest.approx([0, 0, 1 / stays[2]])
    # r2 was swapped: everything is as the target wants it, d and b by a rare draw
    assert weights[3:] == pytest.approx(
        [1 / stays[0], 1 / swapped[1], 1 / stays[2], 1 / swapped[2]]
    )
    assert found["click"].tolist() == [1, 0, 0, 0, 0, 0, 0] and left_out == 0


def test_a_place_where_the_targets_item_never_comes_has_no_weight():
    stays = [swap_odds(4, set(), 1, 0.04).stay_chance(place) for place in range(4)]
    found, _ = weigh_impressions(frame(answer("r", "u", "abcd", stays, "xbdc")), 1)
    assert found["weight"].isna().tolist() == [True, False, True, True]


def test_answers_of_another_depth_are_left_out_and_counted():
    stays = [swap_odds(6, set(), 3, 0.04).stay_chance(place) for place in range(6)]
    rows = frame(answer("r", "u", "abcdef", stays, "abcdef"))
    assert weigh_impressions(rows, 3)[1] == 0
    assert weigh_impressions(rows, 2)[1] == 1


def test_estimates_of_a_hundred_and_fifty_users_by_hand():
    # 100 users were shown the target's item at a chance of 1/2, 50 another: 30 and 5 clicks.
    rows = [(f"u{n}", "a", "a", float(n < 30), 2.0) for n in range(100)]
    rows += [(f"v{n}", "b", "a", float(n < 5), 0.0) for n in range(50)]
    found = estimate_off_policy(impressions_of(rows))
    assert found.effective_sample_size == pytest.approx(200**2 / 400)
    assert found.ips.value == pytest.approx(60 / 150)
    assert found.snips.value == pytest.approx(60 / 200)
    assert found.logged.value == pytest.approx(35 / 150)
    products = np.array([2.0] * 30 + [0.0] * 120)
    assert found.ips.standard_error == pytest.approx(products.std(ddof=1) / 150**0.5)
    assert found.supported_share == 1.0 and found.user_count == 150


def test_a_perfect_model_leaves_dr_nothing_to_correct():
    rng = np.random.default_rng(0)
    rows = [
        (f"u{n}", item, "a", float(item == "a"), 2.0 * (item == "a"))
        for n, item in enumerate(rng.choice(["a", "b"], 4000))
    ]
    found = estimate_off_policy(impressions_of(rows))
    assert found.dr.value == pytest.approx(1.0, abs=0.02)
    assert found.dr.standard_error < found.ips.standard_error / 5


def test_the_logged_lists_themselves_are_what_they_were():
    rows = [(f"u{n % 70}", "a", "a", float(n % 4 == 0), 1.0) for n in range(700)]
    found = estimate_off_policy(impressions_of(rows))
    assert found.ips == found.snips == found.logged
    assert found.effective_sample_size == pytest.approx(700)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([], NO_PROPENSITIES),
        ([("u", "a", "x", 1.0, np.nan)], "no item of these lists had a chance"),
        ([(f"u{n}", "a", "a", 1.0, 1.0) for n in range(99)], "at least 100 are needed"),
        (
            [(f"u{n}", "a", "a", 1.0, 300.0 if n < 150 else 0.0) for n in range(20_000)],
            "count for 150, at least 200 are needed",
        ),
        ([(f"u{n}", "a", "b", 1.0, 0.0) for n in range(500)], "count for 0"),
    ],
)
def test_there_is_no_number_where_nothing_can_be_said(rows, why):
    found = estimate_off_policy(impressions_of(rows))
    for one in (found.ips, found.snips, found.dr):
        assert one.value is None and one.standard_error is None and why in one.reason
    assert json.dumps(asdict(found), allow_nan=False)


def test_one_user_has_no_standard_error():
    found = estimate_off_policy(impressions_of([("u", "a", "a", 1.0, 1.0)] * 200))
    assert found.ips == Estimate(1.0, None, "one user has no spread")


# a public whose truth is known


def explored_answers(world, days, target_of, seed):
    """A log of answers with swaps, and the true clicks per look of the target's lists."""
    rng = np.random.default_rng(seed)
    noise = rng.lognormal(0, 0.5, (world.n_users, world.n_items))
    liking = world.user_tastes[:, world.item_tastes] * world.item_appeal * noise
    lists = np.argsort(-liking, axis=1)[:, :SHOWN]
    odds = swap_odds(SHOWN, set(), DEPTH, SHARE)
    looks = world.look_chances(SHOWN)
    rows, expected = [], 0.0
    for user in range(world.n_users):
        target = target_of(lists[user])
        expected += float(world.click_chances(user, target) @ looks)
        for day in range(days):
            request_id = f"{seed}-{day}-{user}"
            order = shown_order(SHOWN, draw_swap(odds, request_id))
            shown = lists[user][order]
            looked = 1 + int(np.cumprod(rng.random(SHOWN - 1) < world.looks_on).sum())
            clicked = rng.random(SHOWN) < world.click_chances(user, shown)
            rows += answer(
                request_id,
                world.user_id(user),
                shown.tolist(),
                [odds.shown_chance(was, now) for now, was in enumerate(order)],
                target.tolist(),
                seen=looked,
                clicked=set(shown[clicked].tolist()),
            )
    return frame(rows), expected / (world.n_users * looks.sum())


def swap_second_and_third(listed):
    """The known policy: the items of the second and the third place change places."""
    target = listed.copy()
    target[[1, 2]] = target[[2, 1]]
    return target


def distances(n_runs, n_users, days, target_of):
    """Standard errors between each estimate and the truth, shape (n_runs, 3)."""
    found = []
    for run in range(n_runs):
        world = make_world(run, n_users, 80)
        answers, truth = explored_answers(world, days, target_of, run)
        impressions, left_out = weigh_impressions(answers, DEPTH)
        told = estimate_off_policy(impressions)
        assert left_out == 0 and told.supported_share == 1.0
        estimates = [told.ips, told.snips, told.dr]
        assert all(one.value is not None for one in estimates), told.ips.reason
        found.append([(one.value - truth) / one.standard_error for one in estimates])
        print(
            f"run {run}: {told.impression_count:,} impressions count for "
            f"{told.effective_sample_size:,.0f}; truth {truth:.4f}, "
            + ", ".join(
                f"{name} {one.value:.4f} ± {one.standard_error:.4f}"
                for name, one in zip(("IPS", "SNIPS", "DR"), estimates, strict=True)
            )
        )
    return np.array(found)


def test_a_known_policy_is_within_three_standard_errors_of_the_truth():
    assert np.abs(distances(1, 600, 4, swap_second_and_third)).max() < 3


def test_the_lists_without_their_swaps_are_within_three_standard_errors_of_the_truth():
    assert np.abs(distances(1, 300, 2, lambda listed: listed)).max() < 3


@pytest.mark.prove
def test_a_known_policy_is_within_three_standard_errors_in_20_worlds():
    found = distances(20, 2000, 10, swap_second_and_third)
    spread = found.std(axis=0, ddof=1)
    print(f"largest distance {np.abs(found).max():.2f} standard errors; their spread {spread}")
    assert np.abs(found).max() < 3
    assert (np.abs(spread - 1) < 3 / (2 * 20) ** 0.5).all()  # standard errors are what they say
