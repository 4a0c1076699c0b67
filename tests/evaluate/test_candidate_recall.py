from __future__ import annotations

import numpy as np
from scipy import sparse

from pipelines.evaluate.candidate_recall import candidate_recall


def rows(*values: list[int]) -> sparse.csr_array:
    return sparse.csr_array(np.array(values, dtype=bool))


def test_recall_is_the_share_of_relevant_items_among_the_candidates() -> None:
    candidates = rows([1, 1, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1])
    relevant = rows([1, 0, 1, 1], [0, 1, 0, 0], [1, 0, 0, 1])
    assert candidate_recall(candidates, relevant).tolist() == [1 / 3, 0, 1]


def test_relevant_item_of_no_history_is_never_a_candidate() -> None:
    # two items of the history, and a third that nobody had met
    assert candidate_recall(rows([1, 1]), rows([1, 0, 1])).tolist() == [1 / 2]


def test_user_without_relevant_items_or_candidates_scores_zero() -> None:
    assert candidate_recall(rows([1, 0], [0, 0]), rows([0, 0], [1, 0])).tolist() == [0, 0]
