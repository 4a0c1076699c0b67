from __future__ import annotations

import json
import time
from math import log2
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.metrics import ndcg_score

from pipelines.evaluate import metrics
from pipelines.evaluate.metrics import (
    RANKING_METRICS,
    candidate_recall,
    hit_matrix,
    ranking_metrics,
)
from pipelines.models.kernels.top_n import top_n_of_scores

CASES = Path(__file__).parent / "cases"


def truth_of(rows: list[list[int]], n_items: int) -> sparse.csr_array:
    dense = np.zeros((len(rows), n_items), dtype=bool)
    for row, relevant in enumerate(rows):
        dense[row, relevant] = True
    return sparse.csr_array(dense)


def lists_of(rows: list[list[int]], width: int) -> np.ndarray:
    return np.array([row + [-1] * (width - len(row)) for row in rows], dtype=np.int32)


def slow_metric(metric: str, ranked: list[int], relevant: set[int], k: int) -> float:
    """One user's metric from its definition, item by item."""
    top = ranked[:k]
    hit_ranks = [rank for rank, item in enumerate(top, start=1) if item in relevant]
    best = min(k, len(relevant))
    if not relevant:
        return 0.0
    if metric == "ndcg":
        ideal = sum(1 / log2(rank + 1) for rank in range(1, best + 1))
        return sum(1 / log2(rank + 1) for rank in hit_ranks) / ideal
    if metric == "map":
        return sum((n / rank) for n, rank in enumerate(hit_ranks, start=1)) / best
    if metric == "mrr":
        return 1 / hit_ranks[0] if hit_ranks else 0.0
    divisor = {"recall": len(relevant), "precision": k, "hit": max(1, len(hit_ranks))}[metric]
    return len(hit_ranks) / divisor


# by hand


def test_hits_at_ranks_one_and_three_of_three_relevant() -> None:
    found = ranking_metrics(lists_of([[7, 2, 5]], 3), truth_of([[5, 7, 9]], 10), ks=[3])

    ideal = 1 / log2(2) + 1 / log2(3) + 1 / log2(4)
    assert found["precision_at_3"] == 2 / 3
    assert found["recall_at_3"] == 2 / 3
    assert found["ndcg_at_3"] == pytest.approx((1 / log2(2) + 1 / log2(4)) / ideal, abs=1e-15)
    assert found["map_at_3"] == pytest.approx((1 / 1 + 2 / 3) / 3, abs=1e-15)
    assert found["mrr_at_3"] == 1
    assert found["hit_at_3"] == 1


def test_perfect_list_scores_one_when_more_items_are_relevant_than_fit() -> None:
    found = ranking_metrics(lists_of([[0, 1]], 2), truth_of([[0, 1, 2, 3]], 5), ks=[2])

    assert found["ndcg_at_2"] == found["map_at_2"] == found["precision_at_2"] == 1
    assert found["recall_at_2"] == 2 / 4


def test_precision_of_a_short_list_still_divides_by_k() -> None:
    found = ranking_metrics(lists_of([[4]], 5), truth_of([[4]], 6), ks=[5])

    assert found["precision_at_5"] == 1 / 5
    assert found["ndcg_at_5"] == 1


def test_user_without_list_and_user_without_truth_score_zero() -> None:
    found = ranking_metrics(lists_of([[], [1, 2]], 2), truth_of([[1], []], 3), ks=[1, 2])

    assert all((values == 0).all() for values in found.values())


def test_mean_of_three_users_is_one_third() -> None:
    # u1: its one item is first; u2: two items, none listed; u3: one item, no list
    found = ranking_metrics(
        lists_of([[0, 3], [4, 5], []], 2), truth_of([[0], [1, 2], [3]], 6), ks=[10]
    )

    assert found["ndcg_at_10"].mean() == pytest.approx((1 + 0 + 0) / 3, abs=1e-15)


def test_first_hit_after_the_cut_counts_for_the_longer_cut_only() -> None:
    found = ranking_metrics(lists_of([[0, 1, 2]], 3), truth_of([[2]], 4), ks=[1, 2, 3])

    assert [found[f"mrr_at_{k}"][0] for k in (1, 2, 3)] == [0, 0, 1 / 3]
    assert [found[f"hit_at_{k}"][0] for k in (1, 2, 3)] == [0, 0, 1]


def test_cut_beyond_the_width_of_the_lists_counts_as_padding() -> None:
    narrow = ranking_metrics(lists_of([[0, 1]], 2), truth_of([[1]], 3), ks=[4])
    padded = ranking_metrics(lists_of([[0, 1]], 4), truth_of([[1]], 3), ks=[4])

    assert narrow == padded


def test_relevant_item_that_no_list_can_hold_lowers_recall() -> None:
    # column 3 is an item first met in the window: beyond the three known items
    found = ranking_metrics(lists_of([[0, 1, 2]], 3), truth_of([[0, 3]], 4), ks=[3])

    assert found["recall_at_3"] == 1 / 2


def test_no_users_gives_empty_metrics() -> None:
    found = ranking_metrics(np.zeros((0, 3), np.int32), sparse.csr_array((0, 4)), ks=[3])

    assert all(values.shape == (0,) for values in found.values())


# against others


def test_recommenders_library_fixture_is_reproduced() -> None:
    case = json.loads((CASES / "ranking.json").read_text())
    truth_pairs = list(zip(case["truth"]["user"], case["truth"]["item"], strict=True))
    rows = zip(*(case["lists"][key] for key in ("prediction", "user", "item")), strict=True)
    ranked = sorted(rows, reverse=True)
    users = sorted(set(case["truth"]["user"]))
    truth = truth_of([[item for who, item in truth_pairs if who == user] for user in users], 15)
    items = lists_of([[item for _, who, item in ranked if who == user] for user in users], 10)

    found = ranking_metrics(items, truth, ks=[case["k"]])
    own = ranking_metrics(lists_of([list(row.indices) for row in truth], 10), truth, ks=[case["k"]])

    for metric in ("precision", "recall", "map"):
        assert found[f"{metric}_at_10"].mean() == pytest.approx(case[metric], abs=case["tolerance"])
    assert own["precision_at_10"].mean() == pytest.approx(case["precision_when_lists_are_truth"])


def test_ndcg_equals_scikit_learn_without_ties() -> None:
    rng = np.random.default_rng(3)
    relevant = rng.random((50, 30)) < 0.2
    relevant[:, 0] = True  # scikit-learn's convention differs where nothing is relevant
    scores = rng.permuted(np.tile(np.arange(30.0), (50, 1)), axis=1)
    lists = np.argsort(-scores, axis=1).astype(np.int32)

    for k in (1, 5, 10, 30):
        found = ranking_metrics(lists, sparse.csr_array(relevant), ks=[k])[f"ndcg_at_{k}"]
        assert found.mean() == pytest.approx(ndcg_score(relevant, scores, k=k), abs=1e-12)


@st.composite
def lists_and_truth(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]], int]:
    n_items = draw(st.integers(1, 12))
    n_users = draw(st.integers(1, 6))
    item = st.integers(0, n_items - 1)
    one_list = st.lists(item, unique=True, max_size=n_items)
    return (
        draw(st.lists(one_list, min_size=n_users, max_size=n_users)),
        draw(st.lists(one_list, min_size=n_users, max_size=n_users)),
        n_items,
    )


@settings(max_examples=150, deadline=None)
@given(lists_and_truth(), st.sampled_from([1, 2, 3, 7, 15]))
def test_every_metric_equals_its_slow_definition(
    case: tuple[list[list[int]], list[list[int]], int], k: int
) -> None:
    lists, relevant, n_items = case

    found = ranking_metrics(lists_of(lists, n_items), truth_of(relevant, n_items), ks=[k, 4])

    for metric in RANKING_METRICS:
        for cut in (k, 4):
            expected = [
                slow_metric(metric, row, set(wanted), cut)
                for row, wanted in zip(lists, relevant, strict=True)
            ]
            values = found[f"{metric}_at_{cut}"]
            np.testing.assert_allclose(values, expected, atol=1e-12)
            assert ((values >= 0) & (values <= 1 + 1e-12)).all()


@settings(max_examples=100, deadline=None)
@given(lists_and_truth())
def test_a_longer_cut_never_lowers_recall_hit_or_mrr(
    case: tuple[list[list[int]], list[list[int]], int],
) -> None:
    lists, relevant, n_items = case
    ks = range(1, n_items + 2)

    found = ranking_metrics(lists_of(lists, n_items), truth_of(relevant, n_items), ks=ks)

    for metric in ("recall", "hit", "mrr"):
        by_cut = np.array([found[f"{metric}_at_{k}"] for k in ks])
        assert (np.diff(by_cut, axis=0) >= 0).all()


def test_a_longer_cut_may_lower_ndcg() -> None:
    # the second relevant item is missing from the list, and from the second cut on it is missed
    found = ranking_metrics(lists_of([[0, 2]], 2), truth_of([[0, 1]], 3), ks=[1, 2])

    assert found["ndcg_at_1"] == 1 > found["ndcg_at_2"]


def matrix_metrics(rank: np.ndarray, relevant: np.ndarray, k: int) -> dict[str, np.ndarray]:
    """Every metric from the rank of every item (inf = not listed), without any list.

    Ideal NDCG from sorted labels, precision at a hit from counts of hits ranked at least as well.
    """
    hit = relevant & (rank <= k)
    wanted = relevant.sum(axis=1)
    labels = -np.sort(-relevant.astype(float), axis=1)[:, :k]
    ideal = labels @ (1 / np.log2(np.arange(labels.shape[1]) + 2))
    gain = np.where(hit, 1 / np.log2(np.where(hit, rank, 1) + 1), 0).sum(axis=1)
    not_worse = (rank[:, None, :] <= rank[:, :, None]) & hit[:, None, :]
    precision = np.where(hit, not_worse.sum(axis=2) / np.where(hit, rank, 1), 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = {
            "ndcg": gain / ideal,
            "recall": hit.sum(axis=1) / wanted,
            "precision": hit.sum(axis=1) / k,
            "map": precision / np.minimum(k, wanted),
            "mrr": 1 / np.where(hit, rank, np.inf).min(axis=1),
            "hit": hit.any(axis=1).astype(float),
        }
    return {name: np.where(wanted > 0, values, 0.0) for name, values in found.items()}


def random_case(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores with many ties, some -inf (not listed), and labels; some users lack either."""
    n_users, n_items = int(rng.integers(1, 6)), int(rng.integers(2, 25))
    scores = rng.integers(0, 4, (n_users, n_items)).astype(np.float32)
    scores[rng.random((n_users, n_items)) < rng.choice([0.0, 0.3])] = -np.inf
    scores[rng.random(n_users) < 0.15] = -np.inf  # users without a list
    relevant = rng.random((n_users, n_items)) < rng.choice([0.05, 0.3])
    relevant[rng.random(n_users) < 0.15] = False  # users without truth
    return scores, relevant


def test_a_thousand_random_cases_agree_with_three_other_implementations() -> None:
    """Conventions: ties by lowest item before scoring; no list or no truth scores 0.

    scikit-learn averages over ties and gives 1 where nothing is relevant, so it is asked about
    users with truth and whole lists, with the ranks of the broken ties as scores.
    """
    rng = np.random.default_rng(17)
    asked_scikit_learn = 0
    for _ in range(1000):
        scores, relevant = random_case(rng)
        n_items, k = scores.shape[1], int(rng.integers(1, 15))
        lists = top_n_of_scores(scores, n_items)[0]
        found = ranking_metrics(lists, sparse.csr_array(relevant), ks=[k])

        rank = np.full(scores.shape, np.inf)
        for user, row in enumerate(scores.tolist()):
            listed = [item for item in range(n_items) if row[item] > -np.inf]
            ranked = sorted(listed, key=lambda item: (-row[item], item))
            rank[user, ranked] = np.arange(1, len(ranked) + 1)
            for metric in RANKING_METRICS:
                wanted = set(np.flatnonzero(relevant[user]).tolist())
                slow = slow_metric(metric, ranked, wanted, k)
                assert found[f"{metric}_at_{k}"][user] == pytest.approx(slow, abs=1e-12)
        for metric, values in matrix_metrics(rank, relevant, k).items():
            np.testing.assert_allclose(found[f"{metric}_at_{k}"], values, atol=1e-12)
        whole = relevant.any(axis=1) & np.isfinite(rank).all(axis=1)
        if whole.any():
            mean = ndcg_score(relevant[whole], -rank[whole], k=k, ignore_ties=True)
            assert found[f"ndcg_at_{k}"][whole].mean() == pytest.approx(mean, abs=1e-12)
            asked_scikit_learn += 1
    assert asked_scikit_learn > 300


@settings(max_examples=50, deadline=None)
@given(lists_and_truth(), st.randoms(use_true_random=False))
def test_order_of_users_changes_nothing(case: tuple, random: object) -> None:
    lists, relevant, n_items = case
    order = list(range(len(lists)))
    random.shuffle(order)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random

    found = ranking_metrics(lists_of(lists, n_items), truth_of(relevant, n_items), ks=[3])
    moved = ranking_metrics(
        lists_of([lists[n] for n in order], n_items),
        truth_of([relevant[n] for n in order], n_items),
        ks=[3],
    )

    for name, values in found.items():
        np.testing.assert_array_equal(values[order], moved[name])


def test_blocks_of_users_see_only_their_own_truth(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    lists = np.argsort(rng.random((37, 20)), axis=1)[:, :8].astype(np.int32)
    truth = sparse.csr_array(rng.random((37, 20)) < 0.3)
    whole = hit_matrix(lists, truth)

    monkeypatch.setattr(metrics, "LOOKUP_BYTES", 5 * 21)  # five users at a time

    np.testing.assert_array_equal(hit_matrix(lists, truth), whole)
    np.testing.assert_array_equal(whole, np.take_along_axis(truth.toarray(), lists, axis=1))


def test_two_hundred_thousand_lists_take_a_fraction_of_a_second() -> None:
    rng = np.random.default_rng(0)
    lists = rng.integers(0, 5000, (200_000, 50), dtype=np.int32)
    truth = sparse.csr_array(
        (np.ones(10**6, dtype=bool), (np.arange(10**6) // 5, rng.integers(0, 5000, 10**6))),
        shape=(200_000, 5000),
    )

    started = time.process_time()
    ranking_metrics(lists, truth, ks=[10])

    assert time.process_time() - started < 1.0  # measured .07 s; ten times that is a regression


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
