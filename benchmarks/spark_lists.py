"""CPU seconds and memory of a placement's lists, on one machine and on Spark's executors.

    python benchmarks/spark_lists.py [--recommender ease] [--users 40000,400000] [--items 5000]
        [--events 30] [--master 'local[2]']

Needs the extra `spark`. Each line is a process of its own that writes the list file of a world like
that of `catalogue.py`, with the recommender saved before. CPU is that of the process and of all it
started, as last seen before they ended; PSS is the most that one process was seen to have, with
what it shares counted in parts. What a further user costs is the difference between two sizes: what
Spark costs before it ranks anybody is not in it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from catalogue import CUTOFF, make_world
from meter import describe_machine, run_measured

from pipelines.base.config import Settings, parse_settings
from pipelines.base.durable import write_json
from pipelines.base.paths import ROLE_FILE
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import DAYS_FILE, ROW_GROUP_ROWS, VERSIONS_FILE, items_file
from pipelines.lists.for_users import generate_lists
from pipelines.models.artefacts import save_recommender
from pipelines.models.candidates import candidate_spec, fit_candidate

PLACEMENT, CHAMPION, SAMPLE_SECONDS = "discover", "measured", 0.2
MIB = 1024**2


def main() -> None:
    """Measure both engines at every number of users, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--recommender", default="ease")
    parser.add_argument("--users", default="40000,400000", help="numbers of users, at least two")
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--events", type=int, default=30, help="items of a user")
    parser.add_argument("--master", default="local[2]")
    parser.add_argument("--engine", help=argparse.SUPPRESS)  # of the process that measures it
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.engine == "world":
        make_home(settings_of(chosen), int(chosen.users), chosen.items, chosen.events)
        return
    if chosen.engine:
        measure(settings_of(chosen))
        return
    print(describe_machine())
    print(f"{'':24}wall s  CPU s  of Java  PSS here MiB  PSS of an executor's Python MiB")
    rows: dict[str, list[dict[str, Any]]] = {"duckdb": [], "spark": []}
    for users in chosen.users.split(","):
        with tempfile.TemporaryDirectory() as folder:
            run_process("world", users, Path(folder), chosen)
            hashes = set()
            for engine, found in rows.items():
                row = run_process(engine, users, Path(folder), chosen)
                found.append(row)
                hashes.add(row["sha256"])
                print(line_of(engine, row), flush=True)
            print(f"{'':24}the list files are {'the same' if len(hashes) == 1 else 'DIFFERENT'}")
    for engine, (first, *_, last) in rows.items():
        further = last["users"] - first["users"]
        cost = 1000 * (last["cpu_seconds"] - first["cpu_seconds"]) / further
        print(f"{engine}: {cost:.3f} ms of CPU for a further user")


def line_of(engine: str, row: dict[str, Any]) -> str:
    """Figures of one engine."""
    return (
        f"{engine:8}{row['users']:12,} users {row['wall_seconds']:7.1f} {row['cpu_seconds']:6.1f} "
        f"{row['java_seconds']:8.1f} {row['here_mib']:13,.0f} {row['executor_mib']:13,.0f}"
    )


def run_process(engine: str, users: str, home: Path, chosen: argparse.Namespace) -> dict[str, Any]:
    """Run this program for one engine."""
    words = ["--engine", engine, "--home", home, "--users", users, "--master", chosen.master]
    words += ["--items", chosen.items, "--events", chosen.events]
    command = [sys.executable, __file__, *words, "--recommender", chosen.recommender]
    _, output = run_measured([str(word) for word in command], home / f"{engine}.log")
    row: dict[str, Any] = json.loads(output.splitlines()[-1]) if engine != "world" else {}
    return row


def settings_of(chosen: argparse.Namespace) -> Settings:
    """A shop of one placement with the recommender."""
    return parse_settings(
        {
            "home": chosen.home,
            "engine": chosen.engine if chosen.engine == "spark" else "duckdb",
            "spark": {"master": chosen.master},
            "placements": {PLACEMENT: {"baselines": ["popularity"], "fallback": "popularity"}},
            "candidates": [
                {"name": "popularity", "recommender": "popularity"},
                {"name": CHAMPION, "recommender": chosen.recommender},
            ],
        }
    )


def make_home(settings: Settings, n_users: int, n_items: int, n_events: int) -> None:
    """Write a snapshot and the fitted recommender."""
    world = make_world(n_users, n_items, n_events)
    folder = settings.run_folder(CUTOFF).snapshot
    folder.mkdir(parents=True)
    texts = {
        f"{name}_id": pa.DictionaryArray.from_arrays(
            pa.array(world[name]), pa.array(world[f"{name}_ids"].tolist())
        ).cast(pa.string())
        for name in ("user", "item")
    }
    days = pa.array(world["last_event_at"].astype("datetime64[D]"))
    columns = {
        **texts,
        "event_type": pa.repeat("purchase", len(days)),
        "event_date": days,
        "landed_date": days,
        "event_count": pa.array(world["event_count"].astype("int64")),
        "last_event_at": pa.array(world["last_event_at"]),
    }
    pq.write_table(pa.table(columns), folder / DAYS_FILE, row_group_size=ROW_GROUP_ROWS)
    item_ids = world["item_ids"].tolist()
    known = {"title": item_ids, "category": pa.nulls(n_items, pa.string())}
    items = {"item_id": item_ids, **known, "is_available": [True] * n_items}
    pq.write_table(pa.table({**items, "is_in_feed": [True] * n_items}), folder / items_file(CUTOFF))
    versions = {"known_from_date": pa.repeat(pa.scalar(CUTOFF), n_items), "price": [1.0] * n_items}
    pq.write_table(pa.table({**items, **versions}), folder / VERSIONS_FILE)
    spec = candidate_spec(settings, settings.candidate(CHAMPION), CUTOFF)
    role = settings.run_folder(CUTOFF).role(PLACEMENT, "champion")
    fitted = fit_candidate(spec, read_interactions(settings, CUTOFF, CUTOFF))
    save_recommender(fitted, spec, role)
    write_json(role / ROLE_FILE, {"model_version": CHAMPION})


def measure(settings: Settings) -> None:
    """Write the lists in this process, and print what it took as JSON."""
    watch = Watch()
    began = time.monotonic()
    summary = generate_lists(settings, CUTOFF, PLACEMENT)
    wall = time.monotonic() - began
    file = settings.run_folder(CUTOFF).variant(PLACEMENT, "control")
    figures = {
        "users": summary["users"],
        "wall_seconds": wall,
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        **watch.stop(),
    }
    print(json.dumps(figures))


class Watch:
    """Looks at this process and at all it started, until it is stopped."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._java: set[int] = set()
        self._most = {"here": 0, "executor": 0}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def _look_on(self) -> None:
        here = psutil.Process()
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._look(here, "here")
            for process in here.children(recursive=True):
                try:
                    is_java = process.name() == "java"
                    self._java |= {process.pid} if is_java else set()
                    self._look(process, None if is_java else "executor")
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue

    def _look(self, process: psutil.Process, kind: str | None) -> None:
        times = process.cpu_times()
        self._seconds[process.pid] = times.user + times.system
        if kind:
            self._most[kind] = max(self._most[kind], process.memory_full_info().pss)

    def stop(self) -> dict[str, float]:
        """CPU seconds of all and of Java, and the most memory of a process of each kind."""
        self._stopped.set()
        self._thread.join()
        self._look(psutil.Process(), "here")
        return {
            "cpu_seconds": sum(self._seconds.values()),
            "java_seconds": sum(self._seconds[one] for one in self._java),
            **{f"{kind}_mib": most / MIB for kind, most in self._most.items()},
        }


if __name__ == "__main__":
    main()
