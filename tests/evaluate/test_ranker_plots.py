from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from pipelines.base.config import Settings
from pipelines.base.tracking import start_night, tracking_client
from pipelines.evaluate.child_runs import log_evaluation
from pipelines.evaluate.ranker_plots import plot_dependence, plot_gain, write_explained
from pipelines.evaluate.results import read_evaluation
from pipelines.models.base import Explanation

AS_OF = date(2024, 3, 1)
FILES = [
    *("feature_gain.csv", "feature_gain.png", "partial_dependence.csv"),
    *("partial_dependence.png", "sample.json"),
]


@pytest.fixture
def explained() -> Explanation:
    """25 features with a gain, each half of the one before; curves of two, one of them skewed."""
    shares = 0.5 ** np.arange(1, 26)
    names = [f"{kind}_{n}" for n, kind in enumerate(["part", "item", "user", "pair", "x"] * 5)]
    step = pd.DataFrame({"value": [0.0, 1.0, np.nan], "log_odds": [-1.0, 1.0, 0.0]})
    tail = pd.DataFrame({"value": [1.0, 2.0, 500.0], "log_odds": [0.0, 0.2, 0.3]})
    curves = [
        step.assign(feature=names[0], row_share=[0.2, 0.6, 0.4]),
        tail.assign(feature=names[1], row_share=[0.5, 0.9, 1.0]),
    ]
    gain = pd.DataFrame({"feature": names, "gain_share": shares})
    return Explanation(gain, pd.concat(curves, ignore_index=True), 30, 400)


def test_pictures_and_their_figures_are_written(explained: Explanation, tmp_path: Path) -> None:
    write_explained(tmp_path / "trees", explained, "ranker, gate window")

    assert sorted(path.name for path in (tmp_path / "trees").iterdir()) == FILES
    for name in ("feature_gain", "partial_dependence"):
        picture = imread(tmp_path / "trees" / f"{name}.png")
        assert picture.shape[0] > 350
        assert picture.shape[1] > 900
    read = pd.read_csv(tmp_path / "trees" / "partial_dependence.csv")
    pd.testing.assert_frame_equal(read, explained.dependence, check_like=True)
    sample = json.loads((tmp_path / "trees" / "sample.json").read_text())
    assert sample == {"user_count": 30, "row_count": 400}


def test_same_trees_give_the_same_bytes(explained: Explanation, tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_explained(tmp_path / name, explained, "ranker")
    for file in FILES:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_fit_without_trees_leaves_none_of_an_earlier_one(
    explained: Explanation, tmp_path: Path
) -> None:
    write_explained(tmp_path / "trees", explained, "ranker")
    write_explained(tmp_path / "trees", None, "ranker")
    assert not (tmp_path / "trees").exists()


def test_twenty_features_have_a_bar_and_the_best_is_on_top(explained: Explanation) -> None:
    (axes,) = plot_gain(explained.gain, "ranker").axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == explained.gain["feature"].tolist()[:20]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.texts[0].get_text() == "50.0%"


def test_each_curve_has_a_plot_and_unknown_a_level_of_its_own(explained: Explanation) -> None:
    figure = plot_dependence(explained, "ranker")
    step, tail, empty = figure.axes
    assert step.get_title() == "part_0\n50% of the gain"
    assert [text.get_text() for text in step.texts] == ["unknown: 40% of rows"]
    assert step.lines[0].get_ydata().tolist() == [-1, 1]
    assert (step.get_xscale(), tail.get_xscale()) == ("linear", "log")
    assert not tail.texts
    assert not empty.axison


def test_pictures_are_artefacts_of_the_child_run(
    make_settings: Callable[..., Settings],
    with_store: Callable,
    fabricate: Callable[..., Path],
    explained: Explanation,
) -> None:
    settings = with_store(make_settings())
    start_night(settings, AS_OF)
    fabricate(settings, "ranker", level=0.3)
    write_explained(settings.run_folder(AS_OF).trees("ranker", "gate"), explained, "ranker")

    run_id = log_evaluation(
        settings, AS_OF, [read_evaluation(settings, AS_OF, "ranker", "gate", "discover")]
    )

    found = tracking_client(settings).list_artifacts(run_id, "trees")
    assert sorted(item.path for item in found) == [f"trees/{name}" for name in FILES]
