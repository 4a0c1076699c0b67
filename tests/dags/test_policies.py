"""Policies for every DAG: what a person at 3 a.m. and the scheduler both need."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.base.cli import VERBS
from pipelines.run.failures import read_command, report_failure

pytestmark = pytest.mark.xdist_group("dags")

DAGS = Path(__file__).parent.parent.parent / "dags"
DAG_FILES = sorted(DAGS.glob("*.py"))
HEAVY = ("pandas", "numpy", "sklearn", "duckdb", "mlflow", "dbt", "great_expectations", "pyarrow")

#: Task to the tasks right after it. Change it together with the DAG, and say so in CHANGELOG.md.
SHAPES = {
    "measure_experiments": {
        "choose_night": {"measure_experiments"},
        "measure_experiments": set(),
    },
    "tune": {"tune_candidate": set()},
    "watch": {"watch_home": set()},
    "backtest": {
        "replay_nights": {"write_results"},
        "write_results": {"log_backtest"},
        "log_backtest": set(),
    },
    "nightly_recommendations": {
        "choose_night": {"land_sources"},
        "land_sources": {"load_days"},
        "load_days": {"check_events"},
        "check_events": {"build_features"},
        "build_features": {"take_snapshot"},
        "take_snapshot": {"check_windows"},
        "check_windows": {"check_features"},
        "check_features": {"plan_candidates"},
        "plan_candidates": {"evaluate_candidate"},
        "evaluate_candidate": {"select_challengers"},
        "select_challengers": {"decide_gates"},
        "decide_gates": {"refit_placement", "generate_lists", "draw_plots"},
        "draw_plots": set(),
        "refit_placement": {"generate_lists"},
        "generate_lists": {"generate_similar"},
        "generate_similar": {"audit_lists"},
        "audit_lists": {"publish"},
        "publish": {"promote_aliases", "push_postgres"},
        "push_postgres": set(),
        "promote_aliases": {"report_night", "observe_night"},
        "observe_night": set(),
        "report_night": {"replay_later_nights"},
        "replay_later_nights": set(),
    },
}


@pytest.fixture(scope="module")
def dags():
    """Every DAG of the folder, by its file's name."""
    from airflow.dag_processing.dagbag import DagBag

    bag = DagBag(dag_folder=str(DAGS))
    assert not bag.import_errors
    return {
        path.stem: [dag for dag in bag.dags.values() if Path(dag.fileloc) == path]
        for path in DAG_FILES
    }


def test_every_file_holds_one_dag_named_as_the_file(dags):
    assert dags
    for name, found in dags.items():
        assert [dag.dag_id for dag in found] == [name], (
            f"dags/{name}.py must define exactly one DAG called {name}: rename the file or the "
            "function, or move the second DAG into a file of its own"
        )


def test_every_dag_has_the_shape_written_down_here(dags):
    shapes = {
        name: {task.task_id: task.downstream_task_ids for task in found[0].tasks}
        for name, found in dags.items()
    }
    assert shapes == SHAPES, (
        "the DAG's arrows changed: undo that in dags/, or write the new shape into SHAPES"
    )


def test_every_dag_has_owner_tags_retries_and_a_runbook(dags):
    for name, (dag,) in dags.items():
        assert dag.tags, f"{name} needs tags: add `tags=[…]` to @dag"
        assert dag.default_args["owner"] != "airflow", f"{name} needs an owner in default_args"
        assert dag.default_args["retries"] >= 1, f"{name} needs retries in default_args"
        assert dag.max_active_runs == 1, f"two runs of {name} may not interleave"
        assert not dag.catchup, f"{name} must not start old nights by itself"
        for task in dag.tasks:
            if task.task_id != "choose_night":
                assert f"`{task.task_id}`" in dag.doc_md, (
                    f"{name}: say in the docstring's table what to do when {task.task_id} fails, "
                    "or remove the task"
                )


def test_every_writer_of_the_warehouse_is_in_the_one_slot_pool(dags):
    (dag,) = dags["nightly_recommendations"]
    pooled = {task.task_id for task in dag.tasks if task.pool == "warehouse"}
    assert pooled == {
        "land_sources",
        "load_days",
        "check_events",
        "build_features",
        "take_snapshot",
        "check_windows",
        "plan_candidates",
        "select_challengers",
        "decide_gates",
        "publish",
        "replay_later_nights",
        "observe_night",
    }


def test_every_task_ends_some_time_and_tells_people_when_it_fails(dags):
    for name, (dag,) in dags.items():
        for task in dag.tasks:
            where = f"{name}.{task.task_id}"
            assert task.execution_timeout, f"{where} needs execution_timeout in default_args"
            told = task.on_failure_callback  # of a mapped task, as it was written
            assert report_failure in (told if isinstance(told, list) else [told]), (
                f"{where} needs on_failure_callback in default_args"
            )


def test_every_dag_says_the_command_that_does_its_work_by_hand(dags):
    for name in dags:
        words = read_command(name).split()
        assert words[0] in VERBS, f"{name}: write **By hand**: `recsys …` into the docstring"
        assert words != ["doctor"]


def test_importing_a_dag_loads_no_heavy_library():
    code = (
        "import json, runpy, sys\n"
        f"for path in {[str(path) for path in DAG_FILES]!r}:\n"
        "    runpy.run_path(path)\n"
        f"    print(json.dumps([path, [name for name in {HEAVY!r} if name in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('["')]
    assert loaded == [[str(path), []] for path in DAG_FILES]


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_task_body_is_an_import_and_one_call(path):
    tree = ast.parse(path.read_text())
    tasks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and any("task" in ast.dump(decorator) for decorator in node.decorator_list)
    ]
    assert tasks
    for function in tasks:
        body = [node for node in function.body if not _is_docstring(node)]
        assert [type(node) for node in body] == [ast.ImportFrom, ast.Return], (
            f"{path.name}:{function.lineno} {function.name}: a task imports a verb and calls it; "
            "move the rest into pipelines/"
        )


@pytest.mark.parametrize("path", DAG_FILES, ids=lambda path: path.stem)
def test_a_dag_file_never_asks_what_time_it_is(path):
    names = {
        node.attr
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
    }
    assert not names & {"now", "today", "utcnow"}, "the night is `as_of`, never the clock"


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
