"""Which candidate makes the best lists of similar items: what comes after the item looked at.

python benchmarks/similar.py HOME [--as-of DAY] [--windows 6]

HOME has the snapshot of the night of DAY (`recsys features --as-of DAY`). Asked are the items of
each customer's last basket before a window; right is an item of the first basket of the window that
was not in that last basket. A hit is a list of ten with a right item, a customer's figure the mean
over the last basket. Candidates are those of the settings, fitted before the window and not
completed by another; a basket is what was bought on a day. The first window is the night's gate
window. Differences are paired by customer.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from scipy import sparse

from pipelines.base.config import PROJECT_ROOT, Settings, load_settings
from pipelines.evaluate.intervals import mean_interval
from pipelines.features.interactions import Interactions
from pipelines.features.read import read_interactions
from pipelines.features.snapshot import DAYS_FILE
from pipelines.lists.similar_items import SimilarMaker, rank_similar, with_choice
from pipelines.models.candidates import candidate_spec, fit_candidate

K = 10
CANDIDATES = ("item_transitions", "ease_recent", "item_knn", "item_content", "pure_svd")
#: A list that does not depend on the item.
REFERENCE = "recent_popularity"
#: Most bought items of so many days that are left out of what is right.
HEAD, HEAD_DAYS = 100, 28
#: Well-known items of the bundled shop.
SHOWN_ITEMS = ("85123A", "22423", "20725")
SHOWN = 5


@dataclass(frozen=True)
class Task:
    """Questions of a window and what is right.

    Parameters
    ----------
    history : Interactions
        Known before the window.
    asked : csr_array of shape (n_users, n_items), bool
        The last basket before the window.
    right : csr_array of shape (n_users, n_items), bool
        The first basket in it, without what is in the last one.
    """

    history: Interactions
    asked: sparse.csr_array
    right: sparse.csr_array


def main() -> None:
    """Print a table of hit rates, then the lists of well-known items by the best two."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("home")
    arguments.add_argument("--as-of", type=date.fromisoformat, default=date(2011, 12, 9))
    arguments.add_argument("--windows", type=int, default=6)
    chosen = arguments.parse_args()
    settings = load_settings(PROJECT_ROOT / "recsys.toml", chosen.home)
    horizon = timedelta(days=settings.evaluation.horizon_days)
    starts = [chosen.as_of - number * horizon for number in range(1, chosen.windows + 1)]
    tasks = [read_task(settings, chosen.as_of, start, start + horizon) for start in starts]
    best: dict[str, float] = {}
    for what, judged in (
        ("all items", tasks),
        ("no best sellers", [without_head(t) for t in tasks]),
    ):
        names = (*CANDIDATES, REFERENCE)
        hits = {name: [hits_of(settings, name, task) for task in judged] for name in names}
        report(what, hits)
        best = {name: float(np.concatenate(hits[name]).mean()) for name in CANDIDATES}
    for name in sorted(best, key=lambda name: -best[name])[:2]:
        print_lists(settings, name, tasks[0], chosen.as_of)


def read_task(settings: Settings, as_of: date, start: date, end: date) -> Task:
    """Customers who bought something before a window and in it."""
    history = read_interactions(settings, as_of, start)
    days = pq.read_table(
        settings.run_folder(as_of).snapshot / DAYS_FILE,
        columns=["user_id", "item_id", "event_date"],
        filters=[("event_type", "=", "purchase"), ("event_date", "<", end)],
    ).to_pandas()
    is_before = days["event_date"] < start
    before, after = days[is_before], days[~is_before]
    last = before[before["event_date"] == before.groupby("user_id")["event_date"].transform("max")]
    first = after[after["event_date"] == after.groupby("user_id")["event_date"].transform("min")]
    asked, next_basket = to_matrix(last, history), to_matrix(first, history)
    right = sparse.csr_array(next_basket > next_basket.multiply(asked).astype(bool))
    rows = np.flatnonzero((asked.sum(axis=1) > 0) & (right.sum(axis=1) > 0))
    return Task(history, asked[rows], right[rows])


def without_head(task: Task) -> Task:
    """The same questions, and only what is not bought by everybody is right."""
    history = task.history
    recent = (history.age_days <= HEAD_DAYS) & (
        history.event_type == history.event_types.index("purchase")
    )
    bought = np.bincount(
        history.item[recent], history.event_count[recent], minlength=history.n_items
    )
    is_tail = np.ones(history.n_items, dtype=bool)
    is_tail[np.argsort(-bought, kind="stable")[:HEAD]] = False
    right = sparse.csr_array(task.right.multiply(is_tail[None, :]).astype(bool))
    right.eliminate_zeros()
    rows = np.flatnonzero(right.sum(axis=1) > 0)
    return Task(history, task.asked[rows], right[rows])


def to_matrix(baskets: pd.DataFrame, history: Interactions) -> sparse.csr_array:
    """Baskets in the rows and columns of a history; others are left out."""
    user = pd.Index(history.user_ids).get_indexer(pd.Index(baskets["user_id"]))
    item = pd.Index(history.item_ids).get_indexer(pd.Index(baskets["item_id"]))
    known = (user >= 0) & (item >= 0)
    ones = np.ones(int(known.sum()), dtype=np.int32)
    matrix = sparse.csr_array((ones, (user[known], item[known])), shape=history.shape)
    return matrix.astype(bool)


def lists_of(
    settings: Settings, name: str, history: Interactions, items: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ten similar items, as positions in the ids that come second; -1 past the end."""
    recommender = fit_candidate(candidate_spec(settings, settings.candidate(name)), history)
    extended, code = with_choice(history, recommender)
    everything = np.zeros(history.n_items, dtype=bool)
    lists = rank_similar(SimilarMaker(extended, code, everything, K, recommender, None), items)
    return lists.items, lists.item_ids


def hits_of(settings: Settings, name: str, task: Task) -> np.ndarray:
    """Share of the last basket's items whose list holds a right item, by customer."""
    items = np.unique(task.asked.indices)
    listed, item_ids = lists_of(settings, name, task.history, items)
    position = pd.Index(task.history.item_ids).get_indexer(pd.Index(item_ids))
    row, column = np.nonzero(listed >= 0)
    is_listed = sparse.csr_array(
        (
            np.ones(len(row), dtype=np.int32),
            (items[row], position[listed[row, column]]),
        ),
        shape=(task.history.n_items, task.history.n_items),
    )
    found = (task.right.astype(np.int32) @ is_listed.T).astype(bool)  # customer, item asked
    hit = found.multiply(task.asked).astype(np.int32).sum(axis=1)
    return np.asarray(hit / task.asked.sum(axis=1))


def report(what: str, hits: dict[str, list[np.ndarray]]) -> None:
    """Print a line per candidate: the gate window, and all windows together."""
    rival = CANDIDATES[0]
    print(f"\n{what}: hit rate@{K} of the next basket, differences to {rival} (95% intervals)")
    for when, part in (("gate window", slice(0, 1)), ("all windows", slice(None))):
        base = np.concatenate(hits[rival][part])
        for name, values in hits.items():
            ours = np.concatenate(values[part])
            lift = mean_interval(ours - base, 0.95)
            print(
                f"{when:12} {name:18} {len(ours):6,} customers  {ours.mean():.4f}  "
                f"{lift.value:+.4f} [{lift.low:+.4f}, {lift.high:+.4f}]"
            )


def print_lists(settings: Settings, name: str, task: Task, as_of: date) -> None:
    """Print the first similar items of well-known ones."""
    history = task.history
    titles = history.current_attributes().title
    shown = [item_id for item_id in SHOWN_ITEMS if item_id in set(history.item_ids.tolist())]
    items = np.searchsorted(history.item_ids, shown)
    listed, item_ids = lists_of(settings, name, history, items)
    print(f"\n{name}, fitted before {history.cutoff} of the night of {as_of}")
    for item, row in zip(items, listed, strict=True):
        print(f"  {titles[item]}")
        for place in np.searchsorted(history.item_ids, item_ids[row[row >= 0][:SHOWN]]):
            print(f"    {titles[place]}")


if __name__ == "__main__":
    main()
