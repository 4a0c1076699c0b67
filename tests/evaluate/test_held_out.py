from __future__ import annotations

from collections.abc import Callable
from datetime import date
from math import log2
from typing import Any

import numpy as np
import pytest

from pipelines.base.config import Settings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import read_held_out, score_lists, score_recommender
from pipelines.models.base import TopN
from pipelines.models.candidates import candidate_spec, fit_candidate

AS_OF = date(2024, 3, 1)
BEFORE, IN_GATE, LATER = date(2024, 2, 10), date(2024, 2, 20), date(2024, 3, 5)
SHOP = [
    ("ann", "milk", "purchase", BEFORE),
    ("bob", "milk", "purchase", BEFORE),
    ("bob", "jam", "purchase", BEFORE),
    ("cid", "tea", "purchase", BEFORE),
    ("ann", "jam", "purchase", IN_GATE),
    ("bob", "milk", "purchase", IN_GATE),
]
SETTINGS: dict[str, Any] = {
    "placements": {"discover": {}, "for_you": {"exclude": "none"}},
    "evaluation": {"k": 2, "ks": [1, 2]},
}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], take_shop: Callable) -> Settings:
    settings = make_settings(**SETTINGS)
    take_shop(settings, SHOP)
    return settings


def lists_of(rows: dict[str, list[str]], item_ids: list[str]) -> TopN:
    items = [[item_ids.index(item) for item in row] for row in rows.values()]
    return TopN(
        np.array(list(rows)), np.array(item_ids), np.array(items, np.int32), np.ones((len(rows), 2))
    )


def test_lists_made_elsewhere_score_as_the_recommender_that_made_them(settings: Settings) -> None:
    held_out = read_held_out(settings, AS_OF, settings.night(AS_OF).gate)
    spec = candidate_spec(settings, settings.candidate("popularity"))
    fitted = fit_candidate(spec, held_out.history)

    own = score_recommender(settings, "for_you", fitted, held_out)
    same = score_lists(settings, "for_you", fitted.recommend(held_out.history, 2), held_out)

    assert same.per_user.equals(own.per_user)
    assert own.per_user["ndcg_at_2"].tolist() == pytest.approx([1 / log2(3), 1])


def test_user_without_a_list_and_item_of_no_history_score_zero(settings: Settings) -> None:
    held_out = read_held_out(settings, AS_OF, settings.night(AS_OF).gate)
    lists = lists_of({"bob": ["zip", "milk"]}, ["milk", "zip"])

    found = score_lists(settings, "for_you", lists, held_out).per_user

    # ann was served nothing; bob's first item is one nobody knew before the window
    assert found["user_id"].tolist() == ["ann", "bob"]
    assert found["ndcg_at_2"].tolist() == pytest.approx([0, 1 / log2(3)])


def test_a_later_night_tells_what_happened_after_this_one(
    settings: Settings, take_shop: Callable
) -> None:
    later = date(2024, 3, 15)
    take_shop(settings, [*SHOP, ("cid", "milk", "purchase", LATER)], as_of=later)

    found = read_held_out(settings, AS_OF, Window("served", AS_OF, later), truth_as_of=later)

    assert found.history.cutoff == AS_OF
    assert found.history.user_ids[found.truth.positions].tolist() == ["cid"]
