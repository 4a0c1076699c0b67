from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.popularity import Popularity
from pipelines.models.ranker.two_stage import TwoStageRanker

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
