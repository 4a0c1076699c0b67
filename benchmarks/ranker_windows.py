"""The two-stage ranker against every other candidate of its placement, on windows of any log.

python benchmarks/ranker_windows.py HOME [--config FILE] [--as-of DAY] [--windows N]
    [--placement NAME] [--min-item-users N] [--json]

HOME has the snapshot of the night of DAY (`recsys features --as-of DAY`). The first window is the
night's gate window, each further one ends where the one before it begins; horizon, placements and
candidates are those of the settings file. All candidates are fitted on what was known before a
window and scored on what followed. Without options: six fortnights of the bundled shop up to
2011-12-09. The best other candidate is the best on the window itself, known only afterwards.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.base.config import Settings, load_settings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import HeldOut, read_earlier, score_recommender, segments_of
from pipelines.evaluate.intervals import mean_interval
from pipelines.evaluate.truth import align_truth
from pipelines.features.read import read_truth
from pipelines.models.candidates import candidate_spec, fit_candidate

BEST = "the best other"


def main() -> None:
    """Print a table per placement and window, then the mean lifts; or all of it as JSON."""
    chosen = parse_arguments()
    settings = load_settings(chosen.config, chosen.home)
    horizon = timedelta(days=settings.evaluation.horizon_days)
    results = []
    for placement in chosen.placement or settings.placements:
        windows = []
        for number in range(chosen.windows):
            end = chosen.as_of - number * horizon
            window = Window("earlier", end - horizon, end)
            held_out = read_window(settings, chosen.as_of, window, chosen.min_item_users)
            windows.append(compare(settings, placement, window, held_out))
            if not chosen.json:
                print_window(settings, windows[-1])
        results.append({"placement": placement, "windows": windows, "means": average(windows)})
        if not chosen.json:
            print_means(results[-1])
    if chosen.json:
        json.dump(results, sys.stdout, indent=2)
        print()


def parse_arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("home", help="home that has the night's snapshot")
    parser.add_argument("--config", default=Path(__file__).with_name("ranker.toml"))
    parser.add_argument("--as-of", type=date.fromisoformat, default=date(2011, 12, 9))
    parser.add_argument("--windows", type=int, default=6)
    parser.add_argument("--placement", action="append", help="only this one; may be repeated")
    parser.add_argument(
        "--min-item-users",
        type=int,
        default=0,
        help="leave out items, from histories and truth, that fewer users met before the window",
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def read_window(settings: Settings, as_of: date, window: Window, min_item_users: int) -> HeldOut:
    """Histories before a window and its truth, over the items that enough users met before it."""
    whole = read_earlier(settings, as_of, window, known_by=as_of)
    if not min_item_users:
        return whole
    events = settings.evaluation.truth_events
    users_of_item = whole.history.pairs(events).sum(axis=0, dtype=np.int64)
    history = whole.history.with_items(whole.history.item_ids[users_of_item >= min_item_users])
    history = history.select_users(np.unique(history.user))
    truth = read_truth(settings, as_of, window)
    truth = truth[truth["item_id"].isin(history.item_ids)]
    return HeldOut(history, None, segments_of(settings, history), align_truth(truth, history))


def split_candidates(settings: Settings, placement: str) -> tuple[str, list[str]]:
    """Name of the placement's ranker, and of all its other candidates and baselines."""
    rule = settings.placements[placement]
    listed = rule.candidates or [candidate.name for candidate in settings.candidates]
    names = list(dict.fromkeys([*listed, *rule.baselines]))
    rankers = [name for name in names if settings.candidate(name).recommender == "ranker"]
    if len(rankers) != 1:
        sys.exit(f"{placement} must have one candidate with the recommender ranker. Got {rankers}.")
    return rankers[0], [name for name in names if name != rankers[0]]


def compare(
    settings: Settings, placement: str, window: Window, held_out: HeldOut
) -> dict[str, Any]:
    """Fit a placement's candidates before a window, and pair their scores with the ranker's."""
    ranker, rivals = split_candidates(settings, placement)
    values, seconds = {}, {}
    for name in (ranker, *rivals):
        started = time.process_time()
        spec = candidate_spec(settings, settings.candidate(name))
        recommender = fit_candidate(spec, held_out.history)
        seconds[name] = round(time.process_time() - started, 1)
        per_user = score_recommender(settings, placement, recommender, held_out).per_user
        values[name] = per_user[f"ndcg_at_{settings.evaluation.k}"].to_numpy()
    ours = values[ranker]
    rows = {ranker: {"ndcg": float(ours.mean()), "fit_cpu_seconds": seconds[ranker]}}
    for name in sorted(rivals, key=lambda rival: -values[rival].mean()):
        theirs = values[name]
        difference = mean_interval(ours - theirs, settings.evaluation.confidence)
        rows[name] = {
            "ndcg": float(theirs.mean()),
            "fit_cpu_seconds": seconds[name],
            "lift": float(ours.mean() / theirs.mean() - 1) if theirs.any() else None,
            "difference": difference.value,
            "low": difference.low,
            "high": difference.high,
        }
    return {
        "placement": placement,
        "start": window.start.isoformat(),
        "end": window.end.isoformat(),
        "users": len(ours),
        "items": held_out.history.n_items,
        "ranker": ranker,
        "best_other": next(name for name in rows if name != ranker),
        "candidates": rows,
    }


def average(windows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean lift over the windows against each other candidate, and against the best of each."""
    against = {BEST: [window["candidates"][window["best_other"]] for window in windows]}
    for name in windows[0]["candidates"]:
        if name != windows[0]["ranker"]:
            against[name] = [window["candidates"][name] for window in windows]
    means = {}
    for name, rows in against.items():
        lifts = [row["lift"] for row in rows if row["lift"] is not None]
        means[name] = {
            "lift": float(np.mean(lifts)) if lifts else None,
            "difference": float(np.mean([row["difference"] for row in rows])),
            "windows": len(rows),
            "windows_won": sum((row["low"] or 0.0) > 0 for row in rows),
        }
    return means


def print_window(settings: Settings, found: dict[str, Any]) -> None:
    """Print the candidates of one window, the ranker first and then the best."""
    print(f"{found['placement']}, truth from {found['start']} to before {found['end']}:", end=" ")
    print(f"{found['users']:,} users, {found['items']:,} items")
    level = f"{settings.evaluation.confidence:.0%} interval"
    print(
        f"  {'':26} NDCG@{settings.evaluation.k}  ranker against it, {level:13}   lift  fit CPU s"
    )
    for name, row in found["candidates"].items():
        margin = " " * 35
        if name != found["ranker"]:
            margin = f"{row['difference']:+.4f} [{row['low']:+.4f}, {row['high']:+.4f}]"
            margin += f"  {'' if row['lift'] is None else format(row['lift'], '+.1%'):>8}"
        print(f"  {name:26}  {row['ndcg']:.4f}  {margin:35} {row['fit_cpu_seconds']:>8.1f}")
    sys.stdout.flush()


def print_means(result: dict[str, Any]) -> None:
    """Print the mean lifts of a placement's ranker over its windows."""
    print(f"{result['placement']}, mean over {len(result['windows'])} windows")
    for name, row in result["means"].items():
        lift = "" if row["lift"] is None else format(row["lift"], "+.1%")
        print(
            f"  against {name:26} {row['difference']:+.4f} {lift:>8}, "
            f"interval above 0 in {row['windows_won']} of {row['windows']}"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
