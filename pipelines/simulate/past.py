"""The past of a simulated shop: what people did before there were lists, as day files."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.config import Settings
from pipelines.events.day_folders import day_file, write_atomically
from pipelines.simulate.world import TASTES, World

if TYPE_CHECKING:
    import pyarrow as pa

#: Stem of the day files.
FILES = "simulated"
#: Items a person looks at on a visit without lists.
LOOKS = 6
#: Chance that an item that was looked at is bought.
BUYS = 0.12


def write_past(settings: Settings, world: World, first_day: date, last_day: date) -> int:
    """Write day files of visits without lists, and the item feed on the first day.

    Parameters
    ----------
    settings : Settings
    world : World
    first_day, last_day : date
        Both included.

    Returns
    -------
    int
        Number of events.
    """
    _write_items(settings, world, first_day)
    day, count = first_day, 0
    while day <= last_day:
        rows = _visits(world, day)
        _write(settings, "events", day, rows)
        count += len(rows["user_id"])
        day += timedelta(days=1)
    return count


def visitors(world: World, day: date) -> np.ndarray:
    """Users who come on a day, in the order they come, shape (n,)."""
    rng = np.random.default_rng([world.seed, day.toordinal()])
    coming = np.flatnonzero(rng.random(world.n_users) < world.visit_rates)
    order: np.ndarray = rng.permutation(coming)
    return order


def moment_of(day: date, place: int, count: int) -> datetime:
    """Time of a day's visit number `place` of `count`: evenly spread, none near midnight."""
    start = datetime(day.year, day.month, day.day, 1)
    return start + timedelta(seconds=round(22 * 3600 * place / max(count, 1)))


def _visits(world: World, day: date) -> dict[str, list[Any]]:
    """Views of items people like, and purchases of some."""
    rows: dict[str, list[Any]] = {
        name: [] for name in ("event_type", "user_id", "item_id", "event_at", "value", "price")
    }
    users = visitors(world, day)
    for place, user in enumerate(users.tolist()):
        rng = np.random.default_rng([world.seed, day.toordinal(), user])
        at = moment_of(day, place, len(users))
        likes = world.user_tastes[user, world.item_tastes] * world.item_appeal + 0.01
        items = rng.choice(world.n_items, size=LOOKS, replace=False, p=likes / likes.sum())
        bought = rng.random(LOOKS) < BUYS
        for step, (item, is_bought) in enumerate(zip(items.tolist(), bought, strict=True)):
            seen_at = at + timedelta(seconds=20 * step)
            kinds = ("view", "purchase") if is_bought else ("view",)
            for kind in kinds:
                rows["event_type"].append(kind)
                rows["user_id"].append(world.user_id(user))
                rows["item_id"].append(world.item_id(item))
                rows["event_at"].append(seen_at)
                rows["value"].append(1.0)
                rows["price"].append(float(world.item_prices[item]))
    return rows


def _write_items(settings: Settings, world: World, day: date) -> None:
    items = range(world.n_items)
    _write(
        settings,
        "items",
        day,
        {
            "item_id": [world.item_id(item) for item in items],
            "title": [world.item_title(item) for item in items],
            "category": [TASTES[world.item_tastes[item]] for item in items],
            "price": [float(price) for price in world.item_prices],
            "valid_from": [datetime(day.year, day.month, day.day)] * world.n_items,
        },
    )


def _write(settings: Settings, feed: str, day: date, columns: dict[str, list[Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table: pa.Table = pa.table(columns)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    write_atomically(day_file(settings, feed, day, FILES), sink.getvalue())
