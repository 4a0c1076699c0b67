from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.inspection import partial_dependence as slow_partial_dependence

from pipelines.features.interactions import Interactions
from pipelines.models.popularity import Popularity
from pipelines.models.ranker.explained import GRID_SIZE, grid_of, partial_dependence
from pipelines.models.ranker.trees import grow_trees, no_trees
from pipelines.models.ranker.two_stage import TwoStageRanker

PARAMS = {"max_iter": 8, "learning_rate": 0.2, "min_samples_leaf": 5, "max_leaf_nodes": 7}
SMALL = {"n_iterations": 8, "min_samples_leaf": 10, "n_folds": 3}


@pytest.fixture(scope="module")
def weekly(make_history: Callable[..., Interactions]) -> Interactions:
    """Tea comes every fortnight and cups once: only what a user did tells them apart."""
    rows = [(f"u{n:02}", "tea", "purchase", age) for n in range(40) for age in range(7, 90, 14)]
    cups = [(f"u{n:02}", f"cup{n % 5}", "purchase", 5 + n * 2) for n in range(40)]
    return make_history([*rows, *cups, ("zoe", "tea", "view", 3)])


def test_features_come_by_gain_and_the_strongest_have_curves(weekly: Interactions) -> None:
    ranker = TwoStageRanker(**SMALL).fit(weekly)
    found = ranker.explain(weekly)
    assert sorted(found.gain["feature"]) == sorted(ranker.feature_names)
    assert found.gain["gain_share"].is_monotonic_decreasing
    assert found.gain["gain_share"].sum() == pytest.approx(1)
    split = found.gain[found.gain["gain_share"] > 0]["feature"].tolist()
    assert list(dict.fromkeys(found.dependence["feature"])) == split[:6]
    first = found.dependence[found.dependence["feature"] == split[0]]
    assert np.ptp(first["log_odds"]) > 0.1
    assert first["value"].dropna().is_monotonic_increasing
    known = first[first["value"].notna()]
    missing = first[first["value"].isna()]["row_share"].sum()
    assert known["row_share"].iloc[-1] + missing == pytest.approx(1)


def test_explanation_of_the_same_fit_is_identical(weekly: Interactions) -> None:
    ranker = TwoStageRanker(**SMALL).fit(weekly)
    first, again = (ranker.explain(weekly) for _ in range(2))
    pd.testing.assert_frame_equal(first.dependence, again.dependence)


def test_nothing_is_explained_without_trees(make_history: Callable[..., Interactions]) -> None:
    history = make_history([("u", "b"), ("v", "a")])
    assert TwoStageRanker().fit(history).explain(history) is None
    assert Popularity().fit(history).explain(history) is None


def make_rows() -> tuple[np.ndarray, np.ndarray]:
    """Relevance rises with the first column and with the second where the third is positive."""
    rng = np.random.default_rng(5)
    features = rng.normal(size=(300, 3)).astype(np.float32)
    features[rng.random(300) < 0.2, 1] = np.nan
    signal = features[:, 0] + np.where(features[:, 2] > 0, np.nan_to_num(features[:, 1]), 0)
    return features, signal + rng.normal(size=300) > 0


def test_means_are_those_of_brute_force_in_scikit_learn() -> None:
    features, is_relevant = make_rows()
    weight = np.ones(300)
    table = grow_trees(features, is_relevant, weight, random_state=0, n_seeds=1, **PARAMS)
    model = HistGradientBoostingClassifier(early_stopping=False, random_state=0, **PARAMS)
    model.fit(features, is_relevant)
    constant = float(model._baseline_prediction.item())
    for column in range(3):
        slow = slow_partial_dependence(
            *(model, features, [column]), method="brute", response_method="decision_function",
            custom_values={column: grid_of(features[:, column])},
        )  # fmt: skip
        fast = partial_dependence(table, features, column, slow["grid_values"][0])
        np.testing.assert_allclose(fast, slow["average"][0] - constant, atol=1e-6)
        assert np.ptp(fast) > 0.1


def test_unknown_value_is_asked_for_as_nan_and_rows_stay_as_they_were() -> None:
    features, is_relevant = make_rows()
    table = grow_trees(features, is_relevant, np.ones(300), random_state=0, n_seeds=1, **PARAMS)
    before = features.copy()
    known, unknown = partial_dependence(table, features, 1, np.array([2.0, np.nan]))
    assert known > unknown
    np.testing.assert_array_equal(features, before)


def test_without_trees_nothing_depends_on_anything() -> None:
    found = partial_dependence(no_trees(), np.ones((4, 2)), 0, np.array([1.0, 2.0]))
    assert found.tolist() == [0, 0]


def test_grid_has_every_one_of_a_few_values() -> None:
    assert grid_of(np.array([3.0, np.nan, 1.0, 3.0])).tolist() == [1, 3]
    assert grid_of(np.array([np.nan])).tolist() == []


def test_grid_of_many_values_are_quantiles_that_occur_without_the_rarest() -> None:
    found = grid_of(np.arange(1001.0))
    assert len(found) == GRID_SIZE
    assert (found[0], found[-1]) == (20, 980)
    assert (found == found.round()).all()
