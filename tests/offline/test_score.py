from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pipelines.config import EvaluationSettings
from pipelines.errors import MissingSnapshotError
from pipelines.models.base import TopN
from pipelines.offline.score import list_means, means_by_segment, per_user_table, reported_cuts
from pipelines.offline.truth import Truth

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

    found = {name: entry["all"]["value"] for name, entry in list_means(lists, met, CUTS).items()}

    assert found["coverage_at_2"] == 1
    assert found["served_share_at_2"] == 2 / 3
    assert found["personalisation_at_2"] == 1 - 1 / 2  # both have milk
    assert found["mean_popularity_at_2"] == ((2 + 2) / 8 + (2 + 1) / 8) / 2
    assert found["intra_list_diversity_at_2"] == pytest.approx((1 - 1 / 2 + 1) / 2)
    assert set(found) == {
        f"{name}_at_2"
        for name in (
            *("coverage", "gini", "personalisation", "served_share"),
            *("mean_popularity", "novelty", "intra_list_diversity"),
        )
    }


def test_metrics_of_single_lists_have_bounds_and_those_of_all_together_have_none(
    lists: TopN,
) -> None:
    met = sparse.csr_array(np.array([[1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=bool))

    found = list_means(lists, met, CUTS)

    assert found["novelty_at_2"]["all"]["low"] < found["novelty_at_2"]["all"]["value"]
    assert found["coverage_at_2"]["all"]["low"] is None
