"""What each stage of a night costs on a generated log of a year, and how good its lists are.

    python benchmarks/night.py --events 1m
    python benchmarks/night.py --events 5m --one-process
    python benchmarks/night.py --events 5m --dag
    python benchmarks/night.py --events 5m --light --one-process --memory-limit 2GB

Every stage runs in a process of its own, so that its peak memory is its own; a process starts and
imports in one to three seconds, which its stage counts. `--one-process` runs the night as a whole
in one, `--dag` as Airflow does. `--light` has the three candidates of `peers/same_work.toml`, and
`--memory-limit` sets `warehouse.memory_limit`. Everything measured is appended to `results.jsonl`
in the bench home, with the quality of every candidate beside its times; `python
benchmarks/record.py` makes docs/benchmarks.md of it.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
from bench_home import RESULTS, Results, log_options, package_path, plan_of, prepare_log
from meter import Cost, describe_machine, run_measured, sum_costs

from pipelines.base.config import Settings, load_settings
from pipelines.base.current import read_current
from pipelines.evaluate.leaderboard import WINDOWS, leaderboard
from pipelines.evaluate.results import read_metrics
from pipelines.events.synthetic.log import LogPlan
from pipelines.run.night import NIGHT

SETTINGS = Path(__file__).parent / "bench.toml"
LIGHT_SETTINGS = Path(__file__).parent / "peers" / "same_work.toml"
WHOLE = "whole night"
#: How a night is run, as it is recorded.
BY_STAGE, IN_ONE_PROCESS, AS_DAG = "night", "night in one process", "night as DAG"
READ = "read interactions"
#: Stages whose rows are those of the lists, not events.
LIST_STAGES = ("generate_lists", "audit_lists", "publish")
#: Stages that go through all events, or through histories made of them.
EVENT_STAGES = (
    "load all",
    "load_days",
    "check_events",
    "build_features",
    "take_snapshot",
    "check_features",
    READ,
    "evaluate_candidate",
    "refit_placement",
)
VERB = "import sys; from pipelines.run.night import call_verb; call_verb(*sys.argv[1:])"
READ_CODE = """
import sys
from pipelines.base.config import load_settings
from pipelines.features.read import read_interactions
from pipelines.base.windows import parse_day
night = parse_day(sys.argv[1])
print(len(read_interactions(load_settings(), night, night).user))
"""
IN_A_ROW = """
import sys
from pipelines.base.config import load_settings, silence_telemetry
from pipelines.run.night import run_in_a_row
from pipelines.base.windows import parse_day
silence_telemetry()
run_in_a_row(load_settings(), parse_day(sys.argv[1]))
"""


def run_code(home: Path, settings_file: Path, code: str, *arguments: str) -> Cost:
    """Run Python code on a home in a process of its own."""
    environment = {
        **package_path(),
        "RECSYS_HOME": str(home),
        "RECSYS_CONFIG": str(settings_file),
    }
    command = [sys.executable, "-c", code, *arguments]
    cost, _ = run_measured(command, home / "bench.log", environment=environment)
    return cost


def run_dag(home: Path, settings_file: Path, night: date) -> Cost:
    """Run a night's DAG on a home, as `recsys run` does."""
    command = [sys.executable, "-m", "pipelines", "run", "--as-of", night.isoformat()]
    command += ["--home", str(home), "--config", str(settings_file)]
    cost, _ = run_measured(command, home / "bench.log", environment=package_path())
    return cost


def limit_memory(settings_file: Path, home: Path, limit: str) -> Path:
    """A copy of the settings in a home with another `warehouse.memory_limit`."""
    text = settings_file.read_text(encoding="utf-8")
    limited, changed = re.subn(r'(?m)^memory_limit = ".*"$', f'memory_limit = "{limit}"', text)
    if changed != 1:
        raise SystemExit(f"{settings_file} must set memory_limit once. Found it {changed} times.")
    path = home / "bench.toml"
    path.write_text(limited, encoding="utf-8")
    return path


def stages(settings: Settings, plan: LogPlan) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Name, code and arguments of every stage, in order."""
    night = plan.as_of.isoformat()
    for verb, asked in NIGHT:
        if verb == "load_days":
            before = (plan.as_of - timedelta(days=1)).isoformat()
            yield f"load all {plan.n_days - 1} days before", VERB, (verb, before)
            yield "load the last day", VERB, (verb, night)
        elif asked is None:
            yield verb, VERB, (verb, night)
        else:
            for subject in _subjects(settings, asked):
                yield f"{verb} {subject}", VERB, (verb, night, subject)
        if verb == "take_snapshot":
            yield READ, READ_CODE, (night,)


def _subjects(settings: Settings, asked: str) -> list[str]:
    if asked == "plan_candidates":
        return [candidate.name for candidate in settings.candidates]
    return list(settings.placements)


def run_stages(settings: Settings, settings_file: Path, plan: LogPlan, results: Results) -> Cost:
    """Run a night stage by stage; what it cost in all."""
    costs = {}
    for name, code, arguments in stages(settings, plan):
        costs[name] = run_code(settings.home, settings_file, code, *arguments)
        results.add_cost("stage", name, costs[name], rows=_rows(settings, plan, name))
        print(line_of(name, costs[name]), flush=True)
    return sum_costs([cost for name, cost in costs.items() if name != READ])


def _rows(settings: Settings, plan: LogPlan, name: str) -> int | None:
    """Rows that a stage goes through: of lists, of the last day, all events; None of the others."""
    if name.startswith(LIST_STAGES):
        files = settings.run_folder(plan.as_of).lists.rglob("*.parquet")
        return sum(_parquet_rows(path) for path in files)
    if name == "load the last day":
        last = plan.as_of - timedelta(days=1)
        return _parquet_rows(settings.landing / "events" / f"date={last}")
    return plan.n_events if name.startswith(EVENT_STAGES) else None


def _parquet_rows(path: Path) -> int:
    files = path.glob("*.parquet") if path.is_dir() else [path]
    return sum(pq.read_metadata(file).num_rows for file in files)


def add_quality(settings: Settings, night: date, results: Results) -> None:
    """Append and print each candidate's NDCG on the gate window, with the seconds of its fits."""
    cut = settings.evaluation.k
    for placement in settings.placements:
        board = leaderboard(settings, night, placement, "gate")
        for row in board.to_dict("records"):
            spent = [_spent(settings, night, placement, row["candidate"], name) for name in WINDOWS]
            results.add(
                "candidate",
                name=row["candidate"],
                placement=placement,
                ndcg_at_10=round(row[f"ndcg_at_{cut}"], 6),
                low=round(row["low"], 6),
                high=round(row["high"], 6),
                scored_users=int(row["user_count"]),
                fit_seconds=round(sum(fit for fit, _ in spent) / len(spent), 3),
                recommend_seconds=round(sum(rank for _, rank in spent) / len(spent), 3),
            )
        print(f"\n{placement}, gate window\n{board.to_string(index=False)}")


def _spent(
    settings: Settings, night: date, placement: str, name: str, window: str
) -> tuple[float, float]:
    found = read_metrics(settings.run_folder(night).evaluation(name, window, placement)) or {}
    return found.get("fit_seconds", 0.0), found.get("recommend_seconds", 0.0)


def line_of(name: str, cost: Cost) -> str:
    """A line of the table that is printed."""
    return (
        f"{name:48} {cost.wall_seconds:9.1f} {cost.cpu_seconds:9.1f} {cost.peak_mib:9,.0f} "
        f"{cost.written_mib:10,.1f}"
    )


def head() -> str:
    """The table's head."""
    return f"{'stage':48} {'wall s':>9} {'CPU s':>9} {'peak MiB':>9} {'wrote MiB':>10}"


def main() -> None:
    """Generate a log, run a night on it, append and print what it cost."""
    parser = log_options(__doc__)
    parser.add_argument(
        "--one-process",
        dest="what",
        action="store_const",
        const=IN_ONE_PROCESS,
        default=BY_STAGE,
        help="the whole night in one process",
    )
    parser.add_argument(
        "--dag", dest="what", action="store_const", const=AS_DAG, help="the night's Airflow DAG"
    )
    parser.add_argument("--light", action="store_true", help="three candidates, and no ranker")
    parser.add_argument("--memory-limit", help="of DuckDB, such as 2GB [default: the settings']")
    chosen = parser.parse_args()
    plan, home = plan_of(chosen.events, chosen.seed), chosen.bench_home.resolve() / chosen.events
    limit = chosen.memory_limit
    what = f"light {chosen.what}" if chosen.light else chosen.what
    what += f" within {limit}" if limit else ""
    print(f"{chosen.events} events on {json.dumps(describe_machine())}, pid {os.getpid()}")
    print(head())
    generated = prepare_log(home, chosen.events, chosen.seed)
    results = Results(chosen.bench_home / RESULTS, what=what, size=chosen.events, seed=chosen.seed)
    results.add_cost("generate", "generate", generated, rows=plan.n_events)
    print(line_of("generate (not part of the night)", generated), flush=True)
    settings_file = LIGHT_SETTINGS if chosen.light else SETTINGS
    if limit:
        settings_file = limit_memory(settings_file, home, limit)
    settings = load_settings(settings_file, home)
    if chosen.what == IN_ONE_PROCESS:
        whole = run_code(home, settings_file, IN_A_ROW, plan.as_of.isoformat())
    elif chosen.what == AS_DAG:
        whole = run_dag(home, settings_file, plan.as_of)
    else:
        whole = run_stages(settings, settings_file, plan, results)
    results.add_cost("whole", WHOLE, whole, rows=plan.n_events)
    print(line_of(WHOLE, whole))
    add_quality(settings, plan.as_of, results)
    lists = read_current(settings).manifest
    print(f"\n{lists['user_count']:,} users with {lists['row_count']:,} rows of lists")
    results.add("done", list_users=lists["user_count"], list_rows=lists["row_count"])


if __name__ == "__main__":
    main()
