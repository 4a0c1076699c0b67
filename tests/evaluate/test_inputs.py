from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.config import PROJECT_ROOT, Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.errors import MissingSnapshotError, SettingsError
from pipelines.evaluate import inputs
from pipelines.evaluate.inputs import (
    code_hash,
    input_hash,
    placements_of,
    planned_candidates,
    planned_spec,
)
from pipelines.evaluate.source_files import files_in_turn, hash_files
from pipelines.features.snapshot import MANIFEST_FILE
from pipelines.models.candidates import RECOMMENDERS, Spec, make_recommender

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
    write_ordered_json(settings.run_folder(AS_OF).snapshot / MANIFEST_FILE, {"content_hash": "s1"})
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
    write_ordered_json(settings.run_folder(AS_OF).plan, {"candidates": [entry]})

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
    write_ordered_json(settings.run_folder(AS_OF).snapshot / MANIFEST_FILE, {"content_hash": "s2"})

    assert gate_hash(settings) != before


def test_night_without_snapshot_is_refused(settings: Settings) -> None:
    (settings.run_folder(AS_OF).snapshot / MANIFEST_FILE).unlink()

    with pytest.raises(MissingSnapshotError, match="Run `recsys features --as-of 2024-03-01`"):
        gate_hash(settings)


def imports_in_turn(module: str, seen: set[str]) -> set[str]:
    """Modules of the package that a module imports, at its top or later, by the syntax tree.

    They are added to those that are seen.
    """
    if module in seen or (spec := find_module(module)) is None:
        return seen
    seen.add(module)
    names = {module.rpartition(".")[0]}
    for node in ast.walk(ast.parse(Path(spec).read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "name the package: what an evaluation runs is found by it"
            names |= {node.module or "", *(f"{node.module}.{one.name}" for one in node.names)}
    for name in names:
        imports_in_turn(name, seen)
    return seen


def find_module(name: str) -> str | None:
    """File of a module of the package; None for what is no module or another library's."""
    path = PROJECT_ROOT.joinpath(*name.split("."))
    files = (path.with_suffix(".py"), path / "__init__.py")
    is_ours = name.split(".", maxsplit=1)[0] == "pipelines"
    return next((str(file) for file in files if is_ours and file.is_file()), None)


def evaluated_files() -> list[Path]:
    return files_in_turn(inputs.EVALUATION, PROJECT_ROOT)


def test_every_module_that_an_evaluation_imports_in_turn_is_in_its_hash() -> None:
    recommenders = [make_recommender(Spec("", key, {}, {"view": 1.0})) for key in RECOMMENDERS]
    modules: set[str] = set()
    for entry in (inputs.EVALUATION, *(type(one).__module__ for one in recommenders)):
        imports_in_turn(entry, modules)

    wanted = {find_module(name) for name in modules}

    assert len(wanted) > 60
    assert wanted <= {str(path) for path in evaluated_files()}


def test_every_module_that_an_evaluation_has_loaded_is_in_its_hash(
    make_settings: Callable[..., Settings], take_shop: Callable
) -> None:
    """Asked of Python itself: a process evaluates a blend and says what it imported."""
    days = [date(2024, 1, 10), date(2024, 2, 10), date(2024, 2, 20)]
    blend = {"name": "blend", "recommender": "blend"}
    settings = make_settings(candidates=[*CANDIDATES, blend])
    take_shop(
        settings, [(user, item, "purchase", day) for user in "uv" for item in "ab" for day in days]
    )
    code = (
        "import sys; from datetime import date; from pipelines.base.config import parse_settings;"
        "from pipelines.evaluate import evaluation as evaluate; evaluate._log_window = lambda *found: {};"
        "evaluate.evaluate_candidate(parse_settings(eval(sys.argv[1])), date(2024, 3, 1), 'blend');"
        "print([m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'pipelines'])"
    )
    values = repr(settings.model_dump(mode="json"))
    done = subprocess.run(
        [sys.executable, "-c", code, values], capture_output=True, text=True, check=True
    )

    loaded = ast.literal_eval(done.stdout.splitlines()[-1])
    assert len(loaded) > 40
    assert set(loaded) <= {str(path) for path in evaluated_files()}


def test_a_change_in_any_file_that_an_evaluation_runs_makes_it_new(tmp_path: Path) -> None:
    shutil.copytree(PROJECT_ROOT / "pipelines", tmp_path / "pipelines")
    files = files_in_turn(inputs.EVALUATION, tmp_path)
    before = code_hash.__wrapped__(tmp_path)
    assert before == hash_files(files, tmp_path) == code_hash()

    for path in files:
        whole = path.read_bytes()
        path.write_bytes(whole + b"\n# changed\n")
        assert hash_files(files, tmp_path) != before, f"{path.name} keeps old evaluations"
        path.write_bytes(whole)
    files[0].write_text("changed")
    assert code_hash.__wrapped__(tmp_path) != before


def test_a_change_of_what_only_reads_evaluations_keeps_them(tmp_path: Path) -> None:
    shutil.copytree(PROJECT_ROOT / "pipelines", tmp_path / "pipelines")
    before = code_hash.__wrapped__(tmp_path)
    with (tmp_path / "pipelines" / "doctor.py").open("a") as file:
        file.write("# changed")

    assert code_hash.__wrapped__(tmp_path) == before
