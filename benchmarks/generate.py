"""A seeded event log with the skew of real ones, written as day files of a home.

    python benchmarks/generate.py --events 1m --home /tmp/bench

* activity of users is log-normal; popularity of items follows a Zipf law;
* every user likes one to four of 40 tastes, so that personalisation beats popularity;
* 15 % of events repeat an item of the user's own past;
* eight in ten events are views, one in fifteen is a purchase.
"""

from __future__ import annotations

import argparse
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

#: Name of a size to (events, users, items).
SIZES = {
    "50k": (50_000, 2_000, 1_000),
    "200k": (200_000, 6_000, 2_500),
    "1m": (1_000_000, 20_000, 8_000),
    "5m": (5_000_000, 60_000, 20_000),
}
FIRST_DAY = date(2024, 1, 1)
DAYS = 180
TASTES = 40
EVENT_TYPES = np.array(["view", "add_to_cart", "purchase"])
EVENT_SHARES = (0.80, 0.13, 0.07)
REPEAT_SHARE = 0.15
POPULAR_SHARE = 0.20


def last_night() -> date:
    """The `as_of` that knows the whole log."""
    return FIRST_DAY + timedelta(days=DAYS)


def draw_events(n_events: int, n_users: int, n_items: int, seed: int) -> dict[str, np.ndarray]:
    """Draw the log, sorted by time.

    Returns
    -------
    dict of str to ndarray of shape (n_events,)
        user, item (numbers), event_type (codes), seconds since the first day.
    """
    rng = np.random.default_rng(seed)
    activity = rng.lognormal(0.0, 1.1, n_users)
    counts = 1 + rng.multinomial(n_events - n_users, activity / activity.sum())
    user = np.repeat(np.arange(n_users), counts)
    seconds = _times(rng, n_users, user)
    order = np.lexsort((seconds, user))
    user, seconds = user[order], seconds[order]
    item = _repeat_some(rng, _draw_items(rng, user, n_users, n_items), counts)
    event_type = rng.choice(len(EVENT_TYPES), n_events, p=EVENT_SHARES)
    by_time = np.argsort(seconds, kind="stable")
    return {
        "user": user[by_time],
        "item": item[by_time],
        "event_type": event_type[by_time],
        "seconds": seconds[by_time],
    }


def _times(rng: np.random.Generator, n_users: int, user: np.ndarray) -> np.ndarray:
    """Seconds since the first day; two users in three join before the log starts."""
    joined = rng.uniform(-2.0, 1.0, n_users).clip(0) * (DAYS - 1)
    return ((joined[user] + rng.random(len(user)) * (DAYS - joined[user])) * 86_400).astype(
        np.int64
    )


def _draw_items(
    rng: np.random.Generator, user: np.ndarray, n_users: int, n_items: int
) -> np.ndarray:
    """An item a taste of the user likes, or one that everybody likes; Zipf in both."""
    taste_of_item = rng.integers(0, TASTES, n_items)
    popularity = rng.permutation((np.arange(1, n_items + 1) + 10.0) ** -0.9)
    by_taste = np.lexsort((-popularity, taste_of_item))
    share = popularity / np.bincount(taste_of_item, popularity, TASTES)[taste_of_item]
    inside = np.cumsum(share[by_taste]) - taste_of_item[by_taste]  # each taste fills (0, 1]
    edges = taste_of_item[by_taste] + inside.clip(0, 1)
    liked = rng.integers(0, TASTES, (n_users, 4))
    favourite = np.minimum(rng.geometric(0.5, len(user)) - 1, 3) % rng.integers(1, 5, n_users)[user]
    target = liked[user, favourite] + rng.random(len(user))
    item = by_taste[np.searchsorted(edges, target).clip(0, n_items - 1)]
    anyone = rng.random(len(user)) < POPULAR_SHARE
    whole = np.cumsum(popularity / popularity.sum())
    item[anyone] = np.searchsorted(whole, rng.random(int(anyone.sum()))).clip(0, n_items - 1)
    return item


def _repeat_some(rng: np.random.Generator, item: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Let some events repeat an earlier item of the same user; rows are sorted by user and time."""
    position = np.arange(len(item))
    start = np.repeat(np.cumsum(counts) - counts, counts)
    repeats = (rng.random(len(item)) < REPEAT_SHARE) & (position > start)
    earlier = start + (rng.random(len(item)) * (position - start)).astype(np.int64)
    return np.where(repeats, item[earlier], item)


def write_day_files(home: Path, size: str, seed: int = 7) -> int:
    """Write `landing/events/` and `landing/items/` under a home; return the number of events."""
    n_events, n_users, n_items = SIZES[size]
    log = draw_events(n_events, n_users, n_items, seed)
    edges = np.searchsorted(log["seconds"], np.arange(DAYS + 1) * 86_400)
    for day in range(DAYS):
        rows = slice(edges[day], edges[day + 1])
        if edges[day] == edges[day + 1]:
            continue
        at = np.datetime64(FIRST_DAY, "us") + log["seconds"][rows] * 1_000_000
        _write(
            home,
            "events",
            day,
            {
                "event_id": pa.array([f"e{n}" for n in range(edges[day], edges[day + 1])]),
                "event_type": pa.array(EVENT_TYPES[log["event_type"][rows]]),
                "user_id": pa.array(np.char.add("u", log["user"][rows].astype(str))),
                "item_id": pa.array(np.char.add("i", log["item"][rows].astype(str))),
                "event_at": pa.array(at),
            },
        )
    _write(home, "items", 0, _items(n_items, seed))
    return n_events


def _items(n_items: int, seed: int) -> dict[str, pa.Array]:
    numbers = np.arange(n_items).astype(str)
    return {
        "item_id": pa.array(np.char.add("i", numbers)),
        "title": pa.array(np.char.add("Item ", numbers)),
        "price": pa.array(np.random.default_rng(seed).lognormal(2.0, 0.8, n_items).round(2)),
        "valid_from": pa.array(np.full(n_items, np.datetime64(FIRST_DAY, "us"))),
    }


def _write(home: Path, feed: str, day: int, columns: dict[str, pa.Array]) -> None:
    folder = home / "landing" / feed / f"date={FIRST_DAY + timedelta(days=day)}"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "generated.parquet")


def main() -> None:
    """Write one log."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", choices=SIZES, default="1m")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    count = write_day_files(arguments.home, arguments.events, arguments.seed)
    print(f"{count:,} events in {arguments.home / 'landing'}; the night is {last_night()}")


if __name__ == "__main__":
    main()
