from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipelines.base.errors import MissingSnapshotError
from pipelines.base.settings_sections import EvaluationSettings
from pipelines.evaluate.list_metrics import LIST_METRICS, intra_list_diversity, item_vectors
from pipelines.evaluate.score import list_means, means_by_segment, per_user_table, reported_cuts
from pipelines.evaluate.truth import Truth
from pipelines.models.base import TopN

CUTS = EvaluationSettings(k=2, ks=(1, 3))
SEGMENTS = pd.Series({"ann": "new", "bob": "heavy", "cid": "heavy"})


@pytest.fixture
def lists() -> TopN:
    items = np.array([[0, 1, -1], [1, 2, 0], [-1, -1, -1]], dtype=np.int32)
    names = np.array(["ann", "bob", "cid"])
    return TopN(names, np.array(["jam", "milk", "tea"]), items, np.zeros((3, 3), np.float32))


@pytest.fixture
def truth() -> Truth:
    relevant = sparse.csr_array(np.array([[1, 0, 0], [1, 0, 0], [0, 1, 1]], dtype=bool))
    return Truth(np.arange(3), relevant, {})


def test_gate_cut_is_reported_even_when_it_is_not_listed() -> None:
    assert reported_cuts(CUTS) == (1, 2, 3)


def test_one_row_per_user_with_every_metric(lists: TopN, truth: Truth) -> None:
    found = per_user_table(lists, truth, SEGMENTS, CUTS)

    assert found["user_id"].tolist() == ["ann", "bob", "cid"]
    assert found["segment"].tolist() == ["new", "heavy", "heavy"]
    assert found["relevant_count"].tolist() == [1, 1, 2]
    assert found["list_length"].tolist() == [2, 3, 0]
    assert found["mrr_at_3"].tolist() == [1, 1 / 3, 0]
    assert [column for column in found if column.startswith("ndcg")] == [
        *("ndcg_at_1", "ndcg_at_2", "ndcg_at_3")
    ]


def test_user_without_a_segment_is_refused(lists: TopN, truth: Truth) -> None:
    with pytest.raises(MissingSnapshotError, match="Found none for 'cid'"):
        per_user_table(lists, truth, SEGMENTS[:2], CUTS)


def test_means_of_all_and_of_segments_that_have_users(lists: TopN, truth: Truth) -> None:
    found = means_by_segment(per_user_table(lists, truth, SEGMENTS, CUTS), CUTS)["mrr_at_3"]

    assert set(found) == {"all", "new", "heavy"}
    assert found["all"]["value"] == pytest.approx((1 + 1 / 3 + 0) / 3)
    assert found["heavy"]["value"] == pytest.approx(1 / 6)
    assert found["new"] == {"value": 1.0, "low": None, "high": None, "user_count": 1}


def test_list_metrics_are_of_the_first_k_items(lists: TopN) -> None:
    met = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool))

    means = list_means(lists, met, CUTS, own=met[:3], segment=SEGMENTS.to_numpy())

    found = {name: entry["all"]["value"] for name, entry in means.items()}

    assert found["coverage_at_2"] == 1
    assert found["served_share_at_2"] == 2 / 3
    assert found["personalisation_at_2"] == 1 - 1 / 2  # both have milk
    assert found["mean_popularity_at_2"] == ((2 + 2) / 8 + (2 + 1) / 8) / 2
    assert found["intra_list_diversity_at_2"] == pytest.approx((1 - 1 / 2 + 1) / 2)
    # ann met jam, 2 of 4 users; bob jam and milk, 2 of 4 each; cid has no list
    assert found["popularity_lift_at_2"] == pytest.approx((0.5 + 0.375) / (0.5 + 0.5) - 1)
    assert set(found) == {f"{name}_at_2" for name in LIST_METRICS}


def test_list_metrics_of_a_segment_are_those_of_its_lists_alone(lists: TopN) -> None:
    met = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]], dtype=bool))
    heavy = np.array([1, 2])
    alone = TopN(lists.user_ids[heavy], lists.item_ids, lists.items[heavy], lists.scores[heavy])

    found = list_means(lists, met, CUTS, own=met[:3], segment=SEGMENTS.to_numpy())
    own = list_means(alone, met, CUTS, own=met[1:3], segment=np.array(["heavy", "heavy"]))

    for metric, segments in found.items():
        assert list(segments) == ["all", "new", "heavy"]
        assert segments["heavy"] == own[metric]["all"]
    assert found["coverage_at_2"]["new"]["value"] == 2 / 3  # ann's list is jam and milk


def test_lists_as_popular_as_the_histories_have_no_lift(lists: TopN) -> None:
    met = sparse.csr_array(np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], dtype=bool))

    found = list_means(lists, met, CUTS, own=met, segment=SEGMENTS.to_numpy())

    entry = found["popularity_lift_at_2"]["all"]
    assert entry == {"value": 0.0, "low": 0.0, "high": 0.0, "user_count": 2}


def test_metrics_of_single_lists_have_bounds_and_those_of_all_together_have_none(
    lists: TopN,
) -> None:
    met = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool))

    found = list_means(lists, met, CUTS, own=met, segment=SEGMENTS.to_numpy())

    assert found["novelty_at_2"]["all"]["low"] < found["novelty_at_2"]["all"]["value"]
    assert found["coverage_at_2"]["all"]["low"] is None


def test_items_are_alike_by_everybody_and_not_by_those_scored(lists: TopN) -> None:
    met = sparse.csr_array(np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 1]], dtype=bool))
    found = list_means(lists, met, CUTS, own=met[:3], segment=SEGMENTS.to_numpy())
    diversity = intra_list_diversity(lists.items[:, :2], item_vectors(met)).mean()
    assert found["intra_list_diversity_at_2"]["all"]["value"] == pytest.approx(diversity)
    assert diversity < 1  # the three alone have no item in common
