from __future__ import annotations

from datetime import date

import pytest

from pipelines.base.settings_sections import EventSettings
from pipelines.base.warehouse import connect
from pipelines.events.user_shares import UserShare, largest_shares

DAY, END = date(2024, 3, 1), date(2024, 3, 2)
EVENTS = EventSettings(user_share_min_events=3)


@pytest.fixture
def shares_of(make_settings):
    """Largest shares among (user, item, event type, count[, landed date])."""

    def largest(rows, events=EVENTS):
        with connect(make_settings()) as connection:
            for user, item, kind, count, *landed in rows:
                connection.execute(
                    "insert into raw.events (user_id, item_id, event_type, landed_date) "
                    "select ?, ?, ?, ? from range(?)",
                    [user, item, kind, *(landed or [DAY]), count],
                )
            return largest_shares(connection, events, END)

    return largest


def test_the_largest_share_of_the_shop_and_of_an_item_are_found(shares_of):
    rows = [("u", "a", "view", 5), ("u", "b", "view", 4), ("v", "a", "view", 5)]
    of_shop, of_item = shares_of([*rows, ("w", "c", "purchase", 2)])
    assert of_shop == UserShare("u", None, 9, 16)
    assert of_item == UserShare("u", "b", 4, 4)  # c has fewer events than are looked at
    assert of_shop.sentence() == "user 'u' made 9 of 16 (56%) of all events"
    assert of_item.sentence() == "user 'u' made 4 of 4 (100%) of the events of item 'b'"


def test_equal_shares_are_told_apart_by_count_and_id(shares_of):
    rows = [("v", "a", "view", 4), ("u", "b", "view", 4), ("u", "c", "view", 3)]
    of_shop, of_item = shares_of([*rows, ("v", "d", "view", 3)])
    assert of_shop == UserShare("u", None, 7, 14)
    assert of_item == UserShare("u", "b", 4, 4)


def test_what_was_shown_and_what_landed_later_do_not_count(shares_of):
    rows = [("u", "a", "served", 9), ("u", "a", "view", 9, END)]
    assert shares_of(rows) == (None, None)


def test_quiet_shops_are_not_looked_at(shares_of):
    assert shares_of([("u", "a", "view", 2)]) == (None, None)
