"""Generate a log of any size with planted tastes, as day files of the landing area."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from pipelines.base.config import Settings
from pipelines.base.errors import LandingError
from pipelines.events.day_folders import day_file, write_atomically
from pipelines.events.landing import parquet_bytes
from pipelines.events.synthetic.days import EVENT_TYPES, DayEvents, Memory, draw_day
from pipelines.events.synthetic.population import N_TASTES, SyntheticWorld, draw_world

if TYPE_CHECKING:
    import pyarrow as pa

#: Stem of the day files.
FILES = "generated"
#: Relative number of events by weekday, Monday first.
_WEEK = np.array([1.0, 0.95, 0.95, 1.0, 1.1, 1.25, 1.15])
#: Standard deviation of the logarithm of a day's size.
_DAY_SIGMA = 0.05
_PURCHASE = EVENT_TYPES.index("purchase")
_MAX_DAYS = 3660
_UNITS = {"": 1, "k": 1_000, "m": 1_000_000}


@dataclass(frozen=True)
class LogPlan:
    """Size, dates and seed of a generated log.

    Parameters
    ----------
    n_events, n_users, n_items, n_days : int
        Of the whole log, including users and items without events.
    seed : int
        The same plan gives the same bytes.
    first_day : date
    """

    n_events: int
    n_users: int
    n_items: int
    n_days: int = 365
    seed: int = 7
    first_day: date = date(2024, 1, 1)

    @property
    def as_of(self) -> date:
        """The first night that knows the whole log."""
        return self.first_day + timedelta(days=self.n_days)

    def midnight(self, day: int) -> np.datetime64:
        """Start of a day, counted from the first."""
        return np.datetime64(self.first_day + timedelta(days=day), "us")

    def check(self) -> None:
        """Refuse a plan that cannot be generated.

        Raises
        ------
        LandingError
            If a count is out of range.
        """
        for name, found, low, high in (
            ("--events", self.n_events, self.n_days, None),
            ("--users", self.n_users, 1, None),
            ("--items", self.n_items, N_TASTES, None),
            ("--days", self.n_days, 1, _MAX_DAYS),
            ("--seed", self.seed, 0, None),
        ):
            if found < low or (high is not None and found > high):
                most = f" and at most {high:,}" if high is not None else ""
                why = {"--events": " (one a day)", "--items": " (one a taste)"}.get(name, "")
                raise LandingError(
                    f"{name} must be at least {low:,}{why}{most}. Got {found:,}. "
                    "Nothing was written; give another number."
                )


@dataclass(frozen=True)
class GenerateReport:
    """Result of one call of `generate`.

    Parameters
    ----------
    event_count, user_count, item_count, day_count : int
        Rows in the event files, users and items with at least one event, and days.
    type_counts : dict of str to int
        Rows by event_type.
    byte_count, written_files : int
        Bytes of all event and item files; number of files that were new or changed.
    as_of : date
        The night that knows the whole log.
    """

    event_count: int
    user_count: int
    item_count: int
    day_count: int
    type_counts: dict[str, int]
    byte_count: int
    written_files: int
    as_of: date


def parse_count(text: str) -> int:
    """Read a number of rows as people write it.

    Raises
    ------
    LandingError
        If it is no whole number with an optional ``k`` or ``m``.

    Examples
    --------
    >>> parse_count("25m"), parse_count("1.5k"), parse_count("200_000")
    (25000000, 1500, 200000)
    """
    plain = text.strip().lower().replace("_", "").replace(",", "")
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([km]?)", plain)
    number = float(match.group(1)) * _UNITS[match.group(2)] if match else 0.5
    if number != int(number):
        raise LandingError(
            f"A count must be a whole number, with k or m for thousands or millions. Got {text!r}. "
            "Write for example 200k, 25m or 1500."
        )
    return int(number)


def generate(
    settings: Settings, plan: LogPlan, show: Callable[[str], None] = lambda _line: None
) -> GenerateReport:
    """Write the day files of a generated log, one day after the other.

    Memory holds the users, the items and one day. Days that were generated before by the same plan
    are left as they are; by another plan of the same days, replaced. Files of other sources stay.

    Parameters
    ----------
    settings : Settings
        Home.
    plan : LogPlan
    show : callable, optional
        Takes lines of progress.

    Returns
    -------
    GenerateReport

    Raises
    ------
    LandingError
        If the plan is out of range, or the home holds generated days of other dates.
    """
    plan.check()
    _refuse_other_days(settings, plan)
    world = draw_world(
        np.random.default_rng([plan.seed, 0]), plan.n_users, plan.n_items, plan.n_days
    )
    names = _Names.of(world)
    memory = Memory.empty(plan.n_users)
    types = np.zeros(len(EVENT_TYPES), dtype=np.int64)
    is_seen = np.zeros(plan.n_items, dtype=bool)
    written = _write_items(settings, plan, world, names)
    first = 0
    for day, n_events in enumerate(_day_sizes(plan).tolist()):
        events = draw_day(np.random.default_rng([plan.seed, 1 + day]), world, memory, day, n_events)
        table = _event_table(names, events, plan.midnight(day), first)
        written += [_write(settings, plan, "events", day, table)]
        types += np.bincount(events.event_type, minlength=len(EVENT_TYPES))
        is_seen[events.item] = True
        first += n_events
        if (day + 1) % 30 == 0 or day + 1 == plan.n_days:
            show(f"{day + 1} of {plan.n_days} days, {first:,} of {plan.n_events:,} events")
    return GenerateReport(
        event_count=first,
        user_count=int((memory.looks > 0).sum()),
        item_count=int(is_seen.sum()),
        day_count=plan.n_days,
        type_counts=dict(zip(EVENT_TYPES, types.tolist(), strict=True)),
        byte_count=sum(size for size, _ in written),
        written_files=sum(is_new for _, is_new in written),
        as_of=plan.as_of,
    )


def _refuse_other_days(settings: Settings, plan: LogPlan) -> None:
    ours = {
        day_file(settings, feed, plan.first_day + timedelta(days=day), FILES)
        for feed in ("events", "items")
        for day in range(plan.n_days)
    }
    others = sorted(set(settings.landing.glob(f"*/date=*/{FILES}.parquet")) - ours)
    if others:
        raise LandingError(
            f"The home must hold no generated days outside {plan.first_day} to "
            f"{plan.as_of - timedelta(days=1)}. Found {len(others)}, the first {others[0]}. "
            "Use another home, or remove them."
        )


def _day_sizes(plan: LogPlan) -> np.ndarray:
    """Number of events of each day, at least 1; their sum is `n_events`."""
    rng = np.random.default_rng([plan.seed, 1 + plan.n_days])
    week = _WEEK[(plan.first_day.weekday() + np.arange(plan.n_days)) % len(_WEEK)]
    weight = week * rng.lognormal(0.0, _DAY_SIGMA, plan.n_days)
    spare = plan.n_events - plan.n_days
    edges = np.rint(np.cumsum(weight) / weight.sum() * spare).astype(np.int64)
    sizes: np.ndarray = 1 + np.diff(edges, prepend=0)
    return sizes


@dataclass(frozen=True)
class _Names:
    """Ids, event types and prices as written to the files, indexed by number."""

    users: pa.Array
    items: pa.Array
    types: pa.Array
    prices: np.ndarray

    @classmethod
    def of(cls, world: SyntheticWorld) -> _Names:
        import pyarrow as pa

        return cls(
            users=_numbered("u", np.arange(world.n_users)),
            items=_numbered("i", np.arange(world.n_items)),
            types=pa.array(EVENT_TYPES),
            prices=world.item_price,
        )


def _numbered(prefix: str, numbers: np.ndarray) -> pa.Array:
    """Ids made of a prefix and a number, such as u17."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.cast(pa.array(numbers), pa.string())
    return pc.binary_join_element_wise(pa.scalar(prefix), text, pa.scalar(""))


def _event_table(names: _Names, events: DayEvents, midnight: np.datetime64, first: int) -> pa.Table:
    import pyarrow as pa

    is_purchase = events.event_type == _PURCHASE
    pieces = 1.0 + (events.microsecond % 10 == 0)  # the quantity is 2 in one purchase of ten
    return pa.table(
        {
            "event_id": _numbered("e", first + np.arange(len(events.user))),
            "event_type": names.types.take(pa.array(events.event_type)),
            "user_id": names.users.take(pa.array(events.user)),
            "item_id": names.items.take(pa.array(events.item)),
            "event_at": pa.array(midnight + events.microsecond),
            "value": pa.array(pieces, mask=~is_purchase),
            "price": pa.array(names.prices[events.item], mask=~is_purchase),
            "session_id": _numbered(f"s{midnight.astype('datetime64[D]')}-", events.session),
        }
    )


def _write_items(
    settings: Settings, plan: LogPlan, world: SyntheticWorld, names: _Names
) -> list[tuple[int, bool]]:
    """Write a file of items for each day on which items appear."""
    import pyarrow as pa

    titles = pa.array(world.titles())
    categories = _numbered("taste ", world.main_tastes())
    written = []
    for day in np.unique(world.item_launch_day).tolist():
        items = np.flatnonzero(world.item_launch_day == day)
        chosen = pa.array(items)
        table = pa.table(
            {
                "item_id": names.items.take(chosen),
                "title": titles.take(chosen),
                "category": categories.take(chosen),
                "price": pa.array(world.item_price[items]),
                "valid_from": pa.array(np.full(len(items), plan.midnight(day))),
            }
        )
        written.append(_write(settings, plan, "items", day, table))
    return written


def _write(
    settings: Settings, plan: LogPlan, feed: str, day: int, table: pa.Table
) -> tuple[int, bool]:
    """Write a day file; return its size in bytes and whether it is new or changed."""
    content = parquet_bytes(table)
    path = day_file(settings, feed, plan.first_day + timedelta(days=day), FILES)
    return len(content), write_atomically(path, content)
