"""Fabricated evaluations, and homes with an MLflow store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.base import tracking
from pipelines.base.config import Settings, stable_hash
from pipelines.base.durable import write_ordered_json
from pipelines.evaluate.results import write_evaluation
from pipelines.evaluate.score import means_by_segment
from tests.conftest import write_item_versions

AS_OF = date(2024, 3, 1)


@pytest.fixture
def with_store(store_template: Path) -> Callable[[Settings], Settings]:
    """Give a home its own copy of the empty store."""

    def copy(settings: Settings) -> Settings:
        settings.home.mkdir(parents=True, exist_ok=True)
        shutil.copy(store_template, settings.home / "mlflow.db")
        return settings

    return copy


@pytest.fixture(autouse=True)
def _forget_failed_servers() -> None:
    tracking._failed_servers.clear()


@pytest.fixture
def fabricate() -> Callable[..., Path]:
    """Write an evaluation with random users around a level of NDCG."""

    def write(
        settings: Settings,
        name: str,
        *,
        level: float,
        placement: str = "discover",
        window: str = "gate",
        coverage: float = 0.5,
        n_users: int = 60,
        spec: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> Path:
        rng = np.random.default_rng(seed)
        cuts = {
            f"{metric}_at_{k}": rng.beta(4 * level, 4 * (1 - level), n_users) * min(1, 0.6 + k / 25)
            for metric in ("ndcg", "recall", "precision", "map", "mrr", "hit")
            for k in settings.evaluation.ks
        }
        per_user = pd.DataFrame(
            {
                "user_id": [f"u{n:04d}" for n in range(n_users)],
                "segment": np.array(["new", "light", "heavy"])[np.arange(n_users) % 3],
                "relevant_count": 3,
                "list_length": 20,
                **cuts,
            }
        )
        spec = spec or {"recommender": "popularity", "params": {"level": level}}
        shared = {"value": coverage, "low": None, "high": None, "user_count": n_users}
        metrics = {
            "name": name,
            "spec": spec,
            "spec_hash": stable_hash(spec),
            "window": window,
            "cutoff": settings.night(AS_OF).gate.cutoff.isoformat(),
            "history": {"user_count": 90, "item_count": 40, "row_count": 700, "content_hash": "ab"},
            "fit_seconds": 0.1,
            "placement": placement,
            "user_count": n_users,
            "left_out": {"users_without_history": 1, "users_without_truth": 2},
            "metrics": {
                **means_by_segment(per_user, settings.evaluation),
                f"coverage_at_{settings.evaluation.k}": {"all": shared},
            },
            "recommend_seconds": 0.1,
            "input_hash": stable_hash([name, window, placement, level]),
            "run_id": None,
        }
        folder = settings.run_folder(AS_OF).evaluation(name, window, placement)
        write_evaluation(folder, per_user, metrics)
        return folder

    return write


@pytest.fixture
def take_shop() -> Callable[..., None]:
    """Freeze rows of (user_id, item_id, event_type, day) as a night's snapshot."""

    def write(
        settings: Settings,
        rows: list[tuple[str, str, str, date]],
        *,
        as_of: date = AS_OF,
        unavailable: tuple[str, ...] = (),
    ) -> None:
        folder = settings.run_folder(as_of).snapshot
        folder.mkdir(parents=True, exist_ok=True)
        days = pd.DataFrame(rows, columns=["user_id", "item_id", "event_type", "event_date"])
        days = days.groupby(list(days.columns)).size().reset_index(name="event_count")
        days["landed_date"] = days["event_date"]
        days["last_event_at"] = pd.to_datetime(days["event_date"]).astype("datetime64[us]")
        days.to_parquet(folder / "user_item_days.parquet", index=False)
        write_item_versions(folder, as_of, {})
        for cutoff in settings.night(as_of).cutoffs:
            known = days[days["event_date"] < cutoff]
            active = known.groupby("user_id")["event_date"].nunique()
            segment = np.select([active == 1, active < 3], ["new", "light"], "heavy")
            users = pd.DataFrame({"user_id": active.index, "segment": segment})
            users.to_parquet(folder / f"users-{cutoff}.parquet", index=False)
            items = pd.DataFrame({"item_id": sorted(set(known["item_id"]))})
            first_days = known.groupby("item_id")["event_date"].min()
            items["first_known_at"] = pd.to_datetime(items["item_id"].map(first_days)).astype(
                "datetime64[us]"
            )
            items["is_in_feed"] = True
            items["is_available"] = ~items["item_id"].isin(unavailable)
            items.to_parquet(folder / f"items-{cutoff}.parquet", index=False)
        digest = stable_hash([sorted(map(str, rows)), sorted(unavailable)])
        write_ordered_json(folder / "manifest.json", {"content_hash": digest})

    return write
