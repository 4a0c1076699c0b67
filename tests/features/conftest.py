"""A shop of a few lines, and the nights of it that the tests look at, built once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.config import Settings, parse_settings, stable_hash
from pipelines.base.tables import RAW_EVENTS, RAW_ITEMS, RAW_USERS, Table
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.features.build import build_features
from pipelines.features.build_report import BuildReport
from pipelines.features.snapshot import take_snapshot

#: Two nights a week apart; with a horizon of a week they share two cutoffs.
FIRST_NIGHT, SECOND_NIGHT = date(2024, 2, 5), date(2024, 2, 12)
SHARED_CUTOFFS = (date(2024, 1, 29), date(2024, 2, 5))
FEATURE_TABLES = ("feat_user_items", "feat_users", "feat_items")

#: event_id, type, user, item, event_at, landed_date (None: the day it happened), units, price
EVENTS = [
    ("e01", "purchase", "ann", "tea", "2024-01-02 09:00", None, 2, 3.5),
    ("e02", "purchase", "ann", "tea", "2024-01-16 09:00", None, 1, 3.5),
    ("e03", "view", "ann", "cup", "2024-01-16 09:05", None, None, None),
    ("e04", "purchase", "bob", "cup", "2024-01-20 23:59", None, 1, 0.1),
    ("e05", "purchase", "bob", "cup", "2024-01-27 10:00", None, 3, 0.1),
    # Happened on the 28th, landed on the 30th: the cutoff of the 29th does not know it.
    ("e06", "purchase", "ann", "cup", "2024-01-28 12:00", "2024-01-30", 1, 0.2),
    # The same day and pair, on time: two landings of one day.
    ("e07", "purchase", "ann", "cup", "2024-01-28 08:00", None, 1, 0.2),
    ("e08", "return", "bob", "cup", "2024-01-30 10:00", None, -1, 0.1),
    # Shown, not done.
    ("e09", "impression", "eve", "tea", "2024-01-10 10:00", None, None, None),
    ("e10", "purchase", "cid", "pot", "2024-02-04 10:00", None, 1, 20.0),
    # Landed in two day files: counts once, from the first.
    ("e11", "view", "cid", "tea", "2024-02-03 10:00", None, None, None),
    ("e11", "view", "cid", "tea", "2024-02-03 10:00", "2024-02-06", None, None),
    ("e12", "purchase", "bob", "tea", "2024-02-10 10:00", None, 1, 3.0),
    ("e13", "click", "ann", "pot", "2024-02-11 10:00", None, None, None),
]
#: item, title, price, valid_from, landed_date (None: the day it holds from)
ITEMS = [
    ("tea", "Green tea", 3.5, "2024-01-01", None),
    ("cup", "Cup", 0.1, "2024-01-01", None),
    ("tea", "Green tea, new harvest", 3.0, "2024-02-01", None),
    # Landed when a later version was known: no cutoff ever has it.
    ("tea", "Green tea, told too late", 9.9, "2024-01-20", "2024-02-03"),
    ("jar", "Jar nobody bought", 5.0, "2024-01-15", None),
]


@dataclass(frozen=True)
class World:
    """One home and what was built in it.

    `features` holds each feature table as sorted rows by (table, cutoff), `tables` a fingerprint
    of every table, and `bytes` the snapshot files of each night.
    """

    settings: Settings
    reports: dict[date, BuildReport]
    features: dict[tuple[str, date], list[tuple[Any, ...]]]
    tables: dict[str, tuple[int, str]]
    bytes: dict[date, dict[str, bytes]]


def world_settings(home: Path, **features: Any) -> Settings:
    return parse_settings(
        {
            "home": home,
            "evaluation": {"horizon_days": 7},
            "warehouse": {"memory_limit": "1GB", "threads": 1},
            "features": {"heavy_user_days": 3, "half_life_days": 7, **features},
        }
    )


def insert_events(settings: Settings, events: Sequence[tuple[Any, ...]]) -> None:
    rows = [
        {
            **dict.fromkeys(RAW_EVENTS.columns),
            "event_id": event_id,
            "event_type": event_type,
            "user_id": user_id,
            "item_id": item_id,
            "event_at": datetime.fromisoformat(event_at),
            "landed_date": date.fromisoformat(landed or event_at[:10]),
            "value": units,
            "price": price,
        }
        for event_id, event_type, user_id, item_id, event_at, landed, units, price in events
    ]
    insert(settings, RAW_EVENTS, rows)


def insert_items(settings: Settings, items: Sequence[tuple[Any, ...]]) -> None:
    rows = [
        {
            **dict.fromkeys(RAW_ITEMS.columns),
            "item_id": item_id,
            "title": title,
            "price": price,
            "valid_from": datetime.fromisoformat(valid_from),
            "landed_date": date.fromisoformat(landed or valid_from),
        }
        for item_id, title, price, valid_from, landed in items
    ]
    insert(settings, RAW_ITEMS, rows)


def insert_users(settings: Settings, users: Sequence[dict[str, Any]]) -> None:
    rows = [
        {
            **dict.fromkeys(RAW_USERS.columns),
            **user,
            "valid_from": datetime.fromisoformat(user["valid_from"]),
            "landed_date": date.fromisoformat(user.get("landed_date") or user["valid_from"]),
        }
        for user in users
    ]
    insert(settings, RAW_USERS, rows)


def insert(settings: Settings, table: Table, rows: list[dict[str, Any]]) -> None:
    marks = ", ".join("?" for _ in table.columns)
    values = [tuple(row[column] for column in table.columns) for row in rows]
    with connect(settings) as warehouse:
        warehouse.executemany(f"insert into {table.qualified} values ({marks})", values)


def read_features(settings: Settings) -> dict[tuple[str, date], list[tuple[Any, ...]]]:
    found: dict[tuple[str, date], list[tuple[Any, ...]]] = {}
    with connect(settings, read_only=True) as warehouse:
        for table in FEATURE_TABLES:
            rows = warehouse.execute(f"select * from features.{table} order by all").fetchall()
            for row in rows:
                found.setdefault((table, row[0]), []).append(row)
    return found


def build_world(settings: Settings, nights: Sequence[date], **options: Any) -> World:
    reports, files = {}, {}
    for night in nights:
        reports[night] = build_features(settings, night, **options)
        take_snapshot(settings, night)
        folder = settings.run_folder(night).snapshot
        files[night] = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    with connect(settings, read_only=True) as warehouse:
        tables = fingerprint_tables(warehouse)
    return World(settings, reports, read_features(settings), tables, files)


@pytest.fixture(scope="session")
def built_homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Homes that tests have built before."""
    return tmp_path_factory.mktemp("built")


@pytest.fixture
def at_once(tmp_path: Path, built_homes: Path) -> Callable[..., Settings]:
    """A home of the test's own with these events, and with the tables of some nights."""

    def make(events: Sequence[tuple[Any, ...]], *nights: date, name: str = "home") -> Settings:
        made = built_homes / stable_hash([events, list(map(str, nights))])
        if not made.exists():
            settings = world_settings(made)
            insert_events(settings, events)
            insert_items(settings, ITEMS)
            for night in nights:
                build_features(settings, night)
        return world_settings(shutil.copytree(made, tmp_path / name))

    return make


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Both nights in order; an old cutoff is planted before the second, to be dropped by it."""
    settings = world_settings(tmp_path_factory.mktemp("shop"))
    insert_events(settings, EVENTS)
    insert_items(settings, ITEMS)
    first = build_world(settings, [FIRST_NIGHT], with_unit_tests=True)
    with connect(settings) as warehouse:
        warehouse.execute(
            "insert into features.feat_users "
            "select * replace (cutoff_date - 365 as cutoff_date) from features.feat_users"
        )
    both = build_world(settings, [SECOND_NIGHT])
    return World(
        settings,
        {**first.reports, **both.reports},
        both.features,
        both.tables,
        {**first.bytes, **both.bytes},
    )


@pytest.fixture(scope="session")
def shop_backwards(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same shop, its second night run before its first."""
    settings = world_settings(tmp_path_factory.mktemp("backwards"))
    insert_events(settings, EVENTS)
    insert_items(settings, ITEMS)
    return build_world(settings, [SECOND_NIGHT, FIRST_NIGHT])


@pytest.fixture(scope="session")
def shop_with_a_future(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same shop with things planted that no cutoff up to 2024-02-05 may know."""
    settings = world_settings(tmp_path_factory.mktemp("future"))
    insert_events(settings, EVENTS)
    insert_items(settings, ITEMS)
    insert_events(
        settings,
        [
            ("f01", "purchase", "ann", "tea", "2024-02-05 00:00", None, 9, 9.0),
            ("f02", "purchase", "new", "pot", "2024-02-06 10:00", None, 9, 9.0),
            # Late: happened before every cutoff, landed after the shared ones.
            ("f03", "purchase", "bob", "tea", "2024-01-10 10:00", "2024-02-07", 9, 9.0),
        ],
    )
    insert_items(settings, [("cup", "Cup, dearer", 99.0, "2024-02-05", None)])
    return build_world(settings, [SECOND_NIGHT])
