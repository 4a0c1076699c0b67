from __future__ import annotations

import pytest

from pipelines.features.read import read_interactions
from pipelines.models.candidates import candidate_spec, fit_candidate
from pipelines.registry.bundle import gather_placement
from pipelines.registry.examples import choose_examples, describe_lists


@pytest.fixture
def bundle(shop, night):
    spec = candidate_spec(shop, shop.candidate("ease"))
    recommender = fit_candidate(spec, read_interactions(shop, night, night))
    return gather_placement(shop, night, "discover", recommender)


def test_examples_are_known_users_and_the_same_each_time(bundle):
    chosen = choose_examples(bundle)
    assert chosen == choose_examples(bundle)
    assert set(chosen) <= set(bundle.history.user_ids)
    assert len(chosen) == len(set(chosen)) > 0


def test_description_shows_last_items_and_lists_with_titles(bundle):
    text = describe_lists(bundle, ["u00"])
    # u00 bought i0 eight days ago, before that i1, i2, i3 and so on
    assert "## User u00" in text
    history = text.split("Recommended:")[0]
    assert history.index("* Thing 0 (i0)") < history.index("* Thing 1 (i1)")
    assert "| 1 | Thing " in text
    assert "(i4)" in text


def test_item_without_title_is_named_by_its_id(bundle):
    bundle.catalogue["title"] = None
    assert "no title (i0)" in describe_lists(bundle, ["u00"])
