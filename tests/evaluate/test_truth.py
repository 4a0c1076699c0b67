from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipelines.evaluate.truth import align_truth, without_excluded
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion

PAIRS = pd.DataFrame(
    [
        ("ann", "milk"),  # bought before
        ("ann", "tea"),
        ("bob", "jam"),
        ("bob", "new_cake"),  # first sold in the window
        ("eve", "milk"),  # no history
    ],
    columns=["user_id", "item_id"],
)


@pytest.fixture
def history() -> Interactions:
    """ann has milk, bob has jam, cid has tea."""
    n = 3
    return Interactions(
        cutoff=date(2024, 2, 16),
        user_ids=np.array(["ann", "bob", "cid"]),
        item_ids=np.array(["jam", "milk", "tea"]),
        event_types=("purchase",),
        user=np.arange(n, dtype=np.int32),
        item=np.array([1, 0, 2], dtype=np.int32),
        event_type=np.zeros(n, dtype=np.int8),
        age_days=np.ones(n, dtype=np.int32),
        event_count=np.ones(n, dtype=np.float32),
        last_event_at=np.full(n, "2024-02-15", dtype="datetime64[us]"),
    )


def test_truth_counts_unknown_items_and_leaves_users_out(history: Interactions) -> None:
    truth = align_truth(PAIRS, history)

    assert truth.positions.tolist() == [0, 1]
    assert truth.relevant.toarray().tolist() == [
        [False, True, True, False],  # ann: milk, tea
        [True, False, False, True],  # bob: jam, and the item after the known three
    ]
    assert truth.left_out == {
        "users_without_history": 1,  # eve
        "users_without_truth": 1,  # cid
        "users_with_excluded_truth_only": 0,
    }


def test_empty_truth_leaves_everybody_out(history: Interactions) -> None:
    truth = align_truth(PAIRS.iloc[:0], history)

    assert truth.relevant.shape == (0, 3)
    assert truth.left_out["users_without_truth"] == 3


def test_excluded_items_leave_the_truth(history: Interactions) -> None:
    truth = align_truth(PAIRS, history)
    rule = Exclusion(history.select_users(truth.positions).pairs())

    remaining, rows = without_excluded(truth, rule, history.n_items)

    assert remaining.relevant.toarray().tolist() == [
        [False, False, True, False],  # ann: tea
        [False, False, False, True],  # bob: the new item
    ]
    assert rows.tolist() == [0, 1]


def test_user_whose_truth_is_all_excluded_is_left_out_and_counted(history: Interactions) -> None:
    truth = align_truth(PAIRS[PAIRS["item_id"].isin(["jam", "milk", "tea"])], history)
    rule = Exclusion(history.select_users(truth.positions).pairs())

    remaining, rows = without_excluded(truth, rule, history.n_items)

    assert (remaining.positions.tolist(), rows.tolist()) == ([0], [0])
    assert remaining.left_out["users_with_excluded_truth_only"] == 1  # bob, who has only jam


def test_item_kept_from_everybody_leaves_the_truth(history: Interactions) -> None:
    truth = align_truth(PAIRS, history)
    gone = history.item_ids == "jam"

    remaining, _ = without_excluded(truth, Exclusion(None, gone), history.n_items)

    assert remaining.relevant.sum(axis=1).tolist() == [2, 1]  # bob keeps the new item


def test_without_a_rule_nothing_leaves(history: Interactions) -> None:
    truth = align_truth(PAIRS, history)

    remaining, rows = without_excluded(truth, Exclusion(), history.n_items)

    assert (remaining.relevant != truth.relevant).nnz == 0
    assert rows.tolist() == [0, 1]
    assert isinstance(remaining.relevant, sparse.csr_array)


def test_what_a_user_is_not_eligible_for_and_who_does_not_consent_leave_the_truth(history):
    truth = align_truth(PAIRS, history)
    groups, hidden = np.array([1, 0]), np.array([[False] * 3, [False, True, False]])
    remaining, rows = without_excluded(truth, Exclusion(groups=groups, group_items=hidden), 3)
    assert rows.tolist() == [0, 1]
    # ann keeps tea, bob jam; the cake, of which no attribute was known, goes with its rule
    assert remaining.relevant.toarray().tolist() == [
        [False, False, True, False],
        [True] + [False] * 3,
    ]
    remaining, rows = without_excluded(truth, Exclusion(impersonal=np.array([True, False])), 3)
    assert rows.tolist() == [1]
    assert remaining.left_out["users_with_excluded_truth_only"] == 1
