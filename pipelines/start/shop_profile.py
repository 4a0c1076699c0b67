"""The profile of a shop's log: all figures that its settings follow from, in one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

#: Lengths of truth windows that are tried, in days.
HORIZONS = (1, 2, 3, 5, 7, 14, 28, 56, 91, 182, 364)
#: Event types by how much they say for an item, strongest first.
STRENGTH = ("purchase", "rating", "add_to_cart", "click", "view")
#: Tables that a profile is made of, with the columns they must have.
EVENTS_TABLE = """
create or replace temp table shop_events (
    event_type varchar, user_id varchar, item_id varchar, event_at timestamp, value double,
    price double, session_id varchar
)
"""
ITEMS_TABLE = """
create or replace temp table shop_items (
    item_id varchar, title varchar, category varchar, price double, is_available boolean,
    valid_from timestamp
)
"""


@dataclass(frozen=True)
class WindowUsers:
    """Users that could be scored with one horizon, in the smaller of the two windows.

    Parameters
    ----------
    horizon_days : int
    known : int
        Users with truth in the window who were known before it.
    with_new_items : int
        Those of them who met an item that they had not met before.
    """

    horizon_days: int
    known: int
    with_new_items: int


@dataclass(frozen=True)
class ShopProfile:
    """Figures of a log, as it lands.

    Parameters
    ----------
    first_day, last_day : date
    user_count, item_count : int
    event_counts : dict of str to int
        Events by type, most frequent first; exposures are not counted.
    median_events : float
        Of a user.
    repeat_share : float
        Share of the days on which a user met an item in the strongest event type that had met it on
        an earlier day.
    joined_item_share : float
        Share of the items that some user met beside another item.
    session_share, priced_share : float
        Share of the events with a session, and with a price.
    rating_low, rating_high : float or None
        Of ratings.
    titled_share, category_share : float
        Share of the items with events that have a title, a category.
    category_count : int
    week_ratio : float
        Events a day in the last week, over those of the four weeks before.
    windows : dict of str to tuple of WindowUsers
        By event type, for each horizon that fits the span.
    """

    first_day: date
    last_day: date
    user_count: int
    item_count: int
    event_counts: Mapping[str, int]
    median_events: float
    repeat_share: float
    joined_item_share: float
    session_share: float
    priced_share: float
    rating_low: float | None
    rating_high: float | None
    titled_share: float
    category_share: float
    category_count: int
    week_ratio: float
    windows: Mapping[str, tuple[WindowUsers, ...]]

    @property
    def span_days(self) -> int:
        """Days from the first to the last, both counted."""
        return (self.last_day - self.first_day).days + 1

    @property
    def as_of(self) -> date:
        """The night that knows all of the log."""
        return self.last_day + timedelta(days=1)

    @property
    def types(self) -> tuple[str, ...]:
        """Types that speak for an item and occur, strongest first."""
        return tuple(name for name in STRENGTH if name in self.event_counts)


def profile_shop(
    connection: duckdb.DuckDBPyConnection, exposures: Sequence[str]
) -> ShopProfile | None:
    """Measure the tables `shop_events` and `shop_items` of a connection.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        With tables of `EVENTS_TABLE` and `ITEMS_TABLE`.
    exposures : sequence of str
        Types that tell what a user was shown; they are left out.

    Returns
    -------
    ShopProfile or None
        None if there is no event.
    """
    connection.execute(
        "create or replace temp table done as select *, event_at::date as day from shop_events "
        "where not list_contains($exposures::varchar[], event_type)",
        {"exposures": list(exposures)},
    )
    counts = dict(
        connection.execute(
            "select event_type, count(*) from done group by all order by count(*) desc, event_type"
        ).fetchall()
    )
    if not counts:
        return None
    first, last, users, items, sessions, priced, low, high = connection.execute(
        """
        select min(day), max(day), count(distinct user_id), count(distinct item_id),
            avg((session_id is not null)::int), avg((price is not null)::int),
            min(value) filter (event_type = 'rating'), max(value) filter (event_type = 'rating')
        from done
        """
    ).fetchall()[0]
    types = [name for name in STRENGTH if name in counts]
    titled, categorised, categories = _attributes(connection)
    return ShopProfile(
        first_day=first,
        last_day=last,
        user_count=users,
        item_count=items,
        event_counts=counts,
        median_events=_number(
            connection, "select median(n) from (select count(*) as n from done group by user_id)"
        ),
        repeat_share=_repeat_share(connection, types[0]) if types else 0.0,
        joined_item_share=_joined_share(connection),
        session_share=sessions,
        priced_share=priced,
        rating_low=low,
        rating_high=high,
        titled_share=titled,
        category_share=categorised,
        category_count=categories,
        week_ratio=_week_ratio(connection, last),
        windows={name: _windows(connection, name, first, last) for name in types},
    )


def _number(connection: duckdb.DuckDBPyConnection, query: str, **parameters: object) -> float:
    ((value,),) = connection.execute(query, parameters or None).fetchall()
    return float(value or 0)


def _repeat_share(connection: duckdb.DuckDBPyConnection, event_type: str) -> float:
    return _number(
        connection,
        """
        with days as (
            select distinct user_id, item_id, day from done where event_type = $event_type
        )
        select 1 - count(distinct (user_id, item_id)) / count(*) from days
        """,
        event_type=event_type,
    )


def _joined_share(connection: duckdb.DuckDBPyConnection) -> float:
    return _number(
        connection,
        """
        with pairs as (select distinct user_id, item_id from done),
        users as (select user_id from pairs group by user_id having count(*) > 1)
        select (select count(distinct item_id) from pairs semi join users using (user_id))
            / (select count(distinct item_id) from pairs)
        """,
    )


def _attributes(connection: duckdb.DuckDBPyConnection) -> tuple[float, float, int]:
    """Share of the items with events that have a title and a category, and how many categories."""
    return connection.execute(  # type: ignore[return-value]  # one row of these three
        """
        with met as (select distinct item_id from done),
        known as (
            select item_id, max(title) as title, max(category) as category
            from shop_items group by item_id
        )
        select coalesce(avg((title is not null)::int), 0),
            coalesce(avg((category is not null)::int), 0), count(distinct category)
        from met left join known using (item_id)
        """
    ).fetchone()


def _week_ratio(connection: duckdb.DuckDBPyConnection, last: date) -> float:
    """Events a day of the last week over those of the four weeks before; 1 without such weeks."""
    week, before = connection.execute(
        """
        select count(*) filter (day > $last::date - 7) / 7,
            count(*) filter (day between $last::date - 34 and $last::date - 7) / 28
        from done
        """,
        {"last": last},
    ).fetchall()[0]
    return float(week / before) if before else 1.0


def _windows(
    connection: duckdb.DuckDBPyConnection, event_type: str, first: date, last: date
) -> tuple[WindowUsers, ...]:
    """Users that could be scored, for each horizon of which four fit the log."""
    span = (last - first).days + 1
    end = last + timedelta(days=1)
    found = []
    for horizon in HORIZONS:
        if 4 * horizon > span and horizon > 1:
            break
        step = timedelta(days=horizon)
        pairs = [
            _window_users(connection, event_type, end - (n + 1) * step, end - n * step)
            for n in (1, 0)
        ]
        found.append(WindowUsers(horizon, *(min(counts) for counts in zip(*pairs, strict=True))))
    return tuple(found)


def _window_users(
    connection: duckdb.DuckDBPyConnection, event_type: str, start: date, end: date
) -> tuple[int, int]:
    known, with_new_items = connection.execute(
        """
        with pairs as (
            select user_id, item_id, min(day) as first_day from done group by user_id, item_id
        ),
        people as (select user_id, min(first_day) as known_day from pairs group by user_id),
        truth as (
            select distinct user_id, item_id from done
            where event_type = $event_type and day >= $start and day < $end
        )
        select count(distinct user_id) filter (known_day < $start),
            count(distinct user_id) filter (known_day < $start and first_day >= $start)
        from truth inner join pairs using (user_id, item_id) inner join people using (user_id)
        """,
        {"event_type": event_type, "start": start, "end": end},
    ).fetchall()[0]
    return known, with_new_items
