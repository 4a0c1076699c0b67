"""Contenders and nights with evident answers, and an MLflow store of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from pipelines.base import tracking
from pipelines.base.config import Settings, parse_settings
from pipelines.base.tables import FEAT_ITEMS, FEAT_USERS, INT_USER_ITEM_DAYS
from pipelines.evaluate.results import write_evaluation
from pipelines.gate.contenders import Contender
from pipelines.gate.differences import Thresholds
from pipelines.gate.plan import plan_candidates
from tests.conftest import write_item_versions

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


@pytest.fixture
def thresholds() -> Thresholds:
    """Few users are enough; no floor and no ceiling to speak of."""
    return Thresholds(
        k=10,
        confidence=0.95,
        min_users=4,
        ndcg_floor=0.0,
        ndcg_ceiling=0.9,
        coverage_margin=0.05,
        segment_margin=0.02,
        min_segment_users=3,
        yearly_error=0.05,
    )


@pytest.fixture
def contender() -> Callable[..., Contender]:
    """A logged candidate with these NDCG values, one per user; keywords override its fields."""

    def make(name: str, user_ndcg: Sequence[float], **fields: Any) -> Contender:
        values = np.array(user_ndcg, dtype=np.float64)
        own = {
            "spec_hash": f"spec-{name}",
            "run_id": f"run-{name}",
            "ndcg": float(values.mean()) if len(values) else None,
            "coverage": 0.5,
            "user_ids": np.array([f"u{n:05d}" for n in range(len(values))]),
            "user_ndcg": values,
            "segments": np.full(len(values), "light"),
        }
        return Contender(name, **{**own, **fields})

    return make


# a small night: its snapshot, its plan, and evaluations with evident answers


NIGHT = date(2024, 3, 1)
WEEK = timedelta(days=7)
SHOP = {
    "placements": {
        "discover": {
            "exclude": "all",
            "list_length": 5,
            "candidates": ["popularity", "recent_popularity", "item_knn", "ease"],
        },
        "for_you": {"exclude": "none", "list_length": 5, "baselines": ["popularity"]},
    },
    "candidates": [
        {"name": "popularity", "recommender": "popularity"},
        {
            "name": "recent_popularity",
            "recommender": "popularity",
            "params": {"half_life_days": 10.0},
        },
        {"name": "item_knn", "recommender": "item_knn", "params": {"n_neighbors": 5}},
        {"name": "ease", "recommender": "ease", "params": {"regularization": 5.0}},
    ],
}


@pytest.fixture
def night() -> date:
    """The night the small home is for."""
    return NIGHT


@pytest.fixture
def shop(make_settings: Callable[..., Settings], _tracking_store: None) -> Settings:
    """A home with a snapshot: 12 customers of two tastes over 8 items, 9 weeks."""
    settings = make_settings(**SHOP)
    write_snapshot(settings, NIGHT)
    return settings


@pytest.fixture
def change(shop: Settings) -> Callable[..., Settings]:
    """The same home under changed settings."""

    def make(**overrides: Any) -> Settings:
        return parse_settings({**shop.model_dump(mode="json"), **overrides})

    return make


def write_snapshot(settings: Settings, as_of: date) -> None:
    """The files of a night's snapshot, written by hand."""
    folder = settings.run_folder(as_of).snapshot
    folder.mkdir(parents=True)
    rows = []
    for user in range(12):
        for week in range(9):
            day = as_of - (week + 1) * WEEK + timedelta(days=user % 7)
            item = (user % 2) * 4 + (user + week) % 4
            at = pd.Timestamp(day) + pd.Timedelta(hours=user)
            rows.append(
                {
                    "user_id": f"u{user:02d}",
                    "item_id": f"i{item}",
                    "event_type": "purchase",
                    "event_date": day,
                    "landed_date": day,
                    "event_count": 1,
                    "last_event_at": at,
                    "is_first_landing": True,
                }
            )
    days = pd.DataFrame(rows, columns=list(INT_USER_ITEM_DAYS.columns))
    days = days.sort_values(list(INT_USER_ITEM_DAYS.key), ignore_index=True)
    days["event_date"] = days["event_date"].astype("date32[pyarrow]")
    days["landed_date"] = days["landed_date"].astype("date32[pyarrow]")
    days.to_parquet(folder / "user_item_days.parquet", index=False)
    write_item_versions(folder, as_of, {f"i{n}": f"Thing {n}" for n in range(8)})
    for cutoff in settings.night(as_of).cutoffs:
        items = pd.DataFrame({"item_id": [f"i{n}" for n in range(8)]})
        items["title"] = [f"Thing {n}" for n in range(8)]
        items["is_available"] = items["is_in_feed"] = True
        items = items.reindex(columns=list(FEAT_ITEMS.columns))
        items.to_parquet(folder / f"items-{cutoff}.parquet", index=False)
        users = pd.DataFrame({"user_id": sorted(set(days["user_id"])), "segment": "heavy"})
        users = users.reindex(columns=list(FEAT_USERS.columns))
        users.to_parquet(folder / f"users-{cutoff}.parquet", index=False)
    manifest = {"as_of": as_of.isoformat(), "content_hash": f"snapshot-{as_of}"}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture
def evaluate() -> Callable[..., None]:
    """Write evaluations of a planned candidate: its NDCG in each window, for all its users."""

    def write(
        settings: Settings,
        name: str,
        *,
        selection: float,
        gate: float,
        placement: str = "discover",
        as_of: date = NIGHT,
        run_id: str | None = "logged",
        user_count: int = 12,
    ) -> None:
        plan = json.loads(settings.run_folder(as_of).plan.read_text())
        entry = next(one for one in plan["candidates"] if one["name"] == name)
        spec = {key: entry[key] for key in ("recommender", "params", "event_weights")}
        k = settings.evaluation.k
        for window, level in (("selection", selection), ("gate", gate)):
            # alternating by .01 around the level: every pair of candidates differs by a constant
            values = level + 0.01 * (-1.0) ** np.arange(user_count)
            per_user = pd.DataFrame(
                {
                    "user_id": [f"u{n:02d}" for n in range(user_count)],
                    "segment": "heavy",
                    f"ndcg_at_{k}": values,
                }
            )
            entry_of = {"low": None, "high": None, "user_count": user_count}
            metrics = {
                "name": name,
                "spec": spec,
                "spec_hash": entry["spec_hash"],
                "placement": placement,
                "window": window,
                "metrics": {
                    f"ndcg_at_{k}": {"all": {"value": float(values.mean()), **entry_of}},
                    f"coverage_at_{k}": {"all": {"value": 0.5, **entry_of}},
                },
                "run_id": run_id,
            }
            folder = settings.run_folder(as_of).evaluation(name, window, placement)
            write_evaluation(folder, per_user, metrics)

    return write


@pytest.fixture
def evaluate_all(evaluate: Callable[..., None]) -> Callable[..., None]:
    """Plan a night and evaluate the four candidates in both placements; `ease` is best."""

    def write(settings: Settings, as_of: date = NIGHT, **ndcg: float) -> None:
        levels = {
            "popularity": 0.1,
            "recent_popularity": 0.2,
            "item_knn": 0.3,
            "ease": 0.4,
            **ndcg,
        }
        for name in plan_candidates(settings, as_of):
            for placement in settings.placements:
                level = levels[name]
                evaluate(
                    settings, name, selection=level, gate=level, placement=placement, as_of=as_of
                )

    return write


# an MLflow store


@pytest.fixture
def _tracking_store(store_template: Path, tmp_path: Path) -> Iterator[None]:
    """A copy of the empty store in the test's home; no server is remembered as failed."""
    tracking._failed_servers.clear()
    (tmp_path / "home").mkdir()
    shutil.copy(store_template, tmp_path / "home" / "mlflow.db")
    yield
    tracking._failed_servers.clear()


@pytest.fixture
def client(shop: Settings) -> MlflowClient:
    """Client of the home's store."""
    return tracking.tracking_client(shop)
