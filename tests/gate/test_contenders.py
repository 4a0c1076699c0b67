from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipelines.gate.contenders import contender_problem, have_same_users, share_problem


@pytest.mark.parametrize("value", [0, 0.0, 0.31, 1, 1.0, np.float32(0.5), np.int64(1)])
def test_share_problem_is_none_for_numbers_from_zero_to_one(value):
    assert share_problem(value) is None


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (None, "missing"),
        (True, "type bool"),
        (np.True_, "type bool"),
        ("0.4", "type str"),
        ([0.4], "type list"),
        (float("nan"), "outside"),
        (float("inf"), "outside"),
        (float("-inf"), "outside"),
        (1.0000001, "outside"),
        (-0.1, "outside"),
    ],
)
def test_share_problem_names_what_is_wrong(value, problem):
    assert problem in share_problem(value)


def test_contender_problem_is_none_when_figures_are_sound(contender):
    assert contender_problem(contender("a", [0.2, 0.4]), 10) is None


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"ndcg": None}, "NDCG@10 of a is missing"),
        ({"coverage": float("nan")}, "coverage of a is nan"),
        ({"user_ndcg": None}, "no figures per user"),
        ({"user_ids": np.array(["u1"])}, "1 users, 2 values and 2 segments"),
        ({"user_ids": np.array(["u1", "u1"])}, "users that occur twice"),
        ({"user_ndcg": np.array([0.2, np.nan])}, "missing or outside"),
        ({"user_ndcg": np.array([0.2, 1.5])}, "missing or outside"),
        ({"user_ndcg": np.array([True, False])}, "type bool"),
        ({"user_ndcg": np.array([0.2, 0.6])}, "but its users' mean is 0.4"),
    ],
)
def test_contender_problem_names_what_is_wrong(contender, fields, problem):
    assert problem in contender_problem(replace(contender("a", [0.2, 0.4]), **fields), 10)


def test_contender_problem_refuses_when_no_user_was_evaluated(contender):
    assert "no user" in contender_problem(contender("a", [], ndcg=0.4), 10)


def test_have_same_users_is_false_when_users_or_their_order_differ(contender):
    first = contender("a", [0.1, 0.2])
    reordered = contender("b", [0.1, 0.2], user_ids=first.user_ids[::-1])
    unknown = contender("c", [0.1, 0.2], user_ids=None)
    assert have_same_users(first, contender("d", [0.3, 0.4]))
    assert not have_same_users(first, reordered)
    assert not have_same_users(first, unknown)
