"""A night in child processes that may die on the way, for `test_fault_loop.py`.

The children are forked from a server that has everything imported, so one costs what its verbs cost.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.base.config import Settings, load_settings
from pipelines.run.night import NIGHT, VERBS
from tests.conftest import SHOP_SETTINGS, land_small_shop, shop_night

FIRST, SECOND = shop_night(9), shop_night(10)
#: Verbs a run can begin with: no verb from there on asks for the answer of one before.
STARTS = [
    number
    for number in range(len(NIGHT))
    if all(
        asked is None or asked in [verb for verb, _ in NIGHT[number:]]
        for _, asked in NIGHT[number:]
    )
]
PLACEMENT = "discover"


def shop_settings(home: Path) -> Settings:
    """The shop of the tests with one placement, of which one publication is kept."""
    settings = load_settings(SHOP_SETTINGS, home)
    placements = {PLACEMENT: settings.placements[PLACEMENT]}
    publish = settings.publish.model_copy(update={"keep": 1})
    return settings.model_copy(update={"placements": placements, "publish": publish})


def make_context() -> Any:
    """Children of a process that has imported what a night imports, and run none of it."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "tests.fault_night",
            *("dbt.cli.main", "dbt.adapters.duckdb", "mlflow", "mlflow.pyfunc", "pyarrow.dataset"),
            *("great_expectations", "great_expectations.expectations", "sklearn", "pandas"),
            *("matplotlib.backends.backend_agg", "matplotlib.figure"),
            *(VERBS[verb].split(":")[0] for verb, _ in NIGHT),
        ]
    )
    return context


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code (negative: the signal), its answer and where its log is."""

    exit_code: int
    answer: Any
    log: Path


def call(context: Any, work: Path, function: Callable[..., Any], *arguments: Any) -> Ended:
    """Run a function of this module in a child."""
    work.mkdir(parents=True, exist_ok=True)
    answer, log = work / "answer.json", work / "log.txt"
    answer.unlink(missing_ok=True)
    child = context.Process(target=_in_child, args=(function, answer, log, arguments))
    child.start()
    child.join()
    found = json.loads(answer.read_text()) if answer.exists() else None
    return Ended(child.exitcode, found, log)


def _in_child(function: Callable[..., Any], answer: Path, log: Path, arguments: tuple) -> None:
    with log.open("a") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    found = function(*arguments)
    draft = answer.with_suffix(".draft")
    draft.write_text(json.dumps(found))
    os.replace(draft, answer)


def prepare(home: Path) -> None:
    """A shop whose first night is published; of the second there is an outdated snapshot."""

    from pipelines.run.night import run_in_a_row

    settings = shop_settings(home)
    land_small_shop(settings)
    run_in_a_row(settings, FIRST)
    shutil.copytree(settings.run_folder(FIRST).snapshot, settings.run_folder(SECOND).snapshot)


def run(
    home: Path, fault: str | None = None, start: int = 0, end: int | None = None
) -> dict[str, Any]:
    """Verbs of the second night, in this process; which places they passed, and how they failed."""
    from pipelines.base.errors import PipelineError
    from pipelines.base.faults import passed_places
    from pipelines.run import night

    if fault is not None:
        os.environ["RECSYS_FAULT"] = fault
    night.NIGHT = NIGHT[start:end]
    failure = None
    try:
        night.run_in_a_row(shop_settings(home), SECOND)
    except Exception as error:
        from pipelines.base.disk_full import find_disk_full

        plain = error if isinstance(error, PipelineError) else find_disk_full(error)
        if plain is None:
            raise
        failure = str(plain)
    return {"places": passed_places(), "failure": failure}


def run_with_small_files(home: Path, byte_count: int) -> dict[str, Any]:
    """The second night where no file may grow beyond a size: writes of every library fail."""
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # or the process ends where the write should fail
    resource.setrlimit(resource.RLIMIT_FSIZE, (byte_count, byte_count))
    return run(home)


def run_with_server(home: Path, port: int, verbs: list[str]) -> list[str]:
    """Verbs of the second night, logging to a server; returns the names the first of them gave."""
    from pipelines.run import night

    mlflow = {
        "tracking_uri": f"http://127.0.0.1:{port}",
        "timeout_seconds": 1,
        "restart_seconds": 0,
    }
    settings = shop_settings(home)
    changed = settings.mlflow.model_copy(update=mlflow)
    settings = settings.model_copy(update={"mlflow": changed})
    night.NIGHT = tuple(entry for entry in NIGHT if entry[0] in verbs)
    night.run_in_a_row(settings, SECOND)
    return verbs


def state(home: Path) -> dict[str, Any]:
    """Everything a night must end in: every table, every list, and what is live."""
    from pipelines.base.current import read_current
    from pipelines.base.warehouse import connect, fingerprint_tables

    settings = shop_settings(home)
    with connect(settings, read_only=True) as warehouse:
        tables = {name: list(found) for name, found in fingerprint_tables(warehouse).items()}
    lists = {
        str(path.relative_to(home)): path.read_bytes().hex()
        for path in sorted(home.glob("runs/*/lists/*/*.parquet"))
    }
    live = read_current(settings, verify=True)
    kept = sorted(folder.name for folder in settings.publications.glob("20*"))
    scraps = sorted(str(path) for path in settings.publications.rglob(".*"))
    return {
        "tables": tables,
        "lists": lists,
        "live": [live.publication_id, live.manifest["logical_hash"]],
        "publications": kept,
        "scraps": scraps,
    }


def read(home: Path) -> dict[str, Any]:
    """What readers see: the pointer, the files behind it, SQL over it, and the warehouse's view."""
    from pipelines.ask.query import run_sql
    from pipelines.base.current import read_current
    from pipelines.base.warehouse import connect

    settings = shop_settings(home)
    live = read_current(settings, verify=True)
    frame = run_sql(
        settings,
        "select count(*) as n, min(publication_id) as one,"
        " max(publication_id) as other from current_recommendations",
    )
    with connect(settings, read_only=True) as warehouse:
        rows = warehouse.execute(
            "select publication_id, count(*) from serving.current_recommendations group by all"
        ).fetchall()
    return {
        "live": live.publication_id,
        "manifest_rows": live.manifest["row_count"],
        "file": [int(frame["n"][0]), frame["one"][0], frame["other"][0]],
        "view": [list(row) for row in rows],
    }


def copy_home(source: Path, target: Path) -> Path:
    """A home of its own with the same files; nothing is open in either."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target
