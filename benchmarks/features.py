"""The dbt build of a night's features beside the same SQL run bare in DuckDB.

    python benchmarks/features.py --events 1m
    python benchmarks/features.py --events 5m --runs 3

A year of generated events is loaded once. Each run then builds all features of the night from the
same warehouse, in processes of their own and in turns: `dbt build`, as every night runs it, with
contracts, tests and freshness (the first run parses the project, later ones go on from that as
later nights do); and the SQL that dbt compiled, models and tests, in the order in which dbt ran
them, through a bare connection with the same settings. What is measured is appended to
`results.jsonl` in the bench home; `python benchmarks/record.py` puts it on the page.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict
from datetime import date
from pathlib import Path
from statistics import median

from bench_home import RESULTS, Results, log_options, plan_of, prepare_log
from meter import Cost, describe_machine, ratio_of
from night import SETTINGS, VERB, head, line_of, run_code

from pipelines.base.config import Settings, load_settings
from pipelines.base.warehouse import connect

#: The sides, in the order in which they take turns.
DBT, BARE = "dbt build", "bare SQL"
BUILT_SCHEMAS = ("intermediate", "features", "metrics")
BUILT_DATES = "intermediate.int_built_dates"
BARE_CODE = """
import json, sys
import duckdb
statements, database, config = json.loads(open(sys.argv[1]).read())
connection = duckdb.connect(database, config=config)
connection.execute("set TimeZone = 'UTC'")
for statement in statements:
    connection.execute(statement).fetchall()
"""


def compiled_statements(target: Path, remembered: dict[str, str]) -> list[str]:
    """What dbt compiled in a build, as statements, in the order in which it ran them.

    Parameters
    ----------
    target : Path
        dbt's target folder after a build.
    remembered : dict of str to str
        What `remembered_rows` returns: tests read which rows of a table are new.
    """
    nodes = json.loads((target / "manifest.json").read_text())["nodes"]
    results = json.loads((target / "run_results.json").read_text())["results"]
    statements = []
    for result in results:
        node = nodes.get(result["unique_id"])
        if node is None:  # an exposure: nothing is run
            continue
        sql = Path(node["compiled_path"]).read_text()
        if node["resource_type"] == "model":
            kind = "view" if node["config"]["materialized"] == "view" else "table"
            statements.append(f"create schema if not exists {node['schema']}")
            sql = f"create or replace {kind} {node['schema']}.{node['alias']} as {sql}"
        statements.append(sql)
        if node["alias"] in remembered:
            statements.append(remembered[node["alias"]])
    if remembered:
        statements.append(f"update {BUILT_DATES} set is_tested = true")
    return statements


def remembered_rows(settings: Settings) -> dict[str, str]:
    """By table, a statement that writes what dbt's hooks wrote of it after it was built."""
    with connect(settings, read_only=True) as warehouse:
        rows = warehouse.execute(
            "select table_name, string_agg(format('(''{}'', date ''{}'', {}, false)', "
            "table_name, built_date, content_hash), ', ') "
            f"from {BUILT_DATES} group by table_name"
        ).fetchall()
    return {name: f"insert into {BUILT_DATES} values {values}" for name, values in rows}


def built_rows(settings: Settings) -> dict[str, tuple[int, int]]:
    """Rows of every table of the build, and a hash of them in whatever order."""
    found = {}
    with connect(settings, read_only=True) as warehouse:
        tables = warehouse.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_type = 'BASE TABLE' and list_contains(?, table_schema) order by all",
            [list(BUILT_SCHEMAS)],
        ).fetchall()
        for (name,) in tables:
            counted = f"select count(*), bit_xor(hash(rows::varchar)) from {name} as rows"
            found[name] = warehouse.execute(counted).fetchall()[0]
    return found


def run_sides(settings: Settings, night: date, loaded: Path, runs: int) -> dict[str, list[Cost]]:
    """Build in turns from the same loaded warehouse; what each side cost.

    Raises
    ------
    SystemExit
        If the sides build other rows.
    """
    costs: dict[str, list[Cost]] = {DBT: [], BARE: []}
    plan = settings.home / "statements.json"
    limits = {
        "memory_limit": settings.warehouse.memory_limit,
        "threads": settings.warehouse.threads,
        "temp_directory": str(settings.home / "tmp"),
    }
    built: dict[str, tuple[int, int]] = {}
    for side in [DBT, BARE] * runs:
        shutil.copyfile(loaded, settings.warehouse_path)
        if side == DBT:
            call = (VERB, "build_features", night.isoformat())
        else:
            call = (BARE_CODE, str(plan))
        cost = run_code(settings.home, SETTINGS, *call)
        costs[side].append(cost)
        print(line_of(side, cost), flush=True)
        rows = built_rows(settings)
        if built not in ({}, rows):
            raise SystemExit(f"Both sides must build the same rows. Found {built} and {rows}.")
        built = rows
        if side == DBT:
            target = settings.run_folder(night).dbt
            statements = compiled_statements(target, remembered_rows(settings))
            plan.write_text(json.dumps([statements, str(settings.warehouse_path), limits]))
    return costs


def median_cost(costs: list[Cost]) -> Cost:
    """The median of every figure, but of peak memory the largest."""
    figures = {field: median(getattr(cost, field) for cost in costs) for field in asdict(costs[0])}
    return Cost(**{**figures, "peak_mib": max(cost.peak_mib for cost in costs)})


def main() -> None:
    """Load a log, build its features in turns, append and print what both sides cost."""
    parser = log_options(__doc__)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    plan, home = plan_of(chosen.events, chosen.seed), chosen.bench_home.resolve() / chosen.events
    print(f"{chosen.events} events on {json.dumps(describe_machine())}, pid {os.getpid()}")
    print(head())
    prepare_log(home, chosen.events, chosen.seed)
    settings = load_settings(SETTINGS, home)
    results = Results(
        chosen.bench_home / RESULTS, what="features", size=chosen.events, seed=chosen.seed
    )
    load = run_code(home, SETTINGS, VERB, "load_days", plan.as_of.isoformat())
    print(line_of("load (not part of either side)", load), flush=True)
    loaded = settings.warehouse_path.rename(home / "loaded.duckdb")
    costs = {
        side: median_cost(found)
        for side, found in run_sides(settings, plan.as_of, loaded, chosen.runs).items()
    }
    for side, cost in costs.items():
        results.add_cost("side", side, cost, rows=plan.n_events)
    print(f"\nmedians of {chosen.runs}; dbt over bare SQL: {ratio_of(costs[DBT], costs[BARE])}")
    results.add("done", runs=chosen.runs)


if __name__ == "__main__":
    main()
