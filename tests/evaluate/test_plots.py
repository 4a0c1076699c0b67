from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from matplotlib.transforms import Bbox

from pipelines.base.config import Settings
from pipelines.base.tracking import start_night, tracking_client
from pipelines.evaluate.leaderboard import read_evaluations
from pipelines.evaluate.plots import (
    MAX_SERIES,
    draw_plots,
    plot_coverage,
    plot_leaderboard,
    plot_segments,
    series_looks,
    shown_series,
)

AS_OF = date(2024, 3, 1)
LEVELS = {"popularity": 0.1, "recent_popularity": 0.2, "ease": 0.6}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], fabricate: Callable[..., Path]) -> Settings:
    settings = make_settings(placements={"discover": {}, "for_you": {"exclude": "none"}})
    for seed, (name, level) in enumerate(LEVELS.items()):
        fabricate(settings, name, level=level, seed=seed, coverage=level)
    return settings


def test_four_pictures_per_placement_with_evaluations(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    paths = draw_plots(settings, AS_OF)

    assert [path.name for path in paths] == [
        f"discover_{name}.png" for name in ("leaderboard", "segments", "cuts", "coverage")
    ]
    for path in paths:
        picture = imread(path)
        assert picture.shape[0] > 250
        assert picture.shape[1] > 700
        assert 0.005 < (np.asarray(picture)[..., :3].min(axis=2) < 0.9).mean() < 0.5
    assert "No plots of for_you" in caplog.text


def test_pictures_are_attached_to_the_run_of_the_night(
    settings: Settings, with_store: Callable[[Settings], Settings]
) -> None:
    run_id = start_night(with_store(settings), AS_OF)

    paths = draw_plots(settings, AS_OF)

    stored = {item.path for item in tracking_client(settings).list_artifacts(run_id, "plots")}
    assert stored == {f"plots/{path.name}" for path in paths}


def test_same_evaluations_give_the_same_bytes(settings: Settings) -> None:
    first = [path.read_bytes() for path in draw_plots(settings, AS_OF)]

    assert first == [path.read_bytes() for path in draw_plots(settings, AS_OF)]


def test_leaderboard_names_candidates_from_the_top(settings: Settings) -> None:
    evaluations = read_evaluations(settings, AS_OF, "discover", "gate")

    axes = plot_leaderboard(settings, "discover", evaluations).axes[0]

    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("ease", "recent_popularity", "popularity")
    ]
    assert axes.yaxis_inverted()
    values = [evaluation.metrics["metrics"]["ndcg_at_10"]["all"] for evaluation in evaluations]
    shown = [f"{one['value']:.4f}".removeprefix("0") for one in values]
    assert [text.get_text() for text in axes.texts] == shown


def test_segments_show_each_candidate_with_its_bounds(settings: Settings) -> None:
    evaluations = read_evaluations(settings, AS_OF, "discover", "gate")

    axes = plot_segments(settings, "discover", evaluations).axes[0]

    whiskers = sorted(
        tuple(segment[:, 1]) for bars in axes.containers for segment in bars[2][0].get_segments()
    )
    expected = sorted(
        (
            one.metrics["metrics"]["ndcg_at_10"][name]["low"],
            one.metrics["metrics"]["ndcg_at_10"][name]["high"],
        )
        for one in evaluations
        for name in ("new", "light", "heavy")
    )
    np.testing.assert_allclose(whiskers, expected)


def test_labels_of_the_scatter_do_not_lie_on_one_another(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    for name in ("twin_a", "twin_b", "twin_c"):
        fabricate(settings, name, level=0.6, seed=2, coverage=0.6)
    evaluations = read_evaluations(settings, AS_OF, "discover", "gate")

    figure = plot_coverage(settings, "discover", evaluations)

    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    lines = [bars[2][0].get_segments()[0] for bars in axes.containers]
    whiskers = [Bbox(axes.transData.transform(line)) for line in lines]
    overlaps = [a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n] + whiskers]
    assert all(axes.bbox.x0 < box.x0 and box.x1 < axes.bbox.x1 for box in boxes)
    assert len(boxes) == 6
    assert not any(overlaps)


def test_candidates_beyond_the_palette_leave_the_worst_candidates_out(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    for n in range(7):
        fabricate(settings, f"extra_{n}", level=0.5, seed=n)
    evaluations = read_evaluations(settings, AS_OF, "discover", "gate")

    shown = shown_series(settings, "discover", evaluations)

    assert len(shown) == MAX_SERIES
    ranked = [
        one.name for one in evaluations if one.name not in ("popularity", "recent_popularity")
    ]
    left_out = {one.name for one in evaluations} - {one.name for one in shown}
    assert left_out == set(ranked[-2:])


def test_colour_of_a_candidate_does_not_depend_on_its_rank(settings: Settings) -> None:
    evaluations = read_evaluations(settings, AS_OF, "discover", "gate")

    looks = series_looks(settings, evaluations)

    assert looks == series_looks(settings, evaluations[::-1])
    assert len({look["color"] for look in looks.values()}) == 3


def test_evaluation_of_one_user_is_drawn_without_bounds(
    make_settings: Callable[..., Settings], fabricate: Callable[..., Path]
) -> None:
    settings = make_settings()
    fabricate(settings, "ease", level=0.5, n_users=1)

    assert len(draw_plots(settings, AS_OF)) == 4
