"""The script that a practitioner writes by hand: pandas, scipy and `implicit`.

    python by_hand.py LANDING LISTS

Popularity, item-kNN and ALS are fitted on what was before the last fortnight and scored on what
was bought in it; the best is fitted on everything, and its 50 items for every user go to LISTS, a
Parquet file. The last line printed is JSON: NDCG@10 of each, and seconds of every step.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from held_out import CUT, LIST_LENGTH, Clock, make_als, make_item_knn, read_split
from scipy import sparse
from threadpoolctl import threadpool_limits


class Popular:
    """Items by their number of events, without what a user met."""

    def fit(self, counts):
        """Count."""
        self.order = np.argsort(-np.asarray(counts.sum(axis=0)).ravel(), kind="stable")

    def recommend(self, users, seen, k):
        """Items of each user, shape (n_users, k), -1 past the end."""
        lists = np.full((len(users), k), -1)
        for row, user in enumerate(users):
            met = seen.indices[seen.indptr[user] : seen.indptr[user + 1]]
            head = self.order[: k + len(met)]
            head = head[~np.isin(head, met)][:k]
            lists[row, : len(head)] = head
        return lists


class Implicit:
    """A recommender of `implicit`, which asks for a single BLAS thread."""

    def __init__(self, recommender):
        self.recommender = recommender

    def fit(self, counts):
        """Fit on distinct pairs."""
        with threadpool_limits(1, "blas"):
            self.recommender.fit(binary(counts), show_progress=False)

    def recommend(self, users, seen, k):
        """Items of each user, shape (n_users, k), -1 past the end."""
        with threadpool_limits(1, "blas"):
            return self.recommender.recommend(
                users, binary(seen[users]), N=k, filter_already_liked_items=True
            )[0]


RECOMMENDERS = {
    "popularity": Popular,
    "item_knn": lambda: Implicit(make_item_knn()),
    "ials": lambda: Implicit(make_als()),
}


def count(events, shape):
    """Number of events of each user and item."""
    ones = np.ones(len(events), dtype=np.float32)
    return sparse.csr_matrix((ones, (events["user"], events["item"])), shape)


def binary(counts):
    """Ones where there was an event."""
    met = counts.copy()
    met.data[:] = 1.0
    return met


def ndcg(lists, users, truth):
    """NDCG@10 with binary gain, discount log2(rank + 1), ideal min(10, relevant items)."""
    ranked = pd.DataFrame(
        {
            "user": np.repeat(users, CUT),
            "item": lists.ravel(),
            "gain": np.tile(1 / np.log2(np.arange(CUT) + 2), len(users)),
        }
    )
    gains = ranked.merge(truth, on=["user", "item"]).groupby("user")["gain"].sum()
    relevant = truth.groupby("user").size().reindex(users).to_numpy()
    ideal = np.cumsum(1 / np.log2(np.arange(CUT) + 2))[np.minimum(relevant, CUT) - 1]
    return float((gains.reindex(users, fill_value=0.0).to_numpy() / ideal).mean())


def main(landing, target):
    """Do the work and print what it found."""
    clock = Clock()
    split = read_split(landing)
    shape = (len(split.user_ids), len(split.item_ids))
    past = count(split.events[split.is_past], shape)
    users = np.sort(split.truth["user"].unique())
    clock.note("read")
    scores = {}
    for name, make in RECOMMENDERS.items():
        recommender = make()
        recommender.fit(past)
        clock.note(f"fit {name}")
        scores[name] = ndcg(recommender.recommend(users, past, CUT), users, split.truth)
        clock.note(f"evaluate {name}")
    best = max(scores, key=scores.get)
    everything = count(split.events, shape)
    recommender = RECOMMENDERS[best]()
    recommender.fit(everything)
    clock.note(f"refit {best}")
    lists = recommender.recommend(np.arange(shape[0]), everything, LIST_LENGTH)
    clock.note("lists")
    listed = lists.ravel() >= 0
    pd.DataFrame(
        {
            "user_id": split.user_ids.to_numpy().repeat(LIST_LENGTH)[listed],
            "rank": np.tile(np.arange(1, LIST_LENGTH + 1, dtype=np.int16), shape[0])[listed],
            "item_id": split.item_ids.to_numpy()[lists.ravel()[listed]],
        }
    ).to_parquet(target)
    clock.note("write")
    found = {"ndcg_at_10": scores, "scored_users": len(users), "list_rows": int(listed.sum())}
    print(json.dumps({**found, "best": best, "seconds": clock.seconds}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
