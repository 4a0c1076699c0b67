"""Rules about where code may stand, checked over the source tree."""

from __future__ import annotations

import ast
import functools
import re
import sys
from pathlib import Path

import pytest

from tests.source_files import PACKAGE, SOURCES, of_every_source

ROOT = Path(__file__).parent.parent
#: Folders of `pipelines/` in the order the data flows: each imports only those before it.
ROOMS = [
    "base",
    "show",
    "experiments",
    "notify",
    "events",
    "start",
    "features",
    "models",
    "rules",
    "evaluate",
    "tune",
    "benchmark",
    "gate",
    "registry",
    "lists",
    "audit",
    "publications",
    "ask",
    "report",
    "serve",
    "measure",
    "run",
    "simulate",
    "backtest",
    "erase",
]
#: Distinct pairs of folders of which one imports the other, at most.
MAX_ARROWS = 139
#: Files that no test of their folder imports, and why.
UNTESTED = {
    "__main__.py": "three lines that tests/base/test_cli.py runs as a process",
    "errors.py": "every error is tested where it is raised",
    "pyfunc_model.py": "runs inside MLflow's loader; tests/registry/test_registry.py loads it",
    "notify_settings.py": "tests/notify/test_channels.py tries its keys",
    "settings_sections.py": "tests/base/test_config.py tries its keys and what they refuse",
    "serving_settings.py": "tests/base/test_config.py tries its keys and what they refuse",
    "source_settings.py": "tests/events/sources/test_table.py tries its keys and what they refuse",
    "readings.py": "tests/events/sources/test_table.py has a case of each column it refuses",
    "staged_rows.py": "tests/events/sources/test_table.py reads files of every kind through it",
    "typed_rows.py": "tests/events/sources/test_table.py reads values of every kind through it",
    "commands.py": "tests/base/test_cli.py runs every verb",
    "backtest_commands.py": "tests/base/test_cli.py runs every verb",
    "erase_commands.py": "tests/base/test_cli.py runs every verb",
    "tuning_commands.py": "tests/base/test_cli.py runs every verb",
}


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def imports_of(path: Path) -> set[str]:
    """Modules a file imports anywhere."""
    found = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top_level_imports_of(path: Path) -> set[str]:
    """Modules a file imports as soon as it is imported itself."""
    tree = tree_of(path)
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


def module_of(path: Path) -> str:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    return name.removesuffix(".__init__")


@functools.cache
def imports_by_module(*, at_the_top: bool = False) -> dict[str, set[str]]:
    """Modules of the package that each module imports, anywhere or as soon as it is imported."""
    modules = {module_of(path) for path in SOURCES}
    found = {}
    for path in SOURCES:
        named = top_level_imports_of(path) if at_the_top else imports_of(path)
        found[module_of(path)] = (named & modules) - {module_of(path), "pipelines"}
    return found


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else module


def calls_in(path: Path) -> set[str]:
    return {
        ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)
    }


@of_every_source
def test_only_the_process_of_a_night_imports_airflow(path):
    if path == PACKAGE / "run" / "airflow_process.py":
        return
    assert not {name for name in imports_of(path) if name.split(".")[0] == "airflow"}


def test_the_root_holds_folders_only():
    assert {path.name for path in PACKAGE.glob("*.py")} == {"__init__.py", "__main__.py"}
    folders = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_imports_only_itself_and_folders_before_it(room):
    allowed = ROOMS[: ROOMS.index(room) + 1]
    later = {
        f"{module} imports {other}"
        for module, others in imports_by_module().items()
        for other in others
        if room_of(module) == room and room_of(other) not in allowed
    }
    assert not later


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: set(others) for module, others in imports_by_module().items()}
    while leaves := {module for module, others in graph.items() if not others & graph.keys()}:
        graph = {module: others for module, others in graph.items() if module not in leaves}
    assert not graph, f"a circle is among {sorted(graph)}"


def test_the_house_has_few_arrows():
    arrows = {
        (room_of(module), room_of(other))
        for module, others in imports_by_module().items()
        for other in others
        if module not in ("pipelines", "pipelines.__main__") and room_of(other) != room_of(module)
    }
    assert len(arrows) + 1 <= MAX_ARROWS  # and the one of __main__


def test_the_api_loads_neither_scikit_learn_nor_mlflow():
    graph = imports_by_module(at_the_top=True)
    seen, open_modules = set(), {module for module in graph if room_of(module) == "serve"}
    while open_modules:
        seen |= open_modules
        open_modules = {other for module in open_modules for other in graph[module]} - seen
    libraries = {
        f"{module} imports {name}"
        for path in SOURCES
        if (module := module_of(path)) in seen
        for name in top_level_imports_of(path)
        if name.split(".")[0] in {"sklearn", "mlflow"}
    }
    assert not libraries and "pipelines.models.base" not in seen


@pytest.mark.parametrize("room", ROOMS)
def test_a_folder_says_what_goes_in_and_out(room):
    module = ast.parse((PACKAGE / room / "__init__.py").read_text())
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


@of_every_source
def test_only_config_reads_the_environment(path):
    if path == PACKAGE / "base" / "config.py":
        return
    text = ast.unparse(tree_of(path))
    assert "os.environ" not in text and "os.getenv" not in text, (
        "read it in pipelines/base/config.py"
    )


@of_every_source
def test_nothing_unpickles(path):
    banned = {"pickle", "cPickle", "dill", "cloudpickle", "joblib"}
    assert not {name for name in imports_of(path) if name.split(".")[0] in banned}
    assert "allow_pickle=True" not in path.read_text()


@of_every_source
def test_the_data_path_never_asks_what_time_it_is(path):
    allowed = {
        "publish.py": "the manifest says when it was written",
        "read_source.py": "items without a date, landed before any event, are known from this day on",
        "outbox.py": "what a receiver refused is tried again for a day",
        "watch.py": "lists grow old and deadlines pass in the present",
        "commands.py": "`recsys notify --check` looks at the present",
        "land_commands.py": "`recsys land` alone lands what tonight's night would",
        "doctor.py": "says how old the live lists are",
        "clock.py": "the API answers in the present; everything else is given the time",
    }
    clocks = {
        call for call in calls_in(path) if re.search(r"\b(now|utcnow|today|time\.time)$", call)
    }
    assert not clocks or path.name in allowed


@of_every_source
def test_suppressions_carry_a_reason(path):
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if match := re.search(r"# (?:noqa|type: ignore|pragma: no cover)[^ ]*(.*)", line):
            reason = re.findall(r"[a-z]{2,}", match.group(1))
            assert len(reason) >= 3, f"{path.name}:{number} says no reason"


@of_every_source
def test_no_assert_outside_tests(path):
    assert not [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Assert)]


def test_every_source_file_has_a_test_in_its_folder():
    missing = []
    for room in ROOMS:
        tests = (ROOT / "tests" / room).rglob("test_*.py")
        imported = set().union(*(imports_of(test) for test in tests))
        for path in (PACKAGE / room).rglob("*.py"):
            is_listed = path.name == "__init__.py" or path.name in UNTESTED
            own = ROOT / "tests" / path.relative_to(PACKAGE).parent / f"test_{path.name}"
            if not is_listed and not own.exists() and module_of(path) not in imported:
                missing.append(str(path.relative_to(ROOT)))
    assert not missing, "test it, or list it in UNTESTED with a reason"


def test_every_test_file_tests_its_folder():
    """Tests of the whole tree lie beside this file; `tests/dags` tests what `dags/` holds."""
    strangers = []
    for test in (ROOT / "tests").glob("*/**/test_*.py"):
        relative = test.relative_to(ROOT / "tests")
        room, source = relative.parts[0], relative.name.removeprefix("test_")
        inside = [name for name in imports_of(test) if name.startswith(f"pipelines.{room}")]
        if room != "dags" and not inside and not (PACKAGE / relative.parent / source).exists():
            strangers.append(str(test.relative_to(ROOT)))
    assert not strangers


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
