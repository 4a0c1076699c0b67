from __future__ import annotations

from datetime import date, datetime, timedelta

import duckdb
import pytest

from pipelines.start.shop_profile import EVENTS_TABLE, ITEMS_TABLE, WindowUsers, profile_shop

FIRST = datetime(2024, 1, 1, 12)


@pytest.fixture
def profile():
    """The profile of rows of (user, item, day, type), and of items with their titles."""

    def run(rows, titles=()):
        with duckdb.connect() as connection:
            connection.execute(EVENTS_TABLE)
            connection.execute(ITEMS_TABLE)
            for user, item, day, kind in rows:
                connection.execute(
                    "insert into shop_events (event_type, user_id, item_id, event_at) values (?, ?, ?, ?)",
                    [kind, user, item, FIRST + timedelta(days=day)],
                )
            for item, title in titles:
                connection.execute(
                    "insert into shop_items (item_id, title) values (?, ?)", [item, title]
                )
            return profile_shop(connection, ("served",))

    return run


#: u buys a on three days and b on one, v only a; w only looks.
ROWS = [
    ("u", "a", 0, "purchase"),
    ("u", "a", 5, "purchase"),
    ("u", "a", 11, "purchase"),
    ("u", "b", 10, "purchase"),
    ("v", "a", 10, "purchase"),
    ("v", "a", 10, "purchase"),
    ("w", "c", 3, "view"),
    ("w", "c", 4, "served"),
]


def test_figures_of_a_small_log(profile):
    found = profile(ROWS, [("a", "Mug"), ("c", None)])
    assert (found.first_day, found.last_day) == (date(2024, 1, 1), date(2024, 1, 12))
    assert (found.span_days, found.as_of) == (12, date(2024, 1, 13))
    assert (found.user_count, found.item_count) == (3, 3)
    assert found.event_counts == {"purchase": 6, "view": 1}
    assert found.types == ("purchase", "view")
    assert found.median_events == 2.0
    assert found.titled_share == pytest.approx(1 / 3)
    assert found.joined_item_share == pytest.approx(2 / 3)


def test_a_repeat_is_a_later_day_of_the_same_item(profile):
    # days with a purchase of an item: u-a on three, u-b on one, v-a on one; two of the five repeat
    assert profile(ROWS).repeat_share == pytest.approx(2 / 5)


def test_a_window_counts_users_known_before_it_in_the_smaller_of_both(profile):
    windows = profile(ROWS).windows["purchase"]
    # of 12 days: selection is day 6 to 8 (nobody), gate day 9 to 11 (u with the new item b)
    assert windows[-1] == WindowUsers(3, 0, 0)
    again = [*ROWS, ("u", "d", 7, "purchase")]
    assert profile(again).windows["purchase"][-1] == WindowUsers(3, 1, 1)


def test_a_last_week_that_thins_out_is_measured(profile):
    rows = [("u", "a", day, "view") for day in range(28) for _ in range(4)]
    assert profile([*rows, ("u", "a", 34, "view")]).week_ratio == pytest.approx((1 / 7) / 4)


def test_a_log_of_exposures_only_has_no_profile(profile):
    assert profile([("w", "c", 4, "served")]) is None
