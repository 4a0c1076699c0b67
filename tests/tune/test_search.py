from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.base.config import Settings
from pipelines.base.errors import SettingsError
from pipelines.base.tracking import tracking_client
from pipelines.models.candidates import candidate_spec
from pipelines.tune.runs import EXPERIMENT
from pipelines.tune.search import tune_candidate

AS_OF = date(2024, 3, 1)
SEARCH = {"half_life_days": {"low": 1.0, "high": 300.0, "log": True, "none": True}}
CANDIDATES = [
    {"name": "popularity", "recommender": "popularity", "search": SEARCH},
    {"name": "recent_popularity", "recommender": "popularity", "params": {"half_life_days": 10.0}},
]


def shop() -> list[tuple[str, str, str, date]]:
    """Fashions of a fortnight: what sold long ago says little about what sells next."""
    rng = np.random.default_rng(7)
    rows = []
    for age in range(1, 90):
        for _ in range(12):
            item = (age // 14) * 3 + int(rng.integers(0, 3)) if rng.random() < 0.8 else 99
            user = f"u{int(rng.integers(0, 40)):02}"
            rows.append((user, f"i{item:02}", "purchase", AS_OF - timedelta(days=age)))
    return rows


@pytest.fixture
def settings(
    make_settings: Callable[..., Settings], with_store: Callable, take_shop: Callable
) -> Settings:
    settings = with_store(
        make_settings(
            placements={"for_you": {"exclude": "none"}},
            candidates=CANDIDATES,
            evaluation={"horizon_days": 7, "k": 2, "ks": [1, 2]},
            tuning={"windows": 2, "trials": 5},
        )
    )
    take_shop(settings, shop())
    return settings


def test_nights_from_then_on_use_what_is_better_and_earlier_ones_do_not(
    settings: Settings,
) -> None:
    found = tune_candidate(settings, AS_OF, "popularity")

    one = settings.candidate("popularity")
    assert found["is_better"]
    assert found["differences"]["in_use"]["low"] > 0
    assert candidate_spec(settings, one, AS_OF).as_dict() == found["spec"]
    assert candidate_spec(settings, one, AS_OF - timedelta(days=1)).params == {}
    assert candidate_spec(settings, one).params == {}
    assert "nights from 2024-03-01 on use it" in found["in_words"]
    assert found["rule"] in found["in_words"]


def test_what_is_not_shown_to_be_better_is_not_used(settings: Settings) -> None:
    tune_candidate(settings, AS_OF, "popularity")
    later = AS_OF + timedelta(days=1)
    settings.run_folder(AS_OF).folder.rename(settings.run_folder(later).folder)
    folder = settings.run_folder(later).snapshot
    for path in folder.glob("items-*"):
        day = date.fromisoformat(path.stem.removeprefix("items-")) + timedelta(days=1)
        path.rename(folder / f"items-{day}.parquet")

    found = tune_candidate(settings, later, "popularity", trials=1)

    assert not found["is_better"]
    assert "the one in use stays" in found["in_words"]
    entries = json.loads((settings.specifications / "popularity.json").read_text())["entries"]
    assert [entry["as_of"] for entry in entries] == ["2024-03-01"]


def poison(settings: Settings, rows: list[dict[str, Any]]) -> None:
    """Plant rows in a snapshot that is there."""
    path = settings.run_folder(AS_OF).snapshot / "user_item_days.parquet"
    days = pd.read_parquet(path)
    extra = pd.DataFrame(rows, columns=days.columns)
    extra["last_event_at"] = pd.to_datetime(extra["event_date"]).astype("datetime64[us]")
    keys = ["user_id", "item_id", "event_type", "event_date", "landed_date"]
    pd.concat([days, extra]).sort_values(keys).to_parquet(path, index=False)


def test_poison_in_the_gate_window_changes_nothing(
    settings: Settings, make_settings: Callable[..., Settings], take_shop: Callable
) -> None:
    clean = tune_candidate(settings, AS_OF, "popularity")
    gate = settings.night(AS_OF).gate
    poisoned = settings.model_copy(update={"home": settings.home.parent / "poisoned"})
    take_shop(poisoned, shop())
    planted = {"event_type": "purchase", "event_count": 999}
    poison(
        poisoned,
        [
            # garbage that happened in the gate window
            {
                **planted,
                "user_id": f"u{n:02}",
                "item_id": "poison",
                "event_date": day,
                "landed_date": day,
            }
            for n in range(40)
            for day in (gate.start, gate.end - timedelta(days=1))
        ]
        + [
            # and garbage that says it happened before, in a day file of the gate window
            {
                **planted,
                "user_id": f"u{n:02}",
                "item_id": "i99",
                "event_date": gate.start - timedelta(days=3),
                "landed_date": gate.start,
            }
            for n in range(40)
        ],
    )

    assert tune_candidate(poisoned, AS_OF, "popularity") == clean


def test_poison_on_the_day_before_the_gate_window_is_seen(
    settings: Settings, take_shop: Callable
) -> None:
    clean = tune_candidate(settings, AS_OF, "popularity")
    last = settings.night(AS_OF).gate.start - timedelta(days=1)
    rows = [(f"u{n:02}", "poison", "purchase", last) for n in range(40)]
    take_shop(settings, [*shop(), *rows])
    assert tune_candidate(settings, AS_OF, "popularity")["scores"] != clean["scores"]


def test_a_second_run_tries_nothing_and_finds_the_same(settings: Settings) -> None:
    lines: list[str] = []
    first = tune_candidate(settings, AS_OF, "popularity", show=lines.append)
    second = tune_candidate(settings, AS_OF, "popularity", show=lines.append)
    assert second == first
    assert len(lines) == 5 + 1 + 1


def test_a_candidate_that_says_so_keeps_its_settings(settings: Settings) -> None:
    tune_candidate(settings, AS_OF, "popularity")
    fixed = settings.candidate("popularity").model_copy(update={"tuned": False})
    assert candidate_spec(settings, fixed, AS_OF).params == {}


def test_a_specification_tuned_from_other_settings_is_passed_over(settings: Settings) -> None:
    tune_candidate(settings, AS_OF, "popularity")
    edited = settings.candidate("popularity").model_copy(update={"params": {"half_life_days": 5.0}})
    assert candidate_spec(settings, edited, AS_OF).params == {"half_life_days": 5.0}


def test_trials_are_children_of_one_run_in_mlflow(settings: Settings) -> None:
    found = tune_candidate(settings, AS_OF, "popularity")
    client = tracking_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    runs = client.search_runs([experiment])
    (parent,) = [run for run in runs if run.data.tags.get("role") == "search"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId")]
    assert len(children) == 5
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert parent.data.metrics["ndcg_tuned"] == pytest.approx(found["scores"]["tuned"]["value"])


def test_placement_that_the_candidate_is_not_in_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="tuned for a placement it competes in"):
        tune_candidate(settings, AS_OF, "popularity", placement="discover")


def test_search_in_which_every_trial_fails_is_refused(settings: Settings) -> None:
    wrong = {"half_life_days": {"choices": [-1.0, -2.0]}}
    broken = [{**CANDIDATES[0], "search": wrong}, CANDIDATES[1]]
    values = {**settings.model_dump(), "candidates": broken}
    with pytest.raises(SettingsError, match="At least one trial must succeed"):
        tune_candidate(Settings.model_validate(values), AS_OF, "popularity", trials=2)
