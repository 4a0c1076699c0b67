from __future__ import annotations

import pandas as pd
import pytest

from pipelines.ask.why_ranking import Ranking, rank_again
from pipelines.base.current import read_current
from pipelines.base.durable import read_json, write_json
from pipelines.lists.for_users import generate_lists
from tests.ask.test_why_night import opened
from tests.published_shop import refit


@pytest.mark.parametrize("placement", ["discover", "for_you"])
def test_ranks_are_those_of_lists_as_long_as_the_catalogue(shop, one_night, placement):
    with opened(shop) as night:
        found = rank_again(night, placement, "u04")
    longest = shop.placements[placement].model_copy(update={"list_length": 14})
    settings = shop.model_copy(update={"placements": {placement: longest}})
    as_of = read_current(shop).as_of
    generate_lists(settings, as_of, placement)
    rows = pd.read_parquet(shop.run_folder(as_of).variant(placement, "control"))
    mine = rows[rows["user_id"] == "u04"]
    assert found.by_rules == dict(zip(mine["item_id"], mine["rank"], strict=True))
    assert len(mine) == {"discover": 10, "for_you": 13}[placement]


def test_a_model_that_gives_other_lists_explains_nothing(shop, one_night):
    as_of = read_current(shop).as_of
    path = shop.run_folder(as_of).role_file("discover", "champion")
    role = read_json(path)
    refit(shop, as_of, {"discover": "recent_popularity"})
    write_json(path, role)
    with opened(shop) as night:
        found = rank_again(night, "discover", "u00")
    assert found.unknown == "the saved recommender does not give the published list any more"


def test_removed_are_items_that_only_the_rules_keep_out():
    # alone: a b c d e; a may not be shown, b was moved from 2 to 4, lists have 3
    ranking = Ranking(
        by_rules={"c": 1, "d": 2, "x": 3, "b": 4, "e": 5},
        without_rules={"a": 1, "b": 2, "c": 3, "d": 4, "e": 5},
    )
    assert ranking.removed(3) == ["a", "b"]
    assert ranking.removed(4) == ["a"]
    assert ranking.removed() == ["a"]
