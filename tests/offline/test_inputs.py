from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.config import Settings
from pipelines.errors import MissingSnapshotError, SettingsError
from pipelines.features.snapshot import MANIFEST_FILE
from pipelines.offline import inputs
from pipelines.offline.inputs import (
    code_hash,
    input_hash,
    placements_of,
    planned_candidates,
    planned_spec,
)
from pipelines.offline.results import write_json

AS_OF = date(2024, 3, 1)
PLACEMENTS: dict[str, Any] = {
    "discover": {"candidates": ["popularity", "knn"], "fallback": "recent_popularity"},
    "for_you": {"exclude": "none"},
}
CANDIDATES = [
    {"name": "popularity", "recommender": "popularity"},
    {"name": "recent_popularity", "recommender": "popularity", "params": {"half_life_days": 9.0}},
    {"name": "knn", "recommender": "item_knn"},
    {"name": "frequency", "recommender": "personal_frequency"},
]


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    settings = make_settings(placements=PLACEMENTS, candidates=CANDIDATES)
    write_json(settings.run_folder(AS_OF).snapshot / MANIFEST_FILE, {"content_hash": "s1"})
    return settings


def gate_hash(settings: Settings, name: str = "knn", placement: str = "discover") -> str:
    spec = planned_spec(settings, AS_OF, name)
    return input_hash(settings, AS_OF, spec, settings.night(AS_OF).gate, placement)


def test_specification_comes_from_the_plan_first(settings: Settings) -> None:
    entry = {
        "name": "knn",
        "recommender": "item_knn",
        "params": {"n_neighbors": 7},
        "event_weights": {"purchase": 2.0},
        "spec_hash": "not read",
    }
    write_json(settings.run_folder(AS_OF).plan, {"candidates": [entry]})

    assert planned_spec(settings, AS_OF, "knn").params == {"n_neighbors": 7}
    assert planned_spec(settings, AS_OF, "frequency").recommender == "personal_frequency"


def test_night_without_a_plan_takes_the_settings(settings: Settings) -> None:
    assert planned_candidates(settings, AS_OF) == []
    assert planned_spec(settings, AS_OF, "knn").as_dict() == {
        "recommender": "item_knn",
        "params": {},
        "event_weights": {"purchase": 1.0},
    }


def test_unknown_candidate_is_refused(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="Got 'magic'"):
        planned_spec(settings, AS_OF, "magic")


def test_baselines_and_fallback_compete_where_they_are_not_listed(settings: Settings) -> None:
    assert placements_of(settings, "knn") == ("discover", "for_you")
    assert placements_of(settings, "recent_popularity") == ("discover", "for_you")
    assert placements_of(settings, "frequency") == ("for_you",)


def test_champion_that_left_the_settings_competes_everywhere(settings: Settings) -> None:
    assert placements_of(settings, "last_year") == ("discover", "for_you")


def test_hash_is_the_same_for_the_same_inputs(settings: Settings) -> None:
    assert gate_hash(settings) == gate_hash(settings)


def test_hash_changes_with_what_lists_or_metrics_depend_on(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    changed = [
        make_settings(candidates=CANDIDATES, placements=PLACEMENTS, **{section: values})
        for section, values in {
            "evaluation": {"ks": [3]},
            "events": {"weights": {"purchase": 9.0}},
        }.items()
    ]
    recent = {**PLACEMENTS, "discover": {**PLACEMENTS["discover"], "exclude_within_days": 30}}
    changed.append(make_settings(candidates=CANDIDATES, placements=recent))

    found = {gate_hash(one) for one in [settings, *changed]} | {gate_hash(settings, "frequency")}

    assert len(found) == 5


def test_hash_does_not_change_with_the_gate_rules(
    settings: Settings, make_settings: Callable[..., Settings]
) -> None:
    stricter = {**PLACEMENTS, "discover": {**PLACEMENTS["discover"], "ndcg_floor": 0.3}}

    other = make_settings(candidates=CANDIDATES, placements=stricter)

    assert gate_hash(other) == gate_hash(settings)


def test_hash_changes_with_the_snapshot(settings: Settings) -> None:
    before = gate_hash(settings)
    write_json(settings.run_folder(AS_OF).snapshot / MANIFEST_FILE, {"content_hash": "s2"})

    assert gate_hash(settings) != before


def test_night_without_snapshot_is_refused(settings: Settings) -> None:
    (settings.run_folder(AS_OF).snapshot / MANIFEST_FILE).unlink()

    with pytest.raises(MissingSnapshotError, match="Run `recsys features --as-of 2024-03-01`"):
        gate_hash(settings)


def test_code_hash_changes_with_a_recommender(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "pipelines" / "models" / "ease.py"
    source.parent.mkdir(parents=True)
    monkeypatch.setattr(inputs, "PROJECT_ROOT", tmp_path)
    source.write_text("one")
    before = code_hash()

    source.write_text("two")

    assert code_hash() != before


def test_every_pattern_of_the_code_finds_files() -> None:
    package = Path(inputs.__file__).parents[1]

    assert [pattern for pattern in inputs.CODE if not list(package.glob(pattern))] == []
