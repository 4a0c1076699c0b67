"""Interleaving on a simulated public: who prefers what, and how often chance is taken for it."""

from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from pipelines.measure.interleaving import analyse_interleaving, sign_test
from pipelines.measure.units import check_units
from pipelines.serve.answer.ranking import Row
from pipelines.serve.answer.team_draft import draft_coin, draft_teams
from pipelines.simulate.world import make_world
from tests.measure.conftest import NIGHT, make_interleaved, make_teams, make_units

SHOWN = 10


def analyse(experiment, units, teams):
    return analyse_interleaving(experiment, check_units(units, experiment, NIGHT), teams, NIGHT)


def test_the_sign_test_is_the_binomials():
    found = sign_test(15, 5, 7, alpha=0.05)
    by_hand = 2 * sum(math.comb(20, n) for n in range(6)) / 2**20
    assert found.p_value == pytest.approx(by_hand)
    assert (found.user_count, found.tied_user_count, found.share) == (27, 7, 0.75)
    # Clopper and Pearson: the bounds are where the tails are alpha/2
    assert binom.sf(14, 20, found.low) == pytest.approx(0.025)
    assert binom.cdf(15, 20, found.high) == pytest.approx(0.025)


@pytest.mark.parametrize(("ties", "why"), [(0, "no user was served"), (9, "no user clicked more")])
def test_nothing_to_test_is_null_with_a_reason(ties, why):
    found = sign_test(0, 0, ties, alpha=0.05)
    assert found.share is found.low is found.high is found.p_value is None
    assert why in found.reason and found.tied_user_count == ties


def test_clicks_are_credited_to_the_team_and_users_without_any_are_tied():
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 40, 10, ties=5)
    report = analyse(experiment, units, teams[teams["user_id"] != "u54"])
    (found,) = report["preferences"]
    assert (found["arm_user_count"], found["control_user_count"]) == (40, 10)
    assert (found["tied_user_count"], found["user_count"]) == (5, 55)
    assert report["arms"]["ease"]["click_count"] == 40 * 3 + 10 + 4
    assert report["decisions"][0]["verdict"] == "ship"


@pytest.mark.parametrize(
    ("wins", "losses", "planned", "verdict"),
    [
        *((60, 20, 50, "ship"), (20, 60, 50, "roll back"), (40, 40, 50, "no decision")),
        *((60, 20, 5000, "continue"), (0, 0, 10, "no decision")),
    ],
)
def test_the_decision_waits_for_the_planned_users_and_then_follows_the_test(
    wins, losses, planned, verdict
):
    experiment = make_interleaved(expected_users=planned)
    report = analyse(experiment, *make_teams(experiment, wins, losses))
    assert report["decisions"][0]["verdict"] == verdict
    assert json.dumps(report, allow_nan=False)


def test_before_seven_days_nothing_is_decided():
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 60, 20)
    units["first_served_at"] = pd.Timestamp("2024-03-30")
    decision = analyse(experiment, units, teams)["decisions"][0]
    assert decision["verdict"] == "continue" and "2 of 7 days" in decision["reason"]


def test_users_with_another_bucket_void_the_experiment():
    experiment = make_interleaved(expected_users=50)
    units, teams = make_teams(experiment, 60, 20)
    units.loc[3:4, "bucket"] += 1
    report = analyse(experiment, units, teams)
    assert report["preferences"][0]["share"] is None
    assert report["decisions"][0]["verdict"] == "void" and "u3" in report["decisions"][0]["reason"]


def test_nobody_served_is_no_nan():
    experiment = make_interleaved()
    units = make_units(experiment, 1).iloc[:0]
    teams = make_teams(experiment, 1, 0)[1].iloc[:0]
    report = analyse(experiment, units, teams)
    assert json.dumps(report, allow_nan=False)
    assert report["preferences"][0]["reason"] == "no user was served"


# a public whose truth is known


def tastes_and_best_sellers(world):
    """Lists of two recommenders: what everybody likes, and what each user likes. Indices."""
    everybody = np.argsort(-world.item_appeal)[:SHOWN].tolist()
    liking = world.user_tastes[:, world.item_tastes] * world.item_appeal
    own = np.argsort(-liking, axis=1)[:, :SHOWN].tolist()
    return lambda user: (everybody, own[user])


def preferences(world, lists_of, experiment_id, days, seed):
    """Wins of the second list, of the first, and ties, after each user came on some days."""
    rng = np.random.default_rng(seed)
    looks = world.look_chances(SHOWN)
    difference = np.zeros(world.n_users, dtype=int)
    for day in range(days):
        luck = rng.random((world.n_users, 2, SHOWN))
        for user in range(world.n_users):
            pair = lists_of(user)
            lists = ([Row(str(item), 1.0, "", "") for item in items] for items in pair)
            coin = draft_coin(world.user_id(user), experiment_id, f"day-{day}")
            rows, teams = draft_teams(*lists, coin)
            items = np.array([int(row.item_id) for row in rows[:SHOWN]])
            clicked = luck[user, 0, : len(items)] < (
                looks[: len(items)] * world.click_chances(user, items)
            )
            signs = 2 * np.array(teams[: len(items)]) - 1
            difference[user] += int((signs * clicked).sum())
    return int((difference > 0).sum()), int((difference < 0).sum()), int((difference == 0).sum())


def power(n_runs, n_users):
    """Runs that find the better of two lists."""
    found = 0
    for run in range(n_runs):
        world = make_world(run, n_users, 120)
        counts = preferences(world, tastes_and_best_sellers(world), f"run-{run}", 2, run)
        test = sign_test(*counts, alpha=0.05)
        found += test.low is not None and test.low > 0.5
    return found


def false_alarms(n_salts, n_users):
    """Share of A/A tests that find something: both lists are the same, only the salt differs."""
    world = make_world(1, n_users, 120)
    lists_of = tastes_and_best_sellers(world)
    found, size = 0, 0.0
    for salt in range(n_salts):
        counts = preferences(
            world, lambda user: (lists_of(user)[1],) * 2, f"salt-{salt}", 1, [salt, 3]
        )
        found += sign_test(*counts, alpha=0.05).p_value < 0.05
        size += true_size(counts[0] + counts[1])
    return found / n_salts, size / n_salts


def true_size(n):
    """Chance that the exact two-sided test of n users rejects at 5 % where there is nothing."""
    least = next(k for k in range(n // 2, -1, -1) if 2 * binom.cdf(k, n, 0.5) < 0.05)
    return 2 * binom.cdf(least, n, 0.5)


def test_the_better_list_is_found():
    assert power(3, 300) == 3


def test_aa_tests_seldom_find_anything():
    share, size = false_alarms(60, 120)
    print(f"A/A over 60 salts: {share:.1%}; the exact test's own error is {size:.1%}")
    assert share <= size + 3 * math.sqrt(size * (1 - size) / 60)


@pytest.mark.prove
def test_the_better_list_is_found_in_50_runs():
    found = power(50, 300)
    print(f"interleaving: the better list found in {found} of 50 runs of 300 users")
    assert found >= 48


@pytest.mark.prove
@pytest.mark.parametrize(("n_salts", "n_users"), [(1000, 600), (2000, 2000)])
def test_false_alarms_of_aa_tests_are_the_tests_own(n_salts, n_users):
    share, size = false_alarms(n_salts, n_users)
    print(
        f"A/A over {n_salts:,} salts, {n_users:,} users: {share:.2%} (asked 3.5 to 6.5); "
        f"the test's own error {size:.2%}"
    )
    # an exact test of few users errs less often than 5 %: the band is asked of many
    assert abs(share - size) <= 3 * math.sqrt(size * (1 - size) / n_salts)
    assert n_users < 2000 or 0.035 <= share <= 0.065
