from __future__ import annotations

import numpy as np

from pipelines.models.base import TopN
from pipelines.rules.fill import back_fill

NAN = float("nan")


def top(items, scores, item_ids=("a", "b", "c", "d")):
    user_ids = np.array([f"u{n}" for n in range(len(items))])
    return TopN(
        user_ids,
        np.array(item_ids),
        np.array(items, dtype=np.int32),
        np.array(scores, dtype=np.float32),
    )


def test_filled_rows_start_at_the_last_own_score_and_keep_their_distances():
    own = top([[2, -1, -1]], [[5.0, NAN, NAN]])
    spare = top([[2, 0, 1]], [[90.0, 80.0, 50.0]])
    filled = back_fill(own, spare)
    assert filled.items.tolist() == [[2, 0, 1]]
    assert filled.scores.tolist() == [[5.0, 5.0 - (80 - 80), 5.0 - (80 - 50)]]
    assert filled.own_count.tolist() == [1]


def test_a_list_without_own_items_keeps_the_scores_of_the_other():
    own = top([[-1, -1]], [[NAN, NAN]])
    spare = top([[3, 1]], [[0.5, 0.25]])
    assert back_fill(own, spare).scores.tolist() == [[0.5, 0.25]]


def test_a_whole_list_is_left_alone():
    own = top([[0, 1]], [[2.0, 1.0]])
    spare = top([[-1, -1]], [[NAN, NAN]])
    filled = back_fill(own, spare)
    assert filled.items.tolist() == [[0, 1]] and filled.scores.tolist() == [[2.0, 1.0]]


def test_a_list_stays_short_when_both_have_no_more():
    own = top([[0, -1, -1]], [[1.0, NAN, NAN]])
    spare = top([[0, 3, -1]], [[9.0, 8.0, NAN]])
    assert back_fill(own, spare).items.tolist() == [[0, 3, -1]]


def test_vocabularies_may_differ():
    own = top([[0, -1]], [[1.0, NAN]], item_ids=("b", "c"))
    spare = top([[1, 0]], [[9.0, 8.0]], item_ids=("a", "b"))
    filled = back_fill(own, spare)
    assert filled.item_ids[filled.items].tolist() == [["b", "a"]]


def test_users_do_not_take_each_others_items():
    own = top([[0, -1], [1, -1]], [[1.0, NAN], [1.0, NAN]])
    spare = top([[1, 0], [1, 0]], [[2.0, 1.0], [2.0, 1.0]])
    assert back_fill(own, spare).items.tolist() == [[0, 1], [1, 0]]
