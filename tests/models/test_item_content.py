from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import SettingsError
from pipelines.features.interactions import Interactions
from pipelines.features.item_versions import ItemVersions
from pipelines.models.base import Exclusion, TopN
from pipelines.models.item_content import ItemContent

TITLES = {"a": "red cup", "b": "red jar", "c": "blue jar", "d": "blue lamp"}


def listed(lists: TopN, user: int = 0) -> list[str]:
    return lists.item_ids[lists.items[user][lists.items[user] >= 0]].tolist()


@pytest.fixture
def shelf(make_history: Callable[..., Interactions]) -> Callable[..., Interactions]:
    """Histories over the four items of `TITLES`, or others."""

    def make(rows: Any, titles: dict[str, str] = TITLES, **options: Any) -> Interactions:
        return make_history(rows, items=sorted(titles), titles=titles, **options)

    return make


def with_categories(history: Interactions, categories: list[str]) -> Interactions:
    versions = replace(history.item_attributes, category=np.array(categories, dtype=object))
    return replace(history, item_attributes=versions)


def test_scores_are_cosines_of_profile_and_title(shelf: Callable[..., Interactions]) -> None:
    history = shelf([("u", "a"), ("v", "b")], {"a": "red cup", "b": "red jar", "c": "jar"})
    scores = ItemContent().fit(history).score(history)
    # red and jar are in 2 of 3 titles, cup in 1: idf is 1 + ln(4 / (1 + df))
    common, rare = 1 + np.log(4 / 3), 1 + np.log(4 / 2)
    red_in_a = common / np.hypot(common, rare)
    half = 1 / np.sqrt(2)  # red and jar weigh the same in b
    expected = [[1.0, red_in_a * half, -np.inf], [red_in_a * half, 1.0, half]]
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def test_profile_is_the_sum_of_the_history_weighted_by_age(
    shelf: Callable[..., Interactions],
) -> None:
    history = shelf([("u", "a", "purchase", 20), ("u", "d", "purchase", 10)])
    scores = ItemContent(half_life_days=10.0).fit(history).score(history)
    # a weighs 1/4 and d 1/2; they share no word, so |p| = hypot(1/4, 1/2)
    lengths = np.array([1 / 4, 1 / 2]) / np.hypot(1 / 4, 1 / 2)
    np.testing.assert_allclose(scores[0, [0, 3]], lengths, rtol=1e-6)


def test_item_nobody_ever_chose_is_listed_to_users_of_items_like_it(
    shelf: Callable[..., Interactions],
) -> None:
    history = shelf([("u", "a"), ("v", "d"), ("w", "a"), ("w", "c")])
    lists = ItemContent().fit(history).recommend(history, 4, exclude=Exclusion(history.pairs()))
    assert not (history.item == 1).any()  # b has no event at all
    assert listed(lists, 0) == ["b"]  # shares "red" with a
    assert listed(lists, 1) == ["c"]
    assert listed(lists, 2) == ["b", "d"]  # "red" and "jar" are both of w's


def test_titles_are_those_that_the_cutoff_of_fit_knew(shelf: Callable[..., Interactions]) -> None:
    history = shelf([("u", "a", "purchase", 60)])
    versions = history.item_attributes
    renamed = ItemVersions(  # d became a red lamp yesterday
        item=np.append(versions.item, 3).astype(np.int32),
        known_age_days=np.append(versions.known_age_days, 1).astype(np.int32),
        title=np.append(versions.title, "red lamp"),
        category=np.append(versions.category, ""),
        price=np.append(versions.price, np.nan),
        is_available=np.append(versions.is_available, True),
    )
    now = replace(history, item_attributes=renamed)
    before = now.before(now.cutoff - timedelta(days=2))
    rule = Exclusion(history.pairs())
    assert listed(ItemContent().fit(now).recommend(now, 4, exclude=rule)) == ["b", "d"]
    assert listed(ItemContent().fit(before).recommend(before, 4, exclude=rule)) == ["b"]


def test_category_is_a_token_other_than_the_same_word_of_a_title(
    shelf: Callable[..., Interactions],
) -> None:
    history = shelf([("u", "a")], {"a": "lamp", "b": "jar", "c": "kitchen"})
    found = with_categories(history, ["kitchen", "kitchen", ""])
    assert listed(ItemContent().fit(found).recommend(found, 3)) == ["a", "b"]


def test_without_titles_and_categories_every_list_is_empty(
    make_history: Callable[..., Interactions],
) -> None:
    history = make_history([("u", "a"), ("v", "b")], titles={})
    recommender = ItemContent(popularity_weight=1.0, freshness_weight=1.0).fit(history)
    assert recommender.vectors_.shape == (2, 0)
    assert (recommender.recommend(history, 2).items == -1).all()


def test_equal_titles_are_ordered_by_item_id_and_by_popularity_if_it_has_weight(
    shelf: Callable[..., Interactions],
) -> None:
    titles = {"a": "red cup", "b": "red jar", "c": "red jar"}
    history = shelf([("u", "a"), ("v", "c"), ("w", "c")], titles)
    plain, mixed = ItemContent(), ItemContent(popularity_weight=0.1)
    assert listed(plain.fit(history).recommend(history, 3)) == ["a", "b", "c"]
    assert listed(mixed.fit(history).recommend(history, 3)) == ["a", "c", "b"]
    # a is bought once and c twice: 0.1 n / (1 + 2)
    np.testing.assert_allclose(mixed.bonus_, [0.1 / 3, 0.0, 0.2 / 3], rtol=1e-6)


def test_freshness_halves_at_its_half_life_of_days_since_the_item_was_known(
    shelf: Callable[..., Interactions],
) -> None:
    history = shelf([("u", "a", "purchase", 120)])
    versions = history.item_attributes
    ages = np.array([100, 100, 30, 0], dtype=np.int32)
    history = replace(history, item_attributes=replace(versions, known_age_days=ages))
    bonus = ItemContent(freshness_weight=0.5, freshness_half_life_days=30.0).fit(history).bonus_
    # a was bought before anybody wrote down its title
    expected = 0.5 * 2.0 ** (-np.array([120, 100, 30, 0]) / 30)
    np.testing.assert_allclose(bonus, expected, rtol=1e-6)


def test_bonus_lists_nothing_that_shares_no_token(shelf: Callable[..., Interactions]) -> None:
    history = shelf([("u", "a"), ("v", "d"), ("w", "d")])
    recommender = ItemContent(popularity_weight=1.0, freshness_weight=1.0).fit(history)
    assert "d" not in listed(recommender.recommend(history, 4))


def test_runs_of_characters_find_words_that_differ_in_their_ending(
    shelf: Callable[..., Interactions],
) -> None:
    history = shelf([("u", "a")], {"a": "lantern", "b": "lanterns", "c": "rug"})
    words, runs = ItemContent(), ItemContent(analyzer="char_wb", ngram_range=[3, 5])
    assert listed(words.fit(history).recommend(history, 3)) == ["a"]
    assert listed(runs.fit(history).recommend(history, 3)) == ["a", "b"]


def test_tokens_of_too_few_items_are_left_out(shelf: Callable[..., Interactions]) -> None:
    history = shelf([("u", "a")])
    shapes = [ItemContent(min_df=n).fit(history).vectors_.shape for n in (1, 2, 3)]
    assert shapes == [(4, 5), (4, 3), (4, 0)]  # red, blue and jar are in two titles


@pytest.mark.parametrize(
    ("params", "name"),
    [({"analyzer": "char"}, "analyzer"), ({"min_df": 0}, "min_df"),
     ({"ngram_range": (2, 1)}, "ngram_range"), ({"ngram_range": (0, 1)}, "ngram_range"),
     ({"ngram_range": 2}, "ngram_range"), ({"half_life_days": 0.0}, "half_life_days"),
     ({"clip": 0.0}, "clip"), ({"popularity_half_life_days": 0.0}, "popularity_half_life_days"),
     ({"popularity_weight": -1.0}, "popularity_weight"),
     ({"freshness_weight": -1.0}, "freshness_weight"),
     ({"freshness_half_life_days": 0.0}, "freshness_half_life_days"),
     ({"event_weights": {}}, "event_weights")],
)  # fmt: skip
def test_parameter_out_of_range_is_refused(
    params: dict, name: str, random_history: Interactions
) -> None:
    with pytest.raises(SettingsError, match=f"`{name}` must"):
        ItemContent(**params).fit(random_history)
