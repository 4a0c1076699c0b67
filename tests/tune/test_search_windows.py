from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from pipelines.base.config import Settings
from pipelines.base.errors import MissingEvaluationError
from pipelines.evaluate.held_out import read_held_out, score_recommender, segments_of
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.tune.search_windows import (
    TuningScore,
    difference_interval,
    read_windows,
    score_interval,
    score_spec,
    tuning_windows,
    windows_hash,
)

AS_OF = date(2024, 3, 1)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], take_shop: Callable) -> Settings:
    settings = make_settings(
        placements={"discover": {}, "for_you": {"exclude": "none"}},
        evaluation={"horizon_days": 7, "k": 2, "ks": [1, 2, 3]},
        tuning={"windows": 2},
    )
    rng = np.random.default_rng(3)
    rows = [
        (f"u{rng.integers(20):02}", f"i{rng.integers(9)}", "purchase", AS_OF - timedelta(days=age))
        for age in rng.integers(1, 60, 300).tolist()
    ]
    take_shop(settings, rows)
    return settings


def test_windows_end_where_the_gate_window_begins_and_go_back_from_there(
    settings: Settings,
) -> None:
    gate = settings.night(AS_OF).gate
    found = [(one.start, one.end) for one in tuning_windows(settings, AS_OF)]
    assert found == [
        (date(2024, 2, 16), gate.start),
        (date(2024, 2, 9), date(2024, 2, 16)),
    ]


def test_selection_window_scores_as_it_does_in_the_evaluation(settings: Settings) -> None:
    spec = candidate_spec(settings, settings.candidate("recent_popularity"))
    windows = read_windows(settings, AS_OF)
    held_out = read_held_out(settings, AS_OF, settings.night(AS_OF).selection)
    fitted = fit_candidate(spec, held_out.history)

    found = score_spec(settings, spec, windows, ["discover", "for_you"])

    for placement in settings.placements:
        expected = score_recommender(settings, placement, fitted, held_out).per_user
        assert found.cells["0_before", placement].tolist() == expected["ndcg_at_2"].tolist()
        assert found.cells["0_before", placement].index.tolist() == expected["user_id"].tolist()


def test_segments_follow_from_histories_as_in_the_features(settings: Settings) -> None:
    heavy = settings.features.model_copy(update={"heavy_user_days": 3})
    settings = settings.model_copy(update={"features": heavy})
    held_out = read_held_out(settings, AS_OF, settings.night(AS_OF).gate)
    found = segments_of(settings, held_out.history)
    assert found.to_dict() == held_out.segments.to_dict()


def test_windows_without_anyone_to_score_are_refused(settings: Settings) -> None:
    long = settings.model_copy(
        update={"tuning": settings.tuning.model_copy(update={"windows": 20})}
    )
    with pytest.raises(MissingEvaluationError, match="Every tuning window must have users"):
        read_windows(long, AS_OF)


def test_hash_is_of_what_the_windows_hold(settings: Settings, take_shop: Callable) -> None:
    before = windows_hash(read_windows(settings, AS_OF))
    assert windows_hash(read_windows(settings, AS_OF)) == before
    day = settings.night(AS_OF).selection.start
    take_shop(
        settings, [("u00", "i0", "purchase", day), ("u00", "i1", "purchase", date(2024, 1, 5))]
    )
    alone = settings.model_copy(
        update={"tuning": settings.tuning.model_copy(update={"windows": 1})}
    )
    assert windows_hash(read_windows(alone, AS_OF)) != before


# intervals over users who are in several cells


def cells_of(**cells: dict[str, float]) -> TuningScore:
    return TuningScore({("0_before", name): pd.Series(one) for name, one in cells.items()})


def test_score_is_the_mean_over_cells_and_users_count_once() -> None:
    score = cells_of(discover={"ann": 0.2, "bob": 0.4}, for_you={"ann": 0.5})
    found = score_interval(score, 0.95)
    assert score.value == pytest.approx((0.3 + 0.5) / 2)
    assert found.value == pytest.approx(score.value)
    assert found.user_count == 2  # ann once, though she is in both


def test_difference_is_paired_by_user_within_each_cell() -> None:
    first = cells_of(discover={"ann": 0.9, "bob": 0.2}, for_you={"cid": 0.5})
    second = cells_of(discover={"bob": 0.1, "ann": 0.8}, for_you={"cid": 0.4})
    found = difference_interval(first, second, 0.95)
    assert found.value == pytest.approx(0.1)
    # z: ann and bob 3 * 0.1 / (2 * 2), cid 3 * 0.1 / (2 * 1)
    assert found.standard_error == pytest.approx(np.std([0.075, 0.075, 0.15], ddof=1) / 3**0.5)
