"""Shares of events that single users make: of all events, and of an item's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.settings_sections import EventSettings

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class UserShare:
    """A user's part of the events of a shop, or of an item.

    Parameters
    ----------
    user_id : str
    item_id : str or None
        None for the shop.
    count, total : int
        Events of the user, and of all users.
    """

    user_id: str
    item_id: str | None
    count: int
    total: int

    @property
    def share(self) -> float:
        """Part of the total, from 0 to 1."""
        return self.count / self.total

    def sentence(self) -> str:
        """The share in words, for messages."""
        what = "all events" if self.item_id is None else f"the events of item {self.item_id!r}"
        found = f"{self.count:,} of {self.total:,} ({self.share:.0%})"
        return f"user {self.user_id!r} made {found} of {what}"


_ACTIONS = """
from raw.events where landed_date < $end and not list_contains($exposures, event_type)
"""
#: The user with most events. $end is exclusive, $least the fewest events that are looked at.
SHOP_SHARE_SQL = f"""
select user_id, null as item_id, count(*) as count, sum(count(*)) over () as total
{_ACTIONS}
group by user_id qualify count(*) >= $least
order by count(*) desc, user_id
limit 1
"""
#: The pair whose user made most of the item's events. Pairs are counted by hash first: few have so
#: many events, and only those are counted by their ids.
ITEM_SHARE_SQL = f"""
with frequent as (
    select hash(user_id, item_id) as pair {_ACTIONS} group by pair having count(*) >= $least
),
pairs as (
    select user_id, item_id, count(*) as count {_ACTIONS}
        and hash(user_id, item_id) in (select pair from frequent)
    group by user_id, item_id having count(*) >= $least
),
totals as (
    select item_id, count(*) as total {_ACTIONS}
        and item_id in (select item_id from pairs)
    group by item_id
)
select user_id, item_id, count, total from pairs inner join totals using (item_id)
order by count / total desc, count desc, user_id, item_id
limit 1
"""


def largest_shares(
    connection: duckdb.DuckDBPyConnection, events: EventSettings, end: date
) -> tuple[UserShare | None, UserShare | None]:
    """The largest share of all events, and of one item's, that one user made.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open warehouse.
    events : EventSettings
        Exposure types, which do not count, and `user_share_min_events`: users and pairs with fewer
        events are not looked at.
    end : date
        Only what landed before it.

    Returns
    -------
    tuple of UserShare or None
        Of the shop, and of an item; None where nobody made so many events.
    """
    parameters: dict[str, Any] = {
        "end": end,
        "exposures": list(events.exposures),
        "least": events.user_share_min_events,
    }
    of_shop, of_item = (
        None
        if (row := connection.execute(statement, parameters).fetchone()) is None
        else UserShare(*row)
        for statement in (SHOP_SHARE_SQL, ITEM_SHARE_SQL)
    )
    return of_shop, of_item
