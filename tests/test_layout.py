"""Rules about where code may stand, checked over the source tree."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pipelines"
STAGES = [
    "show",
    "events",
    "features",
    "models",
    "offline",
    "promote",
    "recommend",
    "serve",
    "simulate",
    "track",
]
SOURCES = sorted(PACKAGE.rglob("*.py"))
#: Files without a test file of their own, and why.
UNTESTED = {
    "__main__.py": "three lines that tests/test_cli.py runs as a process",
    "errors.py": "every error is tested where it is raised",
    "pyfunc_model.py": "runs inside MLflow's loader; tests/promote/test_registry.py loads it",
    "settings_sections.py": "tests/test_config.py tries its keys and what they refuse",
    "commands.py": "tests/test_cli.py runs every verb",
    "backtest_commands.py": "tests/test_cli.py runs every verb",
    "erase_commands.py": "tests/test_cli.py runs every verb",
    "tuning_commands.py": "tests/test_cli.py runs every verb",
}


def imports_of(path: Path) -> set[str]:
    """Modules a file imports anywhere."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports_of(path: Path) -> set[str]:
    """Modules a file imports as soon as it is imported itself."""
    tree = ast.parse(path.read_text())
    module = ast.Module(
        [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)], []
    )
    return {
        name
        for node in ast.walk(module)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else []
        )
    }


def calls_in(path: Path) -> set[str]:
    return {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    }


def names(paths) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_only_the_process_of_a_night_imports_airflow(path):
    if path == PACKAGE / "airflow_process.py":
        return
    assert not {name for name in imports_of(path) if name.split(".")[0] == "airflow"}


@pytest.mark.parametrize("stage", [stage for stage in STAGES if (PACKAGE / stage).exists()])
def test_a_stage_imports_only_itself_and_stages_before_it(stage):
    later = STAGES[STAGES.index(stage) + 1 :]
    for path in (PACKAGE / stage).glob("*.py"):
        wrong = {
            name
            for name in imports_of(path)
            for other in later
            if name.startswith(f"pipelines.{other}")
        }
        assert not wrong, f"{path.relative_to(ROOT)} imports a later stage: {wrong}"


@pytest.mark.parametrize("stage", [stage for stage in STAGES if (PACKAGE / stage).exists()])
def test_a_stage_says_what_goes_in_and_out(stage):
    module = ast.parse((PACKAGE / stage / "__init__.py").read_text())
    assert len(module.body) == 1, "a name is imported from the module that holds it"
    docstring = ast.get_docstring(module) or ""
    assert all(
        re.search(rf"^{word}:", docstring, re.M) for word in ("In", "Out", "Grain", "Fails when")
    )


def test_no_file_is_a_drawer_without_a_name():
    tracked = [*PACKAGE.rglob("*"), *(ROOT / "dags").rglob("*"), *(ROOT / "tests").rglob("*")]
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "base_utils"}
    assert not [path for path in tracked if path.stem in drawers]


def test_private_parts_of_a_library_are_used_in_one_file_that_says_so():
    used = {}
    for path in SOURCES:
        for name in imports_of(path):
            library, *parts = name.split(".")
            if library != "pipelines" and any(re.match("_[a-z]", part) for part in parts):
                used.setdefault(library, set()).add(path)
    assert {library: len(paths) for library, paths in used.items()} == {"scipy": 1, "sklearn": 1}
    for path in set().union(*used.values()):
        assert "the lock file" in re.sub(r"\s+", " ", path.read_text()), "say what holds it"


def test_the_mlflow_folder_holds_no_python():
    assert not list((ROOT / "mlflow").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_only_config_reads_the_environment(path):
    if path == PACKAGE / "config.py":
        return
    text = ast.unparse(ast.parse(path.read_text()))
    assert "os.environ" not in text and "os.getenv" not in text, "read it in pipelines/config.py"


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_nothing_unpickles(path):
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib"}
    assert not {name for name in imports_of(path) if name.split(".")[0] in banned}
    assert "allow_pickle=True" not in path.read_text()


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_the_data_path_never_asks_what_time_it_is(path):
    allowed = {
        "publication.py": "the manifest says when it was written",
        "clock.py": "the API answers in the present; everything else is given the time",
    }
    clocks = {
        call for call in calls_in(path) if re.search(r"\b(now|utcnow|today|time\.time)$", call)
    }
    assert not clocks or path.name in allowed


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_suppressions_carry_a_reason(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.search(r"# (?:noqa|type: ignore|pragma: no cover)[^ ]*(.*)", line):
            reason = re.findall(r"[a-z]{2,}", match.group(1))
            assert len(reason) >= 3, f"{path.name}:{number} says no reason"


@pytest.mark.parametrize("path", SOURCES, ids=names(SOURCES))
def test_no_assert_outside_tests(path):
    assert not [
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assert)
    ]


def test_every_source_file_has_its_test_file():
    missing = []
    for path in SOURCES:
        relative = path.relative_to(PACKAGE)
        test = ROOT / "tests" / relative.parent / f"test_{relative.name}"
        if path.name != "__init__.py" and path.name not in UNTESTED and not test.exists():
            missing.append(str(test.relative_to(ROOT)))
    assert not missing, "write the test file, or list the source in UNTESTED with a reason"


def test_every_test_file_has_its_source_file():
    about_the_tree = {
        "test_layout.py",
        "test_docs.py",
        "test_compose.py",
        "test_whole_night.py",
        "test_policies.py",
        "test_leaks.py",
        "test_late_events.py",
        "test_local_days.py",
        "test_operations.py",
        "test_fault_loop.py",
        "test_fold_in.py",
        "test_benchmarks.py",
        "test_contributing.py",
    }
    orphans = []
    for test in (ROOT / "tests").rglob("test_*.py"):
        relative = test.relative_to(ROOT / "tests")
        source = PACKAGE / relative.parent / relative.name.removeprefix("test_")
        if test.name not in about_the_tree and not source.exists():
            orphans.append(str(relative))
    assert not orphans


def test_stages_import_cheaply():
    heavy = {"mlflow", "dbt", "great_expectations", "matplotlib", "airflow"}
    for path in SOURCES:
        if path.name != "pyfunc_model.py":  # it is loaded by MLflow, inside MLflow
            top = {name.split(".")[0] for name in top_level_imports_of(path)}
            assert not top & heavy, f"{path.relative_to(ROOT)} imports {top & heavy} at the top"


def test_this_python_is_one_the_project_supports():
    assert (3, 11) <= sys.version_info[:2] < (3, 14)


@pytest.mark.xdist_group("one_process")
def test_a_group_of_tests_is_kept_in_one_process(request):
    """Where groups are forgotten, nothing fails and everything they share is made twice."""
    is_grouped = request.config.getoption("loadgroup", default=False)
    assert request.node.nodeid.endswith("@one_process") == is_grouped
