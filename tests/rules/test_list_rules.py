from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipelines.base.settings_sections import PlacementSettings
from pipelines.models.base import Exclusion, TopN
from pipelines.models.candidates import recommender_class
from pipelines.rules.list_rules import make_list_rules
from pipelines.rules.place import place


def catalogue_of(history, category=None):
    frame = pd.DataFrame({"item_id": history.item_ids, "is_available": True, "is_in_feed": True})
    if category is not None:
        frame["category"] = [category(item_id) for item_id in history.item_ids]
    return frame


def tens(item_id):
    return f"tens {item_id[1]}"


def rules_of(history, *, category=tens, **settings):
    return make_list_rules(PlacementSettings(**settings), history, catalogue_of(history, category))


@pytest.fixture(scope="module")
def fitted(random_history):
    return recommender_class("item_knn")(n_neighbors=30, shrinkage=2.0).fit(random_history)


def ranked(fitted, history, k, rules, exclude=None):
    return place(fitted, None, history, k, rules=rules, exclude=exclude or Exclusion())


def test_without_rules_lists_are_the_recommenders_own(fitted, random_history):
    rules = rules_of(random_history)

    found = ranked(fitted, random_history, 12, rules)

    own = fitted.recommend(random_history, 12)
    assert found.items.tobytes() == own.items.tobytes()
    assert found.scores.tobytes() == own.scores.tobytes()
    assert rules.names == ()


def test_a_cap_without_categories_does_not_bind(fitted, random_history):
    rules = rules_of(random_history, category=None, max_per_category=1)

    assert (rules.names, rules.fetch_length(12)) == ((), 12)
    own = fitted.recommend(random_history, 12)
    np.testing.assert_array_equal(ranked(fitted, random_history, 12, rules).items, own.items)


def test_no_category_has_more_than_the_cap_where_the_pool_has_others(fitted, random_history):
    rules = rules_of(random_history, max_per_category=2, rerank_depth=6)

    found = ranked(fitted, random_history, 6, rules)

    pool = fitted.recommend(random_history, 30)
    tens_of = np.append(rules.categories[:, 0], -1)
    for shown, offered in zip(tens_of[found.items], tens_of[pool.items], strict=True):
        room = sum(min(2, (offered == code).sum()) for code in set(offered[offered >= 0]))
        counts = np.bincount(shown[shown >= 0])
        assert counts.max() <= 2 or room < len(shown)


def test_a_short_list_is_the_beginning_of_a_long_one(fitted, random_history):
    rules = rules_of(random_history, max_per_category=2, diversity=0.4, rerank_depth=5)

    short, long = (ranked(fitted, random_history, k, rules) for k in (5, 20))

    np.testing.assert_array_equal(short.items, long.items[:, :5])


def test_diversity_makes_lists_more_diverse(fitted, random_history):
    from pipelines.evaluate.list_metrics import intra_list_diversity, item_vectors

    exclude = Exclusion(random_history.pairs())
    found = [
        intra_list_diversity(
            ranked(fitted, random_history, 5, rules_of(random_history, **more), exclude).items,
            item_vectors(random_history.pairs()),
        ).mean()
        for more in ({}, {"diversity": 0.5, "rerank_depth": 5})
    ]

    assert found[1] > found[0]


def test_every_rule_leaves_excluded_items_out_and_scores_falling(fitted, random_history):
    gone = np.arange(random_history.n_items) % 4 == 0
    exclude = Exclusion(random_history.pairs(), gone)
    pins = [{"item_id": "i04", "rank": 1}, {"item_id": "i05", "rank": 3}]
    rules = rules_of(random_history, max_per_category=3, diversity=0.3, pinned=pins)

    found = ranked(fitted, random_history, 15, rules, exclude)

    users, columns = np.nonzero(found.items >= 0)
    items = found.items[users, columns]
    assert not gone[items].any()  # i04 is gone: nobody has it
    assert not exclude.pairs.toarray()[users, items].any()
    third = found.items[:, 2] == 5
    may = ~exclude.pairs.toarray()[:, 5] & (found.items[:, 3] >= 0)
    assert third[may].all() and not third[exclude.pairs.toarray()[:, 5]].any()
    steps = np.diff(found.scores, axis=1)
    assert (steps[~np.isnan(steps)] <= 0).all()
    assert rules.names == ("max_per_category", "diversity", "pinned")


def test_a_rule_taken_away_leaves_the_others(random_history):
    pins = [{"item_id": "i05", "rank": 3}]
    rules = rules_of(random_history, max_per_category=3, diversity=0.3, pinned=pins)

    for name in rules.names:
        assert rules.without(name).names == tuple(one for one in rules.names if one != name)


def test_a_pinned_item_the_night_does_not_know_is_left_out(fitted, random_history):
    rules = rules_of(random_history, pinned=[{"item_id": "unheard of", "rank": 1}])

    assert rules.names == ()
    own = fitted.recommend(random_history, 8)
    np.testing.assert_array_equal(ranked(fitted, random_history, 8, rules).items, own.items)


def test_lists_over_another_vocabulary_are_put_in_the_same_order(random_history):
    rules = rules_of(random_history, max_per_category=1, rerank_depth=3)
    items = np.array([[0, 1, 12, 23, 2]], dtype=np.int32)
    scores = np.array([[5, 4, 3, 2, 1]], dtype=np.float32)
    lists = TopN(np.array(["u"]), random_history.item_ids, items, scores)
    # the vocabulary of a recommender that knows one item more, the first
    wider = TopN(lists.user_ids, np.append("a", random_history.item_ids), items + 1, scores)

    found, same = rules.reorder(wider, 5), rules.reorder(lists, 5)

    assert found.item_ids[found.items].tolist() == same.item_ids[same.items].tolist()
    assert same.items.tolist() == [[0, 12, 23, 1, 2]]
