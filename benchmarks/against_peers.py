"""A night beside the scripts that one would write instead of it, on the same log.

    python benchmarks/against_peers.py --install
    python benchmarks/against_peers.py --events 1m

`benchmarks/peers/by_hand.py` uses pandas, scipy and `implicit`; `with_rectools.py` uses RecTools.
Both read the same day files, fit popularity, item-kNN (100 neighbours) and ALS (64 factors, 10
iterations), score them on a fortnight and write 50 items for every user of the best one. Our
night (`peers/same_work.toml`) does this on two fortnights instead of one, and beyond it loads,
checks, builds features with dbt, tracks, gates, audits and publishes, all in one process and
counted. Seconds of its steps and of the fits are stored beside the total, so that like can be set
beside like.

--install makes an environment for each script in the bench home, with uv. A script without its
environment is left out, and that is said.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench_home import RESULTS, Results, log_options, plan_of, prepare_log
from meter import Cost, describe_machine, run_measured
from night import IN_A_ROW, LIGHT_SETTINGS, run_code

from pipelines.base.config import Settings, load_settings
from pipelines.base.step_seconds import read_step_seconds
from pipelines.evaluate.leaderboard import leaderboard
from pipelines.evaluate.results import read_metrics
from pipelines.events.synthetic.log import LogPlan

PEERS = Path(__file__).parent / "peers"
OURS = "recsys"
#: Environment to the script that runs in it.
SCRIPTS = {"implicit": "by_hand.py", "rectools": "with_rectools.py"}


def install(environments: Path) -> None:
    """Make the environment of every script."""
    uv = Path(sys.executable).with_name("uv")
    program = str(uv) if uv.exists() else "uv"
    for name in SCRIPTS:
        folder = environments / name
        subprocess.run([program, "venv", "--quiet", "--clear", str(folder)], check=True)
        asked = ["--python", str(folder / "bin" / "python")]
        asked += ["-r", str(PEERS / f"requirements-{name}.txt")]
        subprocess.run([program, "pip", "install", "--quiet", *asked], check=True)
        print(f"{folder}: installed")


def run_ours(settings: Settings, plan: LogPlan, results: Results) -> Cost:
    """Run our night in one process, and append what it cost and found."""
    cost = run_code(settings.home, LIGHT_SETTINGS, IN_A_ROW, plan.as_of.isoformat())
    board = leaderboard(settings, plan.as_of, "discover", "gate")
    scores = dict(zip(board["candidate"], board[f"ndcg_at_{settings.evaluation.k}"], strict=True))
    steps = {step["verb"]: step["seconds"] for step in read_step_seconds(settings, plan.as_of)}
    for name in scores:
        folder = settings.run_folder(plan.as_of).evaluation(name, "gate", "discover")
        steps[f"fit {name}"] = (read_metrics(folder) or {})["fit_seconds"]
    _add(results, OURS, cost, {"ndcg_at_10": scores, "seconds": steps})
    return cost


def run_script(settings: Settings, environments: Path, name: str, results: Results) -> Cost | None:
    """Run a script in its environment; None where that is not there."""
    python = environments / name / "bin" / "python"
    if not python.exists():
        print(f"{name:10} skipped: no environment. Make it: python {sys.argv[0]} --install")
        return None
    target = settings.home / f"{name}.parquet"
    command = [str(python), str(PEERS / SCRIPTS[name]), str(settings.landing), str(target)]
    cost, printed = run_measured(command, settings.home / f"{name}.log")
    _add(results, name, cost, json.loads(printed.splitlines()[-1]))
    return cost


def _add(results: Results, name: str, cost: Cost, found: dict[str, dict[str, float]]) -> None:
    scores = {key: round(float(value), 4) for key, value in found["ndcg_at_10"].items()}
    results.add_cost("peer", name, cost, **{**found, "ndcg_at_10": scores})
    print(_line(name, cost, scores), flush=True)


def _line(name: str, cost: Cost, scores: dict[str, float]) -> str:
    quality = "  ".join(f"{key} {value:.4f}" for key, value in sorted(scores.items()))
    return (
        f"{name:10} {cost.wall_seconds:9.1f} {cost.cpu_seconds:9.1f} {cost.peak_mib:9,.0f}  "
        f"{quality}"
    )


def ratios(costs: dict[str, Cost]) -> Iterator[str]:
    """Lines: what our night costs as a multiple of each script."""
    ours = costs[OURS]
    for name, cost in costs.items():
        if name != OURS:
            yield (
                f"{OURS} / {name}: wall {ours.wall_seconds / cost.wall_seconds:.1f}, "
                f"CPU {ours.cpu_seconds / cost.cpu_seconds:.1f}, "
                f"memory {ours.peak_mib / cost.peak_mib:.1f}"
            )


def main() -> None:
    """Run everything on one log, one after the other, and print the ratios."""
    parser = log_options(__doc__)
    parser.add_argument("--envs", type=Path, help="environments [default: <bench home>/envs]")
    parser.add_argument("--install", action="store_true", help="make the environments, and stop")
    chosen = parser.parse_args()
    environments = chosen.envs or chosen.bench_home / "envs"
    if chosen.install:
        install(environments.resolve())
        return
    plan, home = plan_of(chosen.events, chosen.seed), chosen.bench_home.resolve() / chosen.events
    prepare_log(home, chosen.events, chosen.seed)
    settings = load_settings(LIGHT_SETTINGS, home)
    print(f"{chosen.events} events on {json.dumps(describe_machine())}")
    print(f"{'':10} {'wall s':>9} {'CPU s':>9} {'peak MiB':>9}  NDCG@10 on the last fortnight")
    results = Results(
        chosen.bench_home / RESULTS, what="peers", size=chosen.events, seed=chosen.seed
    )
    found = {name: run_script(settings, environments, name, results) for name in SCRIPTS}
    costs = {OURS: run_ours(settings, plan, results)}
    costs |= {name: cost for name, cost in found.items() if cost is not None}
    print("\n".join(ratios(costs)))
    results.add("done")


if __name__ == "__main__":
    main()
