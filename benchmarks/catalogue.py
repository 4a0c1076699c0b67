"""Seconds and memory of fits and lists by size of the catalogue, beside `implicit`.

    python benchmarks/catalogue.py [item_knn] [ials] [ranker] [--items 100000,1000000]
        [--users 100000] [--events 50] [--ranked 20000] [--append FILE]

For example, one recommender on a small world, in a minute:

    python benchmarks/catalogue.py item_knn --items 10000,100000 --users 20000 --ranked 5000

Each line is a process of its own: it reads the world, fits (item-kNN with 100 neighbours, iALS with
64 factors and 4 sweeps, the two-stage ranker as it is) and lists 10 items for some users, without
those they have, which the ranker may list. Memory is the most that was resident; "before" is that
of the world, without a recommender. `implicit` does the same work where it can be imported:

    uv venv --python 3.13 var/catalogue
    uv pip install -p var/catalogue/bin/python -r requirements.lock implicit
    PYTHONPATH=. var/catalogue/bin/python benchmarks/catalogue.py
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from meter import Cost, describe_machine, run_measured
from scipy import sparse
from threadpoolctl import threadpool_limits

from pipelines.features.interactions import Interactions
from pipelines.models.base import Exclusion
from pipelines.models.candidates import recommender_class

K, FACTORS, SWEEPS, NEIGHBORS = 10, 64, 4, 100
PARAMS: dict[str, dict[str, Any]] = {
    "item_knn": {"n_neighbors": NEIGHBORS},
    "ials": {"n_factors": FACTORS, "n_iterations": SWEEPS},
    "ranker": {},
}
#: Recommenders that `implicit` has, too.
PEERED = ("item_knn", "ials")
#: Items of a taste, tastes of a user, share of events outside them, and days of the world.
TASTE_ITEMS, TASTES, STRAY_SHARE, DAYS = 500, 3, 0.2, 120
#: Days on which a user chooses.
BASKETS = 15
CUTOFF = date(2026, 1, 1)


def main() -> None:
    """Measure every recommender, size and side, and print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recommenders", nargs="*", choices=[*PARAMS, []], default=[])
    parser.add_argument("--items", default="100000,1000000", help="sizes of the catalogue")
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=50, help="items of a user")
    parser.add_argument("--ranked", type=int, default=20_000, help="users who get a list")
    parser.add_argument("--append", type=Path, help="file that gets a line of JSON for each")
    parser.add_argument("--side", help=argparse.SUPPRESS)  # of the process that measures it
    parser.add_argument("--world", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side == "world":
        np.savez(chosen.world, **make_world(chosen.users, int(chosen.items), chosen.events))
        return
    if chosen.side:
        measure_side(chosen.side, chosen.recommenders[0], chosen.world, chosen.ranked)
        return
    machine = describe_machine()
    print(machine)
    sides = ("ours", "implicit") if find_spec("implicit") else ("ours",)
    print(f"{'':32} fit s  list ms/user  before MiB  peak MiB")
    with tempfile.TemporaryDirectory() as folder:
        for n_items in chosen.items.split(","):
            world = Path(folder) / "world.npz"
            sizes = ["--items", n_items, "--users", chosen.users, "--events", chosen.events]
            run_process("world", world, *sizes)
            for name in chosen.recommenders or PARAMS:
                for side in sides if name in PEERED else sides[:1]:
                    row = run_side(side, name, world, min(chosen.ranked, chosen.users))
                    print(line_of(row), flush=True)
                    if chosen.append:
                        with chosen.append.open("a") as file:
                            file.write(json.dumps(row | {"machine": machine}) + "\n")


def line_of(row: dict[str, Any]) -> str:
    """Figures of one side."""
    return (
        f"{row['side']:9}{row['recommender']:9}{row['items']:13,} {row['fit_seconds']:6.1f} "
        f"{row['list_ms']:13.3f} {row['before_mib']:11,.0f} {row['peak_mib']:9,.0f}"
    )


def run_side(side: str, name: str, world: Path, ranked: int) -> dict[str, Any]:
    """Measure one side in a process of its own."""
    cost, output = run_process(side, world, name, "--ranked", ranked)
    row: dict[str, Any] = json.loads(output.splitlines()[-1])
    return row | {"peak_mib": cost.peak_mib, "cpu_seconds": cost.cpu_seconds}


def run_process(side: str, world: Path, *arguments: object) -> tuple[Cost, str]:
    """Run this program for one side; a process counts the memory of the one that began it, too."""
    command = [sys.executable, __file__, "--side", side, "--world", world, *arguments]
    return run_measured([str(word) for word in command], world.with_suffix(".log"))


def measure_side(side: str, name: str, world: Path, ranked: int) -> None:
    """Fit and rank in this process, and print what it took as JSON."""
    with np.load(world) as columns:
        history = Interactions(cutoff=CUTOFF, event_types=("purchase",), **columns)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    fit, recommend = (ours if side == "ours" else theirs)(name, history, ranked)
    began = time.perf_counter()
    fit()
    fitted = time.perf_counter()
    recommend()
    ended = time.perf_counter()
    figures = {
        "side": side,
        "recommender": name,
        "items": history.n_items,
        "users": history.n_users,
        "pairs": len(history.user),
        "fit_seconds": round(fitted - began, 2),
        "list_ms": round(1000 * (ended - fitted) / ranked, 4),
        "before_mib": round(before, 1),
    }
    print(json.dumps(figures))


Steps = tuple[Callable[[], Any], Callable[[], Any]]


def ours(name: str, history: Interactions, ranked: int) -> Steps:
    """Fit and lists of a recommender of the product."""
    recommender = recommender_class(name)(**PARAMS[name])
    asked = history.select_users(slice(0, ranked))
    exclude = Exclusion(asked.pairs()) if name in PEERED else None
    return (
        lambda: recommender.fit(history),
        lambda: recommender.recommend(asked, K, exclude=exclude),
    )


def theirs(name: str, history: Interactions, ranked: int) -> Steps:
    """The same of `implicit`."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import CosineRecommender

    pairs = sparse.csr_matrix(history.pairs().astype(np.float32))
    model = (
        CosineRecommender(K=NEIGHBORS)
        if name == "item_knn"
        else AlternatingLeastSquares(FACTORS, iterations=SWEEPS, random_state=0)
    )
    users = np.arange(ranked)

    def fit() -> None:
        with threadpool_limits(1, user_api="blas"):  # as it advises
            model.fit(pairs, show_progress=False)

    def recommend() -> None:
        with threadpool_limits(1, user_api="blas"):
            model.recommend(users, pairs[:ranked], N=K, filter_already_liked_items=True)

    return fit, recommend


def make_world(n_users: int, n_items: int, n_events: int) -> dict[str, np.ndarray]:
    """Columns of `Interactions`: users have three tastes of 500 items each, and choose on 15 days.

    One event in five is of any item; within a taste and over all, popularity falls as a power of
    the rank. A pair that is drawn twice is a repeat on another day, or one event.
    """
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(n_users), n_events)
    tastes = rng.integers(0, max(1, n_items // TASTE_ITEMS), (n_users, TASTES))
    taste = tastes[user, rng.integers(0, TASTES, len(user))]
    item = (taste * TASTE_ITEMS + draw(rng, TASTE_ITEMS, 0.6, len(user))) % n_items
    is_stray = rng.random(len(user)) < STRAY_SHARE
    item[is_stray] = rng.permutation(n_items)[draw(rng, n_items, 0.8, int(is_stray.sum()))]
    days = rng.integers(1, DAYS + 1, (n_users, BASKETS))
    age = days[user, rng.integers(0, BASKETS, len(user))]
    order = np.lexsort((-age, item, user))
    rows = np.stack([user, item, age], axis=1)[order]
    rows = rows[np.append(True, (np.diff(rows, axis=0) != 0).any(axis=1))]
    at = np.datetime64(CUTOFF, "us") - rows[:, 2].astype("timedelta64[D]")
    return {
        "user_ids": np.array([f"u{number:07}" for number in range(n_users)]),
        "item_ids": np.array([f"i{number:07}" for number in range(n_items)]),
        "user": rows[:, 0].astype(np.int32),
        "item": rows[:, 1].astype(np.int32),
        "event_type": np.zeros(len(rows), dtype=np.int8),
        "age_days": rows[:, 2].astype(np.int32),
        "event_count": np.ones(len(rows), dtype=np.float32),
        "last_event_at": at,
    }


def draw(rng: np.random.Generator, size: int, exponent: float, count: int) -> np.ndarray:
    """Ranks drawn with a popularity of (rank + 10) to the power of -exponent."""
    weight = (np.arange(size) + 10.0) ** -exponent
    return np.searchsorted(np.cumsum(weight / weight.sum())[:-1], rng.random(count))


if __name__ == "__main__":
    main()
