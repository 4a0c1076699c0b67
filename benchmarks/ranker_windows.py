"""The two-stage ranker against its baseline on six gate windows of the bundled shop.

python benchmarks/ranker_windows.py HOME [--windows 6] [--placement discover]

HOME has the shop's night of 2011-12-09 with its snapshot (`recsys run --as-of 2011-12-09`). Earlier
windows are cut out of that night's history.
"""

from __future__ import annotations

import argparse
import time
from datetime import date, timedelta

import numpy as np

from pipelines.config import load_settings
from pipelines.features import read_interactions
from pipelines.features.interactions import Interactions
from pipelines.models import Exclusion, Spec, fit_candidate
from pipelines.models.ranker_folds import cut_folds
from pipelines.offline.intervals import mean_interval
from pipelines.offline.metrics import ranking_metrics

AS_OF, HORIZON_DAYS, K = date(2011, 12, 9), 14, 10
PURCHASES = {"purchase": 1.0}
POPULARITY = {"popularity_half_life_days": 9.7}
BASELINES = {
    "for_you": ("personal_frequency", POPULARITY),
    "discover": ("ease", {"regularization": 20.0, "half_life_days": 41.6}),
}
PARTS = [
    {"recommender": "personal_frequency", "params": {"half_life_days": 60.0, **POPULARITY}},
    {"recommender": "personal_recency", "params": POPULARITY},
    {"recommender": "ease", "params": {"regularization": 20.0, "half_life_days": 41.6}},
    {"recommender": "pure_svd", "params": {"n_factors": 64, "half_life_days": 41.6}},
    {"recommender": "pure_svd", "params": {"n_factors": 16, "half_life_days": 20.0}},
    {
        "recommender": "item_knn",
        "params": {"n_neighbors": 100, "shrinkage": 20.0, "half_life_days": 41.6},
    },
    {"recommender": "popularity", "params": {"half_life_days": 9.7}},
    {"recommender": "popularity", "params": {"half_life_days": 3.0}},
    {"recommender": "item_rules", "params": {"half_life_days": 60.0}},
    {
        "recommender": "user_knn",
        "params": {"shrinkage": 0.1, "half_life_days": 60.0, "recent_half_life_days": 10.0},
    },
]


def main() -> None:
    """Print a line per placement and window, and the mean lifts."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("home", help="home of a night of 2011-12-09")
    arguments.add_argument("--windows", type=int, default=6)
    arguments.add_argument("--placement", choices=sorted(BASELINES))
    chosen = arguments.parse_args()
    whole = read_interactions(load_settings(None, chosen.home), AS_OF, AS_OF)
    for placement in [chosen.placement] if chosen.placement else sorted(BASELINES):
        lifts = []
        for number in range(chosen.windows):
            end = AS_OF - timedelta(days=number * HORIZON_DAYS)
            lifts.append(report_window(whole.before(end), placement))
        print(f"{placement}: mean lift {np.mean(lifts):+.1%} over {len(lifts)} windows")


def report_window(known: Interactions, placement: str) -> float:
    """Print one window, and return the ranker's lift over the baseline."""
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
    params = {"parts": PARTS, "repeats": repeats, "n_iterations": 100, "max_features": 0.5}
    specs = [Spec(placement, *BASELINES[placement], PURCHASES)]
    specs.append(Spec("ranker", "ranker", params, PURCHASES))
    values, started = [], 0.0
    for spec in specs:
        started = time.process_time()
        lists = fit_candidate(spec, past).recommend(users, K, exclude=exclude)
        values.append(ranking_metrics(lists.items, fold.truth, (K,))[f"ndcg_at_{K}"])
    base, ours = values
    difference = mean_interval(ours - base, 0.95)
    print(
        f"{placement} to {known.cutoff}: {len(ours)} users, ranker {ours.mean():.4f}, "
        f"{specs[0].recommender} {base.mean():.4f}, difference {difference.value:+.4f} "
        f"[{difference.low:+.4f}, {difference.high:+.4f}], {time.process_time() - started:.0f} s",
        flush=True,
    )
    return float(ours.mean() / base.mean() - 1)


if __name__ == "__main__":
    main()
