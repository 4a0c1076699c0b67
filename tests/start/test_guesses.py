from __future__ import annotations

import pytest

from pipelines.events.sources.samples import Sample
from pipelines.start.guesses import LEFT_OUT, guess_table

TYPES = ("view", "click", "add_to_cart", "purchase", "rating", "return")
TIMES = ["2024-03-01 10:00:00", "2024-03-02 11:00:00", "2024-03-02 12:00:00", "2024-03-03 13:00:00"]


def guess(columns, **given):
    return guess_table(Sample("log.csv", "csv", 4, columns), given, TYPES)


def test_orders_are_purchases_by_their_quantities_and_prices():
    found = guess(
        {
            "Kunde": ["a", "a", "b", "c"],
            "Artikel": ["007", "008", "007", "009"],
            "Datum": TIMES,
            "Menge": ["1", "2", "1", "1"],
            "Preis": ["1,50", "2,50", "1,50", "3,00"],
        }
    )
    assert found.options == {
        "feed": "events",
        "mapping": {
            "user_id": "Kunde",
            "item_id": "Artikel",
            "event_at": "Datum",
            "value": "Menge",
            "price": "Preis",
        },
        "event_type": "purchase",
    }
    assert found.questions == []
    assert found.reasons["(each row)"] == "event_type: purchase, by Menge, Preis"


def test_stars_are_ratings():
    found = guess({"user": ["a"] * 4, "film": list("wxyz"), "when": TIMES, "stars": ["5", "4"] * 2})
    assert (found.options["event_type"], found.mapping["value"]) == ("rating", "stars")


def test_titles_without_people_are_items():
    found = guess({"id": ["1", "2"], "name": ["Mug", "Bowl"], "genres": ["a", "b"]})
    assert found.options["feed"] == "items"
    assert found.mapping == {"title": "name", "category": "genres", "item_id": "id"}


def test_two_columns_of_one_role_are_asked_for_with_what_they_hold():
    found = guess({"user": list("abca"), "sku": list("wxyz"), "product": list("1234"), "ts": TIMES})
    (question, kind) = found.questions
    assert (question.about, question.choices) == ("item_id", ("sku", "product"))
    assert question.option == "--map item_id={}"
    found.answer(question, "sku")
    assert found.mapping["item_id"] == "sku" and found.questions == [kind]


def test_what_happened_is_asked_where_nothing_says_it():
    (question,) = guess({"user": list("abca"), "sku": list("wxyz"), "ts": TIMES}).questions
    assert (question.about, question.option) == ("event_type", "--event-type {}")


def test_a_column_named_like_a_time_that_counts_days_is_none():
    found = guess(
        {"user": list("abca"), "sku": list("wxyz"), "day": list("1234")}, event_type="view"
    )
    assert [question.about for question in found.questions] == ["event_at"]
    assert "named like event_at, but holds numbers from 1 to 4" in found.reasons["day"]


def test_the_only_column_of_times_is_the_time_whatever_its_name():
    found = guess({"user": list("abca"), "sku": list("wxyz"), "x": TIMES}, event_type="view")
    assert found.mapping["event_at"] == "x"
    assert "the only column of times" in found.reasons["x"]


def test_names_of_event_types_are_understood_or_asked_for():
    kinds = ["view", "cart", "wishlist", "view", "view", "cart", "view", "cart"]
    users, items = list("abcaabca"), list("wxyzwxyz")
    found = guess({"user": users, "sku": items, "ts": TIMES * 2, "event": kinds})
    (question,) = found.questions
    assert "'wishlist' (1 times)" in question.text
    found.answer(question, LEFT_OUT)
    assert found.options["value_map"] == {"event_type": {"cart": "add_to_cart", "wishlist": ""}}


def test_what_a_person_says_is_not_in_doubt():
    columns = {"user": list("abca"), "sku": list("wxyz"), "product": list("1234"), "ts": TIMES}
    found = guess(columns, mapping={"item_id": "product"}, event_type="view")
    assert (found.mapping["item_id"], found.questions) == ("product", [])


@pytest.mark.parametrize("name", ["price", "session_id"])
def test_a_column_that_can_be_missing_stays_empty_in_doubt_and_that_is_said(name):
    pair = {"price": ("price", "preis"), "session_id": ("order_no", "basket_id")}[name]
    columns = {
        "user": list("abca"),
        "sku": list("wxyz"),
        "ts": TIMES,
        **{column: list("1212") for column in pair},
    }
    found = guess(columns, event_type="view")
    assert name not in found.mapping
    assert f"--map {name}={pair[0]} takes it" in found.reasons[pair[0]]
