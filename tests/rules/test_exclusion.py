from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.base.settings_sections import PlacementSettings
from pipelines.features.interactions import Interactions
from pipelines.rules.exclusion import placement_exclusion


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    return make_history(
        [("u", "a", "purchase", 40), ("u", "b", "view", 7), ("v", "c", "purchase", 8)]
    )


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"exclude": "all"}, [[1, 1, 0], [0, 0, 1]]),
        ({"exclude": "all", "exclude_within_days": 7}, [[0, 1, 0], [0, 0, 0]]),
        ({"exclude": ["purchase"]}, [[1, 0, 0], [0, 0, 1]]),
        ({"exclude": ["purchase"], "exclude_within_days": 30}, [[0, 0, 0], [0, 0, 1]]),
    ],
)
def test_placement_excludes_what_its_settings_say(
    history: Interactions, settings: dict[str, Any], expected: list[list[int]]
) -> None:
    rule = placement_exclusion(PlacementSettings(**settings), history)
    assert rule.pairs.toarray().astype(int).tolist() == expected
    assert rule.items is None


def test_placement_with_repeats_excludes_no_pairs(history: Interactions) -> None:
    assert placement_exclusion(PlacementSettings(exclude="none"), history).pairs is None


def test_items_that_are_not_available_are_kept_from_everybody(history: Interactions) -> None:
    catalogue = pd.DataFrame(
        {"item_id": ["a", "b", "unknown"], "is_available": [False, None, False]}
    )
    rule = placement_exclusion(PlacementSettings(exclude="none"), history, catalogue)
    np.testing.assert_array_equal(rule.items, [True, False, False])  # c has no row, b no value


@pytest.mark.parametrize("kind", ["bool", "boolean", "object"])
def test_nothing_is_excluded_when_all_is_available(history: Interactions, kind: str) -> None:
    catalogue = pd.DataFrame(
        {"item_id": ["a", "b"], "is_available": pd.Series([True, True], dtype=kind)}
    )
    rule = placement_exclusion(PlacementSettings(exclude="none"), history, catalogue)
    assert (rule.pairs, rule.items) == (None, None)
