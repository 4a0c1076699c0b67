from __future__ import annotations

import pytest

from pipelines.ask.why import explain_user
from pipelines.ask.why_source import describe_model, describe_source
from tests.ask.test_why_night import opened


def test_a_completed_list_says_from_where_on(shop, one_night):
    found = explain_user(shop, "u00", placement="discover")["placements"]["discover"]
    first = next(row["rank"] for row in found["list"] if row["reason"].startswith("fallback"))
    assert found["source"] == "recommender, completed"
    assert found["because"] == (
        f"item_knn ranked the items for this user; from rank {first} on it had no more to show, "
        "and recent_popularity completes the list"
    )


def test_a_list_of_ones_own_says_who_ranked_it(shop, one_night):
    found = explain_user(shop, "u00", placement="for_you")["placements"]["for_you"]
    assert found["source"] == "recommender"
    assert found["because"] == "personal_frequency ranked the items for this user"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("return", "item_knn learns from purchase, and this user's history is 2 return"),
        (
            "purchase",
            "item_knn learns from purchase, and this user's history is 2 purchase: no item that "
            "may be shown goes with it",
        ),
    ],
)
def test_a_fallback_says_what_the_history_lacks(shop, one_night, kind, words):
    rows = [{"rank": 1, "strategy": "popularity", "reason": "fallback: no history that …"}]
    with opened(shop) as night:
        found = describe_source(night, "discover", rows, [{"event_type": kind, "event_count": 2}])
    assert found == {
        "source": "fallback",
        "because": f"the list is that of recent_popularity: {words}",
    }


def test_a_list_without_rows_says_so(shop, one_night):
    with opened(shop) as night:
        assert describe_source(night, "discover", [], [])["source"] == "nothing"


def test_a_recommender_this_version_does_not_know_has_no_class():
    spec = {"recommender": "gone", "params": {}, "event_weights": {}}
    names = ("spec_hash", "model_version", "run_id")
    found = describe_model({"candidate": "old", "spec": spec, **dict.fromkeys(names, "x")})
    assert found["recommender_class"] is None and found["recommender"] == "gone"
    assert describe_model(None) is None
