from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from pipelines.features.interactions import Interactions
from pipelines.models.ranker.titles import TITLE_FEATURES, read_likeness

#: a and b are of one kind, c of another, d half of each.
VECTORS = sparse.csr_array(
    np.array([[1, 0], [1, 0], [0, 1], [0.5**0.5, 0.5**0.5]], dtype=np.float32)
)
PURCHASES = {"purchase": 1.0}


@pytest.fixture
def history(make_history: Callable[..., Interactions]) -> Interactions:
    """u took a sixty days ago and c yesterday; v did nothing; w only looked at a."""
    return make_history(
        [("u", "a", "purchase", 61), ("u", "c"), ("w", "a", "view")], users="uvw", items="abcd"
    )


def likeness(history: Interactions, user: int, item: int) -> dict[str, float]:
    found = read_likeness(history, PURCHASES, VECTORS, np.array([user]), np.array([item]))[0]
    return dict(zip(TITLE_FEATURES, found.tolist(), strict=True))


def test_nearest_title_counts_and_so_does_the_mean_of_the_nearest(history: Interactions) -> None:
    found = likeness(history, 0, 1)
    assert found["title_nearest"] == 1.0  # a
    assert found["title_nearest_3"] == (1.0 + 0.0) / 2  # two choices
    assert found["title_nearest_last_basket"] == 0.0  # c


def test_old_choices_count_less_in_the_profile(history: Interactions) -> None:
    old, new = 0.5 ** (61 / 60), 0.5 ** (1 / 60)
    assert likeness(history, 0, 1)["title_profile"] == pytest.approx(
        old / np.hypot(old, new), rel=1e-5
    )


def test_item_is_not_compared_with_itself(history: Interactions) -> None:
    assert likeness(history, 0, 2)["title_nearest"] == 0.0


@pytest.mark.parametrize("user", [1, 2])
def test_user_without_a_choice_resembles_nothing(history: Interactions, user: int) -> None:
    assert set(likeness(history, user, 1).values()) == {0.0}
