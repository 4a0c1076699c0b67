"""What EASE loses beyond `max_items`: its weights from neighbours only, and without the tail.

    python benchmarks/sparse_ease.py [--movielens FOLDER] [--gowalla FOLDER] [--neighbors 100,200]

For example, on the bundled shop alone, in a minute:

    python benchmarks/sparse_ease.py --neighbors 50

Of the shop and of MovieLens (ratings.csv, ratings of 4 and more) a fifth of each user's items is
held out; Gowalla (train.txt, test.txt) brings its own split. Shown are NDCG@20 of lists without
what was known, and seconds of the fit. "dense" is `solve_ease`; "dense, half the items" what is
left if only the more popular half is learned.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from pipelines.evaluate.metrics import ranking_metrics
from pipelines.models.ease import solve_ease, solve_sparse_ease
from pipelines.models.kernels.top_n import top_n_of_scores

K, HELD_OUT_SHARE, BLOCK_USERS, DENSE_ITEMS = 20, 0.2, 500, 21_000
SHOP = Path(__file__).parents[1] / "data" / "online_retail" / "online_retail.parquet"
REGULARIZATION = {"shop": 100.0, "movielens": 200.0, "gowalla": 50.0}
#: Scores of every item for the users of a matrix.
Score = Callable[[sparse.csr_array], np.ndarray]
Matrices = tuple[sparse.csr_array, sparse.csr_array]


def main() -> None:
    """Print a line for each data set and solver."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--movielens", type=Path)
    parser.add_argument("--gowalla", type=Path)
    parser.add_argument("--neighbors", default="100,200")
    chosen = parser.parse_args()
    numbers = [int(number) for number in chosen.neighbors.split(",")]
    for name, (known, truth) in read_data(chosen):
        print(f"{name}: {known.shape[0]:,} users, {known.shape[1]:,} items, {known.nnz:,} pairs")
        for label, fit in solvers(known, numbers, REGULARIZATION[name]).items():
            began = time.perf_counter()
            score = fit()
            seconds = time.perf_counter() - began
            print(f"  {label:24} {seconds:7.1f} s  {ndcg_of(score, known, truth):.4f}", flush=True)


def solvers(
    known: sparse.csr_array, numbers: list[int], regularization: float
) -> dict[str, Callable[[], Score]]:
    """Fits by name; those of more than `DENSE_ITEMS` items are left out where they are dense."""

    def dense(kept: np.ndarray) -> Score:
        weights = solve_ease(known[:, kept], regularization)

        def score(users: sparse.csr_array) -> np.ndarray:
            scores = np.full(users.shape, -np.inf, dtype=np.float32)
            scores[:, kept] = users[:, kept] @ weights
            return scores

        return score

    def nearest(number: int) -> Score:
        weights = solve_sparse_ease(known, regularization, number)
        return lambda users: np.asarray((users @ weights).toarray(order="C"))

    n_items = known.shape[1]
    popularity = np.bincount(known.indices, minlength=n_items)
    half = np.sort(np.argsort(-popularity, kind="stable")[: n_items // 2])
    fits = {"dense, half the items": partial(dense, half)}
    if n_items <= DENSE_ITEMS:
        fits["dense"] = partial(dense, np.arange(n_items))
    return fits | {f"{number} neighbours": partial(nearest, number) for number in numbers}


def ndcg_of(score: Score, known: sparse.csr_array, truth: sparse.csr_array) -> float:
    """Mean NDCG@20 of the users with something held out."""
    asked = np.flatnonzero(np.diff(truth.indptr) > 0)
    found = []
    for start in range(0, len(asked), BLOCK_USERS):
        users = asked[start : start + BLOCK_USERS]
        items, _ = top_n_of_scores(score(known[users]), K, exclude_pairs=known[users])
        found.append(ranking_metrics(items, truth[users], [K])[f"ndcg_at_{K}"])
    return float(np.concatenate(found).mean())


def read_data(chosen: argparse.Namespace) -> Iterator[tuple[str, Matrices]]:
    """Known and held-out pairs of every data set that was asked for."""
    shop = pd.read_parquet(SHOP, columns=["CustomerID", "StockCode", "Quantity"])
    shop = shop[shop["CustomerID"].notna() & (shop["Quantity"] > 0)]
    yield "shop", hold_out(shop["CustomerID"], shop["StockCode"])
    if chosen.movielens:
        ratings = pd.read_csv(chosen.movielens / "ratings.csv")
        liked = ratings[ratings["rating"] >= 4]  # noqa: PLR2004 - of five stars
        yield "movielens", hold_out(liked["userId"], liked["movieId"])
    if chosen.gowalla:
        parts = [read_lists(chosen.gowalla / f"{part}.txt") for part in ("train", "test")]
        shape = tuple(max(one.shape[side] for one in parts) for side in (0, 1))
        for one in parts:
            one.resize(shape)
        yield "gowalla", (parts[0], parts[1])


def hold_out(user: pd.Series, item: pd.Series) -> Matrices:
    """Distinct pairs, a fifth of them held out at random."""
    pairs = pd.DataFrame({"user": pd.factorize(user)[0], "item": pd.factorize(item)[0]})
    pairs = pairs.drop_duplicates().to_numpy()
    shape = tuple((pairs.max(axis=0) + 1).tolist())
    is_held_out = np.random.default_rng(0).random(len(pairs)) < HELD_OUT_SHARE
    known, truth = (to_matrix(pairs[rows], shape) for rows in (~is_held_out, is_held_out))
    return known, truth


def read_lists(path: Path) -> sparse.csr_array:
    """Pairs of a file with a user and the user's items on each line."""
    lines = [line.split() for line in path.read_text().splitlines()]
    pairs = np.array([(line[0], item) for line in lines for item in line[1:]], dtype=np.int64)
    return to_matrix(pairs, tuple((pairs.max(axis=0) + 1).tolist()))


def to_matrix(pairs: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Pairs with value 1."""
    ones = np.ones(len(pairs), dtype=np.float32)
    return sparse.csr_array((ones, (pairs[:, 0], pairs[:, 1])), shape=shape)


if __name__ == "__main__":
    main()
