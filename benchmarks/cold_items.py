"""Content-based lists against others on fortnights of the bundled shop, also for cold items only.

python benchmarks/cold_items.py HOME [--windows 6]

HOME has the shop's night of 2011-12-09 with its snapshot (`recsys run --as-of 2011-12-09`). An item
is cold if the shop has it and fewer than 5 purchases of it are known before the window. On cold
items, lists and truth alike hold nothing else: what a shelf of such items would show. Differences
are paired by user and window. The last two lines are `item_content` without what it adds to words.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
from scipy import sparse

from pipelines.base.config import PROJECT_ROOT, Settings, load_settings
from pipelines.base.windows import Window
from pipelines.evaluate.held_out import HeldOut, read_earlier
from pipelines.evaluate.intervals import mean_interval
from pipelines.evaluate.metrics import ranking_metrics
from pipelines.evaluate.truth import without_excluded
from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion, Recommender
from pipelines.models.candidates import Spec, candidate_spec, fit_candidate
from pipelines.rules.exclusion import placement_exclusion

AS_OF, PLACEMENT, K = date(2011, 12, 9), "discover", 10
COLD_BELOW = 5
RIVAL = "ease_recent"
CANDIDATES = (RIVAL, "recent_popularity", "popularity", "item_content")
#: Parameters of `item_content` changed, by what is left of it.
ABLATIONS = {
    "words and popularity": {"freshness_weight": 0.0},
    "words alone": {"freshness_weight": 0.0, "popularity_weight": 0.0},
}
#: NDCG of users by window, on all items and on cold ones.
Values = tuple[list[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Task:
    """Users of a window, what they must not be shown, and what they went on to buy."""

    users: Interactions
    exclude: Exclusion
    relevant: sparse.csr_array


def main() -> None:
    """Print four lines per candidate: all items and cold ones, in the gate window and before it."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("home", help="home of a night of 2011-12-09")
    arguments.add_argument("--windows", type=int, default=6)
    chosen = arguments.parse_args()
    settings = load_settings(PROJECT_ROOT / "recsys.toml", chosen.home)
    windows = [read_window(settings, number) for number in range(chosen.windows)]
    specs = {name: candidate_spec(settings, settings.candidate(name)) for name in CANDIDATES}
    whole = specs["item_content"]
    for name, changes in ABLATIONS.items():
        specs[name] = replace(whole, name=name, params={**whole.params, **changes})
    print(f"NDCG@{K} in {PLACEMENT}, 95% intervals, differences to {RIVAL}")
    found = {}
    for name, spec in specs.items():
        found[name] = score_spec(settings, spec, windows)
        report(name, found[name], found[RIVAL])


def score_spec(settings: Settings, spec: Spec, windows: list[HeldOut]) -> Values:
    """Fit a specification before every window, and score its lists."""
    everything, cold = [], []
    for window in windows:
        recommender = fit_candidate(spec, window.history)
        everything.append(ndcg_of(recommender, make_task(settings, window)))
        is_warm = count_purchases(window.history) >= COLD_BELOW
        cold.append(ndcg_of(recommender, make_task(settings, window, is_warm)))
    return everything, cold


def report(name: str, values: Values, rival: Values) -> None:
    """Print a candidate beside the rival; the first window is the gate's."""
    for what, ours, theirs in zip(("all items", "cold items"), values, rival, strict=True):
        for when, part in (("gate window", slice(0, 1)), ("earlier", slice(1, None))):
            one, other = np.concatenate(ours[part]), np.concatenate(theirs[part])
            lift = mean_interval(one - other, 0.95)
            print(
                f"{name:20} {what:10} {when:11} {len(one):5} users  {one.mean():.4f}  "
                f"{lift.value:+.4f} [{lift.low:+.4f}, {lift.high:+.4f}]",
                flush=True,
            )


def read_window(settings: Settings, number: int) -> HeldOut:
    """The fortnight so many before the night's gate window, and all that was known before it."""
    horizon = timedelta(days=settings.evaluation.horizon_days)
    end = AS_OF - number * horizon
    return read_earlier(settings, AS_OF, Window("earlier", end - horizon, end), known_by=AS_OF)


def make_task(settings: Settings, window: HeldOut, is_warm: np.ndarray | None = None) -> Task:
    """What a placement asks for in a window; of cold items only, known ones, if given the warm."""
    n_items = window.history.n_items
    users = window.history.select_users(window.truth.positions)
    rule = placement_exclusion(settings.placements[PLACEMENT], users)
    rule = Exclusion(rule.pairs, is_warm)
    truth, rows = without_excluded(window.truth, rule, n_items)
    relevant = truth.relevant
    if is_warm is not None:
        relevant = sparse.csr_array(relevant[:, :n_items])
        has_truth = np.flatnonzero(np.diff(relevant.indptr))
        relevant, rows = relevant[has_truth], rows[has_truth]
    pairs = None if rule.pairs is None else rule.pairs[rows]
    return Task(users.select_users(rows), Exclusion(pairs, is_warm), relevant)


def ndcg_of(recommender: Recommender, task: Task) -> np.ndarray:
    """NDCG of every user of a task."""
    lists = recommender.recommend(task.users, K, exclude=task.exclude)
    return ranking_metrics(lists.items, task.relevant, (K,))[f"ndcg_at_{K}"]


def count_purchases(history: Interactions) -> np.ndarray:
    """Purchases of every item."""
    is_purchase = history.event_type == history.event_types.index("purchase")
    return np.bincount(
        history.item[is_purchase], history.event_count[is_purchase], minlength=history.n_items
    )


if __name__ == "__main__":
    main()
