from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from pipelines.models.ranker import trees as ranker_trees
from pipelines.models.ranker.trees import gain_by_feature, grow_trees, no_trees, sum_of_trees

PARAMS = {"max_iter": 8, "learning_rate": 0.2, "min_samples_leaf": 5, "max_leaf_nodes": 7}


def make_rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Relevance follows the first column; the second has holes, the third is unknown."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 3)).astype(np.float32)
    features[rng.random(400) < 0.3, 1] = np.nan
    is_relevant = features[:, 0] + rng.normal(size=400) > 0.5
    return features, is_relevant, rng.uniform(0.5, 2.0, size=400)


def test_sum_of_trees_is_the_decision_function_less_its_constant() -> None:
    features, is_relevant, weight = make_rows()
    table = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **PARAMS)
    model.fit(features, is_relevant, sample_weight=weight)
    expected = model.decision_function(features) - float(model._baseline_prediction.item())
    np.testing.assert_allclose(sum_of_trees(table, features), expected, rtol=1e-12, atol=1e-12)


def test_bins_are_those_of_scikit_learn_whatever_a_column_holds() -> None:
    rng = np.random.default_rng(5)
    few = rng.integers(0, 4, 2_000).astype(np.float32)
    skewed = np.where(rng.random(2_000) < 0.6, 0.0, rng.exponential(size=2_000))
    smooth = rng.normal(size=2_000)
    holes = np.where(rng.random(2_000) < 0.5, np.nan, skewed)
    features = np.column_stack([few, skewed, smooth, holes]).astype(np.float32)
    is_relevant = few + skewed + smooth + rng.normal(size=2_000) > 2.5
    weight = rng.uniform(0.1, 1.0, size=2_000)
    table = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **PARAMS)
    model.fit(features, is_relevant, sample_weight=weight)
    nodes = np.concatenate([trees[0].nodes for trees in model._predictors])
    np.testing.assert_array_equal(table[:, 2], nodes["feature_idx"])
    np.testing.assert_array_equal(table[:, 3], nodes["num_threshold"])
    assert {0, 1, 2} <= set(nodes["feature_idx"])


def test_bins_are_left_to_scikit_learn_where_it_samples_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features, is_relevant, weight = make_rows()
    ours = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    monkeypatch.setattr(ranker_trees, "SAMPLED_ROWS", len(features) - 1)
    theirs = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    assert theirs.tobytes() == ours.tobytes()


def test_seeds_are_averaged() -> None:
    features, is_relevant, weight = make_rows()
    grown = [
        grow_trees(features, is_relevant, weight, random_state=seed, n_seeds=n_seeds,
                   max_features=0.4, **PARAMS)
        for seed, n_seeds in ((4, 2), (4, 1), (5, 1))
    ]  # fmt: skip
    both, first, second = (sum_of_trees(table, features) for table in grown)
    assert not np.allclose(first, second)
    np.testing.assert_allclose(both, (first + second) / 2, atol=1e-12)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_a_byte(threads: int) -> None:
    features, is_relevant, weight = make_rows()
    grown = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    said = sum_of_trees(grown, features)
    with threadpool_limits(threads, user_api="openmp"):
        again = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
        said_again = sum_of_trees(grown, features)
    assert again.tobytes() == grown.tobytes()
    assert said_again.tobytes() == said.tobytes()


def test_blocks_of_rows_do_not_change_a_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    features, is_relevant, weight = make_rows()
    grown = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    whole = sum_of_trees(grown, features)
    monkeypatch.setattr(ranker_trees, "ROWS_AT_ONCE", 7)
    assert sum_of_trees(grown, features).tobytes() == whole.tobytes()


def test_column_without_a_known_value_is_never_split() -> None:
    features, is_relevant, weight = make_rows()
    features[:, 2] = np.nan
    table = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    gain = gain_by_feature(table, 3)
    assert gain[2] == 0
    assert gain[0] > gain[1]
    assert gain.sum() == pytest.approx(1.0)


def test_no_trees_say_nothing() -> None:
    assert sum_of_trees(no_trees(), np.ones((2, 3))).tolist() == [0.0, 0.0]
    assert gain_by_feature(no_trees(), 3).tolist() == [0.0, 0.0, 0.0]
