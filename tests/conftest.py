"""Fixtures every stage shares: settings on a home of their own, and two small worlds."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings as hypothesis_settings
from rich.console import Console

from pipelines.backtest.replay import BacktestPlan, plan_backtest, run_backtest
from pipelines.base.config import Settings, load_settings, parse_settings
from pipelines.base.durable import new_file
from pipelines.base.warehouse import connect, fingerprint_tables
from pipelines.features import build
from pipelines.features.parsed_project import keep_parsed, read_parsed
from pipelines.run.night import run_in_a_row
from pipelines.show.document import Document
from pipelines.show.terminal import print_document
from tests.postgres_server import server  # noqa: F401 - a fixture of several folders

# How long an example takes is up to what else the machine does.
hypothesis_settings.register_profile("patient", deadline=None)
hypothesis_settings.load_profile("patient")

SHOP_SETTINGS = Path(__file__).parent / "shop.toml"
SHOP_FIRST_DAY = date(2024, 1, 1)
SHOP_DAYS = 70


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--gowalla", type=Path, help="Folder of train.txt and test.txt, for proofs.")
    parser.addoption(
        "--shop-data",
        type=Path,
        action="append",
        default=[],
        help="File or folder that `recsys init` starts a shop from, for proofs; repeatable.",
    )


#: Groups of tests that keep a process busy for minutes, the longest first.
LONG_GROUPS = ("features", "airflow", "faults", "loop", "erase", "late_events", "backtest", "leaks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long, so that no process has only that left at the end."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    group = item.get_closest_marker("xdist_group")
    if group is not None and group.args[0] in LONG_GROUPS:
        return LONG_GROUPS.index(group.args[0])
    is_long = group is not None or item.get_closest_marker("slow") is not None
    return len(LONG_GROUPS) + (not is_long)


def terminal_text(document: Document, width: int = 100) -> str:
    """A document as a log of some columns has it."""
    stream = io.StringIO()
    print_document(document, Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run of the tests share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def make_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Fill a folder that processes share: the first that asks does, all others wait for it."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "made").exists():
            make(folder)
            (folder / "made").touch()
    return folder


@pytest.fixture(scope="session")
def store_template(session_folder: Path) -> Path:
    """An empty SQLite store of MLflow: making one takes seconds, copying it does not."""

    def make(folder: Path) -> None:
        from mlflow.tracking import MlflowClient

        MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db").search_experiments()

    return make_once(session_folder / "store", make) / "mlflow.db"


@pytest.fixture(scope="session", autouse=True)
def _shared_parses(session_folder: Path) -> Iterator[None]:
    """Give every home what dbt parsed for another one: the project is parsed once, not by each."""
    shared = session_folder / "parses"

    def keep(path: Path, target: Path) -> None:
        keep_parsed(path, target)
        with new_file(shared / path.name) as fresh:
            shutil.copy(path, fresh)

    def read(path: Path) -> Any:
        if not path.exists() and (shared / path.name).exists():
            with new_file(path) as fresh:
                shutil.copy(shared / path.name, fresh)
        return read_parsed(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "keep_parsed", keep)
        patch.setattr(build, "read_parsed", read)
        yield


@pytest.fixture(autouse=True)
def _own_log_level() -> Iterator[None]:
    """Undo what a command that a test ran says about logging: it counts on ending the process."""
    logger = logging.getLogger("pipelines")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings on a home of the test's own; keywords override sections or single keys."""

    def make(**overrides: Any) -> Settings:
        values: dict[str, Any] = {
            "home": tmp_path / "home",
            "experiments_folder": tmp_path / "experiments",
            "gate": {"min_users": 2, "min_segment_users": 2},
            "events": {"weights": {"purchase": 1.0}},
            "warehouse": {"memory_limit": "1GB", "threads": 1},
        }
        values.update(overrides)
        return parse_settings(values)

    return make


@pytest.fixture(scope="session")
def shop_after(session_folder: Path) -> Callable[..., Settings]:
    """The small shop after the nights of some weeks, in this order, for reading only."""

    def after(*weeks: int) -> Settings:
        def make(folder: Path) -> None:
            settings = load_settings(SHOP_SETTINGS, folder / "home")
            shutil.rmtree(settings.home, ignore_errors=True)
            if weeks[:-1]:
                shutil.copytree(after(*weeks[:-1]).home, settings.home)
            else:
                land_small_shop(settings)
            run_in_a_row(settings, shop_night(weeks[-1]))

        name = f"shop_after_{'_'.join(map(str, weeks))}"
        return load_settings(SHOP_SETTINGS, make_once(session_folder / name, make) / "home")

    return after


@pytest.fixture
def small_shop(tmp_path: Path, shop_after: Callable[..., Settings]) -> Callable[..., Settings]:
    """Ten weeks of a shop with three tastes in a home of its own, by name, after some nights."""

    def land(name: str = "home", *, after: tuple[int, ...] = ()) -> Settings:
        settings = load_settings(SHOP_SETTINGS, tmp_path / name)
        if after:
            shutil.copytree(shop_after(*after).home, settings.home)
        else:
            land_small_shop(settings)
        return settings

    return land


@pytest.fixture(scope="session")
def replayed_shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, BacktestPlan]:
    """Three weekly nights of the small shop, replayed once; tests of it share an xdist group."""
    settings = load_settings(SHOP_SETTINGS, tmp_path_factory.mktemp("backtest") / "home")
    land_small_shop(settings)
    plan = plan_backtest(shop_night(8), shop_night(10), "1w", "three_weeks")
    run_backtest(settings, plan)
    return settings, plan


def bundled_settings(home: Path) -> Settings:
    """The bundled shop's settings without its rankers, whose fits would take a proof hours."""
    settings = load_settings(SHOP_SETTINGS.parent.parent / "recsys.toml", home)
    quick = tuple(one for one in settings.candidates if one.recommender != "ranker")
    names = {one.name for one in quick}
    placements = {
        name: rules.model_copy(
            update={"candidates": tuple(one for one in rules.candidates if one in names)}
        )
        for name, rules in settings.placements.items()
    }
    return settings.model_copy(update={"candidates": quick, "placements": placements})


def fingerprints(settings: Settings) -> dict[str, tuple[int, str]]:
    """Rows and digest of every table of a home."""
    with connect(settings, read_only=True) as warehouse:
        return fingerprint_tables(warehouse)


def list_files(settings: Settings) -> dict[str, bytes]:
    """Bytes of every list file of every night."""
    return {
        str(path.relative_to(settings.home)): path.read_bytes()
        for path in sorted(settings.home.glob("runs/*/lists/*/*.parquet"))
    }


def shop_night(week: int) -> date:
    """The night after so many weeks of the small shop."""
    return SHOP_FIRST_DAY + timedelta(days=7 * week)


def land_small_shop(settings: Settings) -> None:
    """160 customers of three tastes over 60 items; one purchase in four is a repeat."""
    rng = np.random.default_rng(11)
    rows = []
    for user in range(160):
        joined, bought = int(rng.integers(0, 30)), []
        for day in sorted(rng.integers(joined, SHOP_DAYS, int(rng.integers(4, 40)))):
            if bought and rng.random() < 0.25:
                item = int(rng.choice(bought))
            else:
                item = (user % 3) * 20 + min(int(rng.geometric(0.12)) - 1, 19)
            bought.append(item)
            rows.append((int(day), f"u{user:03}", f"i{item:02}", int(rng.integers(0, 86_400))))
    for day in range(SHOP_DAYS):
        today = [row for row in rows if row[0] == day]
        midnight = datetime.combine(SHOP_FIRST_DAY, datetime.min.time()) + timedelta(days=day)
        write_day(
            settings,
            "events",
            midnight.date(),
            {
                "event_id": [f"{day}-{number}" for number in range(len(today))],
                "event_type": ["purchase"] * len(today),
                "user_id": [row[1] for row in today],
                "item_id": [row[2] for row in today],
                "event_at": [midnight + timedelta(seconds=row[3]) for row in today],
            },
        )
    opened = datetime.combine(SHOP_FIRST_DAY, datetime.min.time())
    write_day(
        settings,
        "items",
        SHOP_FIRST_DAY,
        {
            "item_id": [f"i{item:02}" for item in range(60)],
            "title": [f"Thing number {item}" for item in range(60)],
            "price": [1.0 + item for item in range(60)],
            "valid_from": [opened] * 60,
        },
    )


def fabricate_results() -> dict[str, Any]:
    """Results of a backtest: a promotion, a refusal and a stopped night of one placement."""

    def around(value: float) -> dict[str, Any]:
        return {"value": value, "low": value - 0.02, "high": value + 0.02, "user_count": 100}

    def figures(candidate: str, champion: float) -> dict[str, Any]:
        return {
            "candidate": candidate,
            "champion": around(champion),
            "baselines": {"popularity": around(0.1), "recent_popularity": around(0.15)},
            "best_baseline": "recent_popularity",
            "difference": around(champion - 0.15),
        }

    def night(as_of: str, outcome: str, candidate: str, champion: float) -> dict[str, Any]:
        verdict = {
            "outcome": outcome,
            "champion": candidate,
            "champion_before": "recent_popularity",
            "challenger": "ease" if outcome == "promoted" else "svd <b>",
            "in_words": f"{candidate} is {outcome}",
            "failed_rules": []
            if outcome == "promoted"
            else [{"rule": "beats_champion", "subject": "all", "reason": "not better & slower"}],
        }
        served = figures(candidate, champion - 0.01) if outcome == "promoted" else None
        placements = {
            "for_you": {"verdict": verdict, "gate": figures(candidate, champion), "served": served}
        }
        return {
            "as_of": as_of,
            "state": "published",
            "stopped_at": None,
            "reason": None,
            "publication_id": f"{as_of}-00000000",
            "placements": placements,
        }

    stopped = {
        "as_of": "2024-01-15",
        "state": "stopped",
        "stopped_at": "check_events",
        "reason": "DataCheckError: a week is missing",
        "publication_id": None,
        "placements": {},
    }
    nights = [
        night("2024-01-08", "promoted", "ease", 0.30),
        stopped,
        night("2024-01-22", "refused", "ease", 0.28),
    ]
    view = {
        "night_count": 2,
        "champion": 0.29,
        "best_baseline": 0.15,
        "nights_clearly_better": 2,
    }
    summary = {"promoted": 1, "refused": 1, "unchallenged": 0, "gate": view, "served": view}
    return {
        "plan": {"name": "try", "start": "2024-01-08", "end": "2024-01-22", "every_days": 7},
        "k": 10,
        "confidence": 0.95,
        "horizon_days": 14,
        "baselines": {"for_you": ["popularity", "recent_popularity"]},
        "nights": nights,
        "verdicts": [
            {"as_of": one["as_of"], "placement": name, **found["verdict"]}
            for one in nights
            for name, found in one["placements"].items()
        ],
        "summary": {"for_you": summary},
    }


def write_day(settings: Settings, feed: str, day: date, columns: dict[str, list[Any]]) -> Path:
    """Write one day file as a shop would."""
    folder = settings.landing / feed / f"date={day.isoformat()}"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shop.parquet"
    pq.write_table(pa.table(columns), path)
    return path


def write_item_versions(folder: Path, known_from: date, titles: dict[str, str]) -> None:
    """The versions of a snapshot written by hand: one title an item, known from one cutoff on."""
    n_items = len(titles)
    columns = {
        "item_id": pa.array(sorted(titles), pa.string()),
        "known_from_date": pa.array([known_from] * n_items, pa.date32()),
        "title": pa.array([titles[item_id] for item_id in sorted(titles)], pa.string()),
        "category": pa.nulls(n_items, pa.string()),
        "price": pa.nulls(n_items, pa.float64()),
        "is_available": pa.array([True] * n_items, pa.bool_()),
    }
    pq.write_table(pa.table(columns), folder / "item_versions.parquet")
