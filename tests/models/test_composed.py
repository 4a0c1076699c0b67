from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import SettingsError, UnknownRecommenderError
from pipelines.features.interactions import Interactions
from pipelines.models.artefacts import load_recommender, save_recommender
from pipelines.models.blend import Blend
from pipelines.models.candidates import Spec, fit_candidate


def test_parts_take_the_weights_of_the_whole_unless_they_have_their_own() -> None:
    blend = Blend(
        parts=[
            {"recommender": "popularity"},
            {"recommender": "popularity", "event_weights": {"view": 1.0}},
        ],
        event_weights={"purchase": 5.0},
    )
    assert [part.event_weights for part in blend.make_parts()] == [{"purchase": 5.0}, {"view": 1.0}]


@pytest.mark.parametrize(
    ("parts", "error", "message"),
    [
        ([], SettingsError, r"`parts` must list at least one recommender. Got \[\]"),
        ([{"params": {}}], SettingsError, r"must have a `recommender`.*Got \['params'\]"),
        ([{"recommender": "ease", "pram": 1}], SettingsError, r"Got \['pram'\]"),
        ([{"recommender": "ease", "params": {"x": 1}}], SettingsError, r"Got \['x'\]"),
        ([{"recommender": "eese"}], UnknownRecommenderError, "Got 'eese'"),
    ],
)
def test_wrong_parts_are_refused(
    parts: list[dict[str, Any]], error: type[Exception], message: str, random_history: Interactions
) -> None:
    with pytest.raises(error, match=message):
        Blend(parts=parts).fit(random_history)


def test_parts_that_learned_fewer_items_are_read_in_the_columns_of_the_whole(
    random_history: Interactions,
) -> None:
    few = {"recommender": "item_transitions", "params": {"regularization": 5.0, "max_items": 6}}
    alone = fit_candidate(
        Spec("few", few["recommender"], few["params"], {"purchase": 1.0}), random_history
    ).recommend(random_history, 6)
    fused = Blend(parts=[few]).fit(random_history).recommend(random_history, 6)
    listed = alone.items >= 0
    np.testing.assert_array_equal(fused.items >= 0, listed)
    np.testing.assert_array_equal(
        fused.item_ids[fused.items[listed]], alone.item_ids[alone.items[listed]]
    )


def test_parts_of_parts_are_saved_and_read_back(
    random_history: Interactions, tmp_path: Path
) -> None:
    inner = {"recommender": "blend", "params": {"parts": [{"recommender": "popularity"}]}}
    spec = Spec("mine", "blend", {"parts": [inner, {"recommender": "ease"}]}, {"purchase": 1.0})
    fitted = fit_candidate(spec, random_history)
    save_recommender(fitted, spec, tmp_path)
    loaded = load_recommender(tmp_path)
    np.testing.assert_array_equal(
        loaded.recommend(random_history, 9).items, fitted.recommend(random_history, 9).items
    )
