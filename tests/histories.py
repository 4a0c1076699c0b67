"""Histories for the recommenders: written row by row, or the checkerboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pipelines.features.interactions import Interactions
from pipelines.features.item_versions import ItemVersions
from pipelines.models.ranker.features import FACT_FEATURES, read_facts

CUTOFF = date(2024, 3, 1)
EVENT_TYPES = ("purchase", "return", "view")


def history_of(
    rows: Sequence[tuple],
    *,
    users: Sequence[str] | None = None,
    items: Sequence[str] | None = None,
    titles: Mapping[str, str] | None = None,
) -> Interactions:
    """Rows are (user, item[, event type[, age in days[, count]]]): one purchase yesterday.

    Titles are by item_id, "thing <item_id>" without them; none are known where they are empty.
    """
    full = sorted((*row, *("purchase", 1, 1)[len(row) - 2 :]) for row in rows)
    user_ids = np.array(sorted(users if users is not None else {row[0] for row in full}), str)
    item_ids = np.array(sorted(items if items is not None else {row[1] for row in full}), str)
    midnight = datetime(CUTOFF.year, CUTOFF.month, CUTOFF.day)
    code = {kind: number for number, kind in enumerate(EVENT_TYPES)}
    rows_in_order = sorted(full, key=lambda row: (row[0], row[1], code[row[2]], -row[3]))
    column = [list(values) for values in zip(*rows_in_order, strict=True)] or [[]] * 5
    return Interactions(
        cutoff=CUTOFF,
        user_ids=user_ids,
        item_ids=item_ids,
        event_types=EVENT_TYPES,
        user=np.searchsorted(user_ids, np.array(column[0], str)).astype(np.int32),
        item=np.searchsorted(item_ids, np.array(column[1], str)).astype(np.int32),
        event_type=np.array([code[kind] for kind in column[2]], np.int8),
        age_days=np.array(column[3], np.int32),
        event_count=np.array(column[4], np.float32),
        last_event_at=np.array(
            [midnight - timedelta(days=age) for age in column[3]], "datetime64[us]"
        ),
        item_attributes=versions_of(
            item_ids, {item: f"thing {item}" for item in item_ids} if titles is None else titles
        ),
    )


def versions_of(item_ids: np.ndarray, titles: Mapping[str, str]) -> ItemVersions:
    """One version of each titled item, known for 100 days, in no category."""
    titled = np.array([item in titles for item in item_ids], dtype=bool)
    n_versions = int(titled.sum())
    return ItemVersions(
        item=np.flatnonzero(titled).astype(np.int32),
        known_age_days=np.full(n_versions, 100, dtype=np.int32),
        title=np.array([titles[item] for item in item_ids[titled]], dtype=object),
        category=np.full(n_versions, "", dtype=object),
        price=np.full(n_versions, np.nan),
        is_available=np.ones(n_versions, dtype=bool),
    )


@pytest.fixture(scope="session")
def make_history() -> Callable[..., Interactions]:
    return history_of


@dataclass(frozen=True)
class Checkerboard:
    """A history, and the one item (a position) each user takes next."""

    history: Interactions
    next_item: np.ndarray


@pytest.fixture(scope="session")
def checkerboard() -> Checkerboard:
    """User n took every item of its own parity but item n, which it takes next.

    Titles say which parity an item is of.
    """
    size = 40
    rows = [
        (f"u{user:02}", f"i{item:02}", "purchase", 1 + (user * 7 + item * 3) % 30)
        for user in range(size)
        for item in range(user % 2, size, 2)
        if item != user
    ]
    titles = {f"i{item:02}": f"{('even', 'odd')[item % 2]} thing" for item in range(size)}
    return Checkerboard(history_of(rows, titles=titles), np.arange(size))


@pytest.fixture(scope="session")
def random_history() -> Interactions:
    """60 users with skewed tastes over 45 items, purchases, returns and views, some repeated.

    Titles have a colour and a kind, so that some items share one, both or none.
    """
    rng = np.random.default_rng(7)
    rows = {}
    for _ in range(900):
        user, item = int(rng.integers(60)), int(min(rng.pareto(0.9) * 4, 44))
        kind = EVENT_TYPES[int(rng.choice(3, p=[0.7, 0.1, 0.2]))]
        age = int(rng.integers(1, 90))
        rows[f"u{user:02}", f"i{item:02}", kind, age] = int(rng.integers(1, 4))
    items = [f"i{n:02}" for n in range(45)]
    colours, kinds = ("red", "green", "blue", "white"), ("cup", "jar", "lamp", "rug", "tray")
    titles = {item: f"{colours[n % 4]} {kinds[n % 5]}" for n, item in enumerate(items)}
    return history_of([(*key, count) for key, count in rows.items()], items=items, titles=titles)


@pytest.fixture
def history_of_two() -> Interactions:
    """u takes a every ten days; v took it once, with b; the view counts nowhere. b is dearer."""
    history = history_of(
        [
            ("u", "a", "purchase", 25, 2),
            ("u", "a", "purchase", 15),
            ("u", "a", "purchase", 5),
            ("u", "b", "view", 1),
            ("v", "a", "purchase", 40),
            ("v", "b", "purchase", 40),
        ]
    )
    versions = replace(history.item_attributes, price=np.array([1.0, 3.0]))
    return replace(history, item_attributes=versions)


def named_facts(history: Interactions, user: int, item: int) -> dict[str, Any]:
    """A ranker's features of one user and item, by name."""
    facts = read_facts(history, {"purchase": 1.0})
    values = facts.read(np.array([user]), np.array([item]))[0]
    return dict(zip(FACT_FEATURES, values.tolist(), strict=True))
