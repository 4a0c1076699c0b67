"""Load and features of a first night on a year of events, and of a night with one day more.

    python benchmarks/next_night.py --events 1m

The first night loads all days of a generated log but the last two weeks, and builds its features; a
night on the last day but one catches up with them; the next one finds one day more, and reads the
days of the look-back again. As in a home that runs every night, the cutoffs before its windows are
those of earlier nights: of the first, and of its window. Each step runs in a process of its own.
What is measured is appended to `results.jsonl` in the bench home; `python
benchmarks/record.py` puts it on the page.
"""

from __future__ import annotations

import json
import os
from datetime import date, timedelta
from pathlib import Path

from bench_home import RESULTS, Results, log_options, plan_of, prepare_log
from meter import Cost, describe_machine, ratio_of, sum_costs
from night import SETTINGS, VERB, head, line_of, run_code

from pipelines.base.config import load_settings

VERBS = (
    "load_days",
    "check_events",
    "build_features",
    "take_snapshot",
    "check_features",
)
FIRST, CATCHING_UP, NEXT = "first night", "night that catches up", "next night"


def run_night(home: Path, night: date) -> Cost:
    """Load a night and build its features; what that cost in all."""
    costs = []
    for verb in VERBS:
        costs.append(run_code(home, SETTINGS, VERB, verb, night.isoformat()))
        print(line_of(f"{night} {verb}", costs[-1]), flush=True)
    return sum_costs(costs)


def main() -> None:
    """Run the nights, append and print what they cost."""
    chosen = log_options(__doc__).parse_args()
    plan, home = plan_of(chosen.events, chosen.seed), chosen.bench_home.resolve() / chosen.events
    print(f"{chosen.events} events on {json.dumps(describe_machine())}, pid {os.getpid()}")
    print(head())
    prepare_log(home, chosen.events, chosen.seed)
    results = Results(chosen.bench_home / RESULTS, what=NEXT, size=chosen.events, seed=chosen.seed)
    costs = {}
    window_days = load_settings(SETTINGS, home).evaluation.horizon_days
    for name, days_before in ((FIRST, window_days), (CATCHING_UP, 1), (NEXT, 0)):
        costs[name] = run_night(home, plan.as_of - timedelta(days=days_before))
        results.add_cost("side", name, costs[name], rows=plan.n_events)
        print(line_of(name, costs[name]), flush=True)
    print(f"\n{NEXT} over {FIRST}: {ratio_of(costs[NEXT], costs[FIRST])}")
    results.add("done")


if __name__ == "__main__":
    main()
