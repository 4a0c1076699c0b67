from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from pipelines.features.interactions import Interactions
from pipelines.models.item_caps import keep_popular

WEIGHTS = {"purchase": 1.0}


def test_most_popular_items_are_kept_and_the_rest_is_told(
    make_history: Callable[..., Interactions], caplog: pytest.LogCaptureFixture
) -> None:
    history = make_history(
        [(user, item) for user in "uvw" for item in "bd"] + [("u", "a"), ("v", "c")]
    )
    with caplog.at_level(logging.WARNING):
        kept = keep_popular(history, 3, WEIGHTS, None)
    assert kept.item_ids.tolist() == ["a", "b", "d"]  # a and c are equally popular
    assert "only the 3 most popular of 4 items" in caplog.text
    assert "12.50 %" in caplog.text  # one of eight purchases


def test_history_below_the_cap_is_returned_as_it_is(
    random_history: Interactions, caplog: pytest.LogCaptureFixture
) -> None:
    assert keep_popular(random_history, random_history.n_items, WEIGHTS, None) is random_history
    assert not caplog.records
