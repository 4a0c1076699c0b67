"""Draw the events of one generated day: sessions of users, looks, and follow-up events.

A look is a view; some views are followed by a click, some clicks by an add_to_cart, some of these
by a purchase of the same item. 15 % of the looks are at an item that the user looked at lately.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipelines.events.synthetic.population import N_TASTES, SyntheticWorld

EVENT_TYPES = ("view", "click", "add_to_cart", "purchase")
#: Share of looks at popular items, and of repeated looks at the user's recent items.
POPULAR_SHARE = 0.15
REPEAT_SHARE = 0.15
#: Number of a user's recent items that a repeated look chooses from.
REMEMBERED = 8
#: Mean number of looks in a session.
LOOKS_PER_SESSION = 5.0
#: Chance that an event is followed by the next type, by whether the item is of the user's taste.
_FOLLOWS_LIKED = (0.33, 0.50, 0.60)
_FOLLOWS_OTHER = (0.15, 0.30, 0.40)
_DAY_SECONDS = 86_400
_SECONDS_BETWEEN = 20
#: Most looks in a session, so that it ends before midnight.
_MAX_LOOKS = 120


@dataclass
class Memory:
    """The last items each user looked at.

    Parameters
    ----------
    items : ndarray of shape (n_users, REMEMBERED)
        Item numbers; only the first `looks` of a row, if there are fewer, are filled.
    looks : ndarray of shape (n_users,)
        Looks so far.
    """

    items: np.ndarray
    looks: np.ndarray

    @classmethod
    def empty(cls, n_users: int) -> Memory:
        """A memory in which no user has looked at anything."""
        items = np.zeros((n_users, REMEMBERED), dtype=np.int32)
        return cls(items, np.zeros(n_users, dtype=np.int64))

    def recall(self, rng: np.random.Generator, users: np.ndarray) -> np.ndarray:
        """Draw a recent item of each user; -1 for users without any."""
        known = np.minimum(self.looks[users], REMEMBERED)
        slot = (rng.random(len(users)) * known).astype(np.int64)
        return np.where(known > 0, self.items[users, slot], -1)

    def add(self, users: np.ndarray, items: np.ndarray) -> None:
        """Remember looks in their order, in place of the oldest ones."""
        order = np.argsort(users, kind="stable")
        user, item = users[order], items[order]
        starts = np.flatnonzero(np.diff(user, prepend=-1))
        counts = np.diff(starts, append=len(user))
        nth = np.arange(len(user)) - np.repeat(starts, counts)
        # of a user with more looks than places only the last ones count, each in a place of its own
        is_last = np.repeat(counts, counts) - nth <= REMEMBERED
        slot = (self.looks[user] + nth) % REMEMBERED
        self.items[user[is_last], slot[is_last]] = item[is_last]
        self.looks[user[starts]] += counts


@dataclass(frozen=True)
class DayEvents:
    """Events of a day, sorted by time; all arrays of shape (n_events,).

    Parameters
    ----------
    user, item, session : ndarray of int
        Positions into the users, items and sessions.
    event_type : ndarray of int
        Positions in `EVENT_TYPES`.
    microsecond : ndarray of int
        Since the day's start.
    """

    user: np.ndarray
    item: np.ndarray
    session: np.ndarray
    event_type: np.ndarray
    microsecond: np.ndarray


def draw_day(
    rng: np.random.Generator, world: SyntheticWorld, memory: Memory, day: int, n_events: int
) -> DayEvents:
    """Draw the events of a day, and add its looks to `memory`.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of this day.
    world : SyntheticWorld
    memory : Memory
        Changed.
    day : int
        Days since the log's first.
    n_events : int
        Number of events to draw, exactly.

    Returns
    -------
    DayEvents
    """
    lengths = np.minimum(rng.geometric(1 / LOOKS_PER_SESSION, n_events), _MAX_LOOKS)
    n_sessions = int(np.searchsorted(np.cumsum(lengths), n_events)) + 1
    lengths = lengths[:n_sessions]
    session = np.repeat(np.arange(n_sessions), lengths)[:n_events]
    session_user = _draw(rng, world.user_weights(day), n_sessions)
    slot = rng.geometric(0.5, n_sessions) - 1
    taste = world.user_tastes[session_user, slot % world.user_taste_count[session_user]]
    user = session_user[session]
    item, is_liked = _draw_items(rng, world, world.item_popularity(day), taste[session])
    recalled = memory.recall(rng, user)
    is_repeat = (rng.random(len(user)) < REPEAT_SHARE) & (recalled >= 0)
    item = np.where(is_repeat, recalled, item)
    look, event_type = _follow(rng, is_liked | is_repeat, n_events)
    seen = slice(0, int(look[-1]) + 1)
    memory.add(user[seen], item[seen])
    start = rng.random(n_sessions) * (_DAY_SECONDS - _MAX_LOOKS * 2 * _SECONDS_BETWEEN)
    step = np.arange(len(session)) - (np.cumsum(lengths) - lengths)[session]
    second = start[session] + _SECONDS_BETWEEN * (step + 0.5 * rng.random(len(session)))
    microsecond = (second[look] * 1e6).astype(np.int64) + 2_000_000 * event_type
    order = np.argsort(microsecond, kind="stable")
    chosen = look[order]
    return DayEvents(
        user[chosen], item[chosen], session[chosen], event_type[order], microsecond[order]
    )


def _draw(rng: np.random.Generator, weights: np.ndarray, count: int) -> np.ndarray:
    """Draw positions in proportion to their weights; never one of weight 0."""
    edges = np.cumsum(weights)
    return np.searchsorted(edges, rng.random(count) * edges[-1], side="right")


def _draw_items(
    rng: np.random.Generator, world: SyntheticWorld, popularity: np.ndarray, taste: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw each look's item, shape (n_looks,), and whether the session's taste led to it."""
    weight = popularity[world.member_item] * world.member_share
    total = np.bincount(world.member_taste, weight, N_TASTES)
    edges = np.cumsum(weight)
    below = np.cumsum(total) - total  # each taste is a stretch of the long list of members
    target = below[taste] + rng.random(len(taste)) * total[taste]
    member = np.minimum(np.searchsorted(edges, target, side="right"), len(edges) - 1)
    item = world.member_item[member]
    is_popular = rng.random(len(taste)) < POPULAR_SHARE
    item[is_popular] = _draw(rng, popularity, int(is_popular.sum()))
    return item, ~is_popular


def _follow(
    rng: np.random.Generator, is_liked: np.ndarray, n_events: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draw the look and type of each event: every look gives a view, some more."""
    depth = np.zeros(len(is_liked), dtype=np.int64)
    for reached, (liked, other) in enumerate(zip(_FOLLOWS_LIKED, _FOLLOWS_OTHER, strict=True)):
        goes_on = rng.random(len(is_liked)) < np.where(is_liked, liked, other)
        depth += goes_on & (depth == reached)
    look = np.repeat(np.arange(len(depth)), depth + 1)[:n_events]
    starts = np.cumsum(depth + 1) - (depth + 1)
    return look, np.arange(len(look)) - starts[look]
