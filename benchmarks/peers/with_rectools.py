"""The same work as `by_hand.py` with RecTools: Dataset, models, calc_metrics, recommend.

    python with_rectools.py LANDING LISTS

Its cross-validation takes truth and history from the same events; here the truth is purchases and
the history everything, so the split is made beforehand and the metrics are computed on it.
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

from held_out import CUT, LIST_LENGTH, Clock, make_als, make_item_knn, read_split
from rectools import Columns
from rectools.dataset import Dataset
from rectools.metrics import NDCG, calc_metrics
from rectools.models import ImplicitALSWrapperModel, ImplicitItemKNNWrapperModel, PopularModel
from threadpoolctl import threadpool_limits

RECOMMENDERS = {
    "popularity": lambda: PopularModel(popularity="sum_weight"),
    "item_knn": lambda: ImplicitItemKNNWrapperModel(make_item_knn()),
    "ials": lambda: ImplicitALSWrapperModel(make_als()),
}


def make_datasets(events):
    """A dataset that counts events, for popularity, and one of distinct pairs, for the others."""
    pairs = events.groupby(["user", "item"], sort=False, as_index=False).agg(
        weight=("event_at", "size"), datetime=("event_at", "max")
    )
    pairs = pairs.rename(columns={"user": Columns.User, "item": Columns.Item})
    counted = Dataset.construct(pairs)
    return {"popularity": counted, "other": Dataset.construct(pairs.assign(weight=1.0))}


def dataset_of(datasets, name):
    """The dataset that a recommender is fitted on."""
    return datasets.get(name, datasets["other"])


def main(landing, target):
    """Do the work and print what it found."""
    warnings.filterwarnings("ignore")
    clock = Clock()
    split = read_split(landing)
    past = make_datasets(split.events[split.is_past])
    truth = split.truth.rename(columns={"user": Columns.User, "item": Columns.Item})
    users = truth[Columns.User].unique()
    clock.note("read")
    metrics = {"ndcg": NDCG(k=CUT, divide_by_achievable=True)}
    scores = {}
    for name, make in RECOMMENDERS.items():
        recommender, dataset = make(), dataset_of(past, name)
        recommender.fit(dataset)
        clock.note(f"fit {name}")
        lists = recommender.recommend(users=users, dataset=dataset, k=CUT, filter_viewed=True)
        scores[name] = float(calc_metrics(metrics, lists, truth)["ndcg"])
        clock.note(f"evaluate {name}")
    best = max(scores, key=scores.get)
    dataset = dataset_of(make_datasets(split.events), best)
    recommender = RECOMMENDERS[best]()
    recommender.fit(dataset)
    clock.note(f"refit {best}")
    everyone = dataset.user_id_map.external_ids
    lists = recommender.recommend(
        users=everyone, dataset=dataset, k=LIST_LENGTH, filter_viewed=True
    )
    clock.note("lists")
    lists.assign(
        user_id=split.user_ids.to_numpy()[lists[Columns.User]],
        item_id=split.item_ids.to_numpy()[lists[Columns.Item]],
    ).to_parquet(target, index=False)
    clock.note("write")
    found = {"ndcg_at_10": scores, "scored_users": len(users), "list_rows": len(lists)}
    print(json.dumps({**found, "best": best, "seconds": clock.seconds}))


if __name__ == "__main__":
    with threadpool_limits(1, "blas"):  # `implicit` asks for it
        main(Path(sys.argv[1]), Path(sys.argv[2]))
