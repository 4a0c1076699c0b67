"""The two-stage ranker against single recommenders on six gate windows of the bundled shop.

python benchmarks/ranker_windows.py HOME [--windows 6] [--placement discover]

HOME has the shop's night of 2011-12-09 with its snapshot (`recsys run --as-of 2011-12-09`). Earlier
windows are cut out of that night's history.
"""

from __future__ import annotations

import argparse
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from pipelines.config import Settings, load_settings
from pipelines.features import read_interactions
from pipelines.features.interactions import Interactions
from pipelines.models import Exclusion, candidate_spec, fit_candidate
from pipelines.models.ranker_folds import cut_folds
from pipelines.offline.intervals import mean_interval
from pipelines.offline.metrics import ranking_metrics

AS_OF, HORIZON_DAYS, K = date(2011, 12, 9), 14, 10
#: The ranker of each placement and the single recommenders it is compared with, as candidates of
#: ranker.toml.
CANDIDATES = {
    "for_you": ("ranker", ("personal_frequency",)),
    "discover": ("ranker_new", ("ease_recent", "pure_svd", "ials", "recent_popularity")),
}


def main() -> None:
    """Print a line per placement and window, and the mean lifts."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("home", help="home of a night of 2011-12-09")
    arguments.add_argument("--windows", type=int, default=6)
    arguments.add_argument("--placement", choices=sorted(CANDIDATES))
    chosen = arguments.parse_args()
    settings = load_settings(Path(__file__).with_name("ranker.toml"), chosen.home)
    whole = read_interactions(settings, AS_OF, AS_OF)
    for placement in [chosen.placement] if chosen.placement else sorted(CANDIDATES):
        lifts = []
        for number in range(chosen.windows):
            end = AS_OF - timedelta(days=number * HORIZON_DAYS)
            lifts.append(report_window(settings, whole.before(end), placement))
        print(f"{placement}: mean lift {np.mean(lifts):+.1%} over {len(lifts)} windows")


def report_window(settings: Settings, known: Interactions, placement: str) -> float:
    """Print one window, and return the ranker's lift over the best single recommender."""
    repeats = placement == "for_you"
    (fold,) = cut_folds(
        known,
        ["purchase"],
        horizon_days=HORIZON_DAYS,
        n_folds=1,
        repeats=repeats,
        max_users=known.n_users,
    )
    has_rows = np.flatnonzero(np.bincount(fold.past.user, minlength=known.n_users))
    past = fold.past.select_users(has_rows)
    users = fold.past.select_users(fold.users)
    exclude = None if repeats else Exclusion(users.pairs())
    name, rivals = CANDIDATES[placement]
    values, started = {}, time.process_time()
    for candidate in (*rivals, name):
        started = time.process_time()
        spec = candidate_spec(settings, settings.candidate(candidate))
        lists = fit_candidate(spec, past).recommend(users, K, exclude=exclude)
        values[candidate] = ranking_metrics(lists.items, fold.truth, (K,))[f"ndcg_at_{K}"]
    best = max(rivals, key=lambda rival: values[rival].mean())
    ours, base = values[name], values[best]
    difference = mean_interval(ours - base, 0.95)
    print(
        f"{placement} to {known.cutoff}: {len(ours)} users, {name} {ours.mean():.4f}, "
        f"best single {best} {base.mean():.4f}, difference {difference.value:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}], {time.process_time() - started:.0f} s",
        flush=True,
    )
    return float(ours.mean() / base.mean() - 1)


if __name__ == "__main__":
    main()
