"""The home that benchmarks run in: generated logs by size, and what was measured on them."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from meter import Cost, describe_machine, run_measured

from pipelines.base.config import PROJECT_ROOT
from pipelines.events.synthetic.log import LogPlan, parse_count

BENCH_HOME = PROJECT_ROOT / "var-bench"
RESULTS = "results.jsonl"
#: Users and items of a size.
SIZES = {
    "200k": ("6k", "2500"),
    "1m": ("20k", "8k"),
    "5m": ("60k", "20k"),
    "25m": ("200k", "50k"),
    "100m": ("500k", "100k"),
}


def log_options(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark on a generated log."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", choices=SIZES, default="1m")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--bench-home", type=Path, default=BENCH_HOME)
    return parser


def plan_of(size: str, seed: int = 7) -> LogPlan:
    """A year of events, with the users and items of its size."""
    users, items = SIZES[size]
    return LogPlan(parse_count(size), parse_count(users), parse_count(items), seed=seed)


def prepare_log(home: Path, size: str, seed: int) -> Cost:
    """Generate a size's day files in a home, and remove whatever else an earlier run left there."""
    home.mkdir(parents=True, exist_ok=True)
    for entry in home.iterdir():
        if entry.name != "landing":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    users, items = SIZES[size]
    command = [sys.executable, "-m", "pipelines", "generate", "--home", str(home)]
    command += ["--events", size, "--users", users, "--items", items, "--seed", str(seed)]
    cost, _ = run_measured(command, home / "bench.log", environment=package_path())
    return cost


def package_path() -> dict[str, str]:
    """Let child processes import the package that this process imported."""
    return {"PYTHONPATH": str(PROJECT_ROOT)}


class Results:
    """Lines of one run, appended as they are measured, so that a run that is stopped shows how far.

    Parameters
    ----------
    path : Path
    about : dict
        Goes into every line: what was run, size and so on.
    """

    def __init__(self, path: Path, **about: Any) -> None:
        started = datetime.now(UTC)
        self._path = path
        self._run_id = started.strftime("%Y%m%dT%H%M%S%f")
        self._about = about
        plan = plan_of(about["size"], about["seed"])
        self.add(
            "run",
            date=started.date().isoformat(),
            commit=_commit(),
            machine=describe_machine(),
            events=plan.n_events,
            users=plan.n_users,
            items=plan.n_items,
        )

    def add(self, kind: str, **values: Any) -> None:
        """Append a line."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        line = {"run_id": self._run_id, "kind": kind, **self._about, **values}
        with self._path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(line) + "\n")

    def add_cost(self, kind: str, name: str, cost: Cost, **values: Any) -> None:
        """Append what something cost."""
        self.add(kind, name=name, **asdict(cost), **values)


def read_runs(path: Path) -> Iterator[list[dict[str, Any]]]:
    """Lines of each complete run, oldest first."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        runs.setdefault(line["run_id"], []).append(line)
    return (lines for lines in runs.values() if lines[-1]["kind"] == "done")


def _commit() -> str:
    asked = ["git", "-C", str(PROJECT_ROOT), "describe", "--always", "--dirty"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"
