"""Speed of the arithmetic, beside a floor or a library that does the same, in one process.

    python benchmarks/kernels.py [top_n] [ease] [ials] [metrics] [--runs 3] [--append FILE]

`implicit` and `rectools` are compared with if they can be imported, and named as skipped if not:

    uv venv --python 3.11 var/kernels
    uv pip install -p var/kernels/bin/python numpy scipy pandas scikit-learn faiss-cpu \
        threadpoolctl pydantic click implicit
    uv pip install -p var/kernels/bin/python --no-deps rectools attrs typeguard
    PYTHONPATH=. var/kernels/bin/python benchmarks/kernels.py

Sides take turns within a run, so that a slow minute meets all of them. Shown are medians of wall
and CPU seconds and the ratio to the first side; FILE gets a line of JSON per side.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.linalg import lapack
from threadpoolctl import threadpool_limits

from pipelines.evaluate.metrics import ranking_metrics
from pipelines.models.ease import solve_ease
from pipelines.models.ials import solve_rows
from pipelines.models.kernels.top_n import top_n_of_factors

Sides = dict[str, Callable[[], Any]]
PEERS = ("implicit", "rectools")
#: Users whose lists are scored, and the share of pairs that is held out for it.
SCORED_USERS = 10_000
TEST_SHARE = 0.1
#: Share of relevant items taken from the list.
HIT_SHARE = 0.1


def main() -> None:
    """Run the chosen comparisons and print a table of each."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("kernels", nargs="*", choices=[*KERNELS, []], default=[])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--append", type=Path)
    chosen = parser.parse_args()
    warnings.filterwarnings("ignore", module="implicit")  # about threads, which are set below
    for peer in PEERS:
        if not installed(peer):
            print(f"{peer} is not installed: skipped")
    for kernel in chosen.kernels or KERNELS:
        rows = KERNELS[kernel](chosen.runs)
        report(kernel, rows)
        if chosen.append:
            with chosen.append.open("a") as file:
                for row in rows:
                    where = {"kernel": kernel, "runs": chosen.runs, "machine": platform.processor()}
                    file.write(json.dumps(where | row) + "\n")


def installed(package: str) -> str | None:
    """Version of a package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def take_turns(sides: Sides, runs: int) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Median wall and CPU seconds of every side, ratios to the first, and the last results."""
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    results = {}
    for _ in range(runs):
        for name, run in sides.items():
            wall, cpu = time.perf_counter(), time.process_time()
            results[name] = run()
            spent[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return with_ratios(spent), results


def with_ratios(spent: dict[str, list[tuple[float, float]]]) -> list[dict[str, Any]]:
    """A row per side; ratios are medians over runs of the ratio within a run."""
    base = next(iter(spent.values()))
    return [
        {
            "side": name,
            "wall": statistics.median(wall for wall, _ in times),
            "cpu": statistics.median(cpu for _, cpu in times),
            "wall_ratio": statistics.median(a[0] / b[0] for a, b in zip(times, base, strict=True)),
            "cpu_ratio": statistics.median(a[1] / b[1] for a, b in zip(times, base, strict=True)),
        }
        for name, times in spent.items()
    ]


def report(kernel: str, rows: list[dict[str, Any]]) -> None:
    """Print a table; what a side found besides its times comes last."""
    print(f"\n{kernel:44} wall s  ratio   CPU s  ratio")
    for row in rows:
        measured = [row[key] for key in ("wall", "wall_ratio", "cpu", "cpu_ratio")]
        found = {key: value for key, value in row.items() if key not in TIMES}
        print(
            f"{row['side']:44} {measured[0]:6.2f} {measured[1]:6.2f}  {measured[2]:6.2f} "
            f"{measured[3]:6.2f}  " + "  ".join(f"{key} {value}" for key, value in found.items())
        )


TIMES = ("side", "wall", "cpu", "wall_ratio", "cpu_ratio")


def time_top_n(runs: int) -> list[dict[str, Any]]:
    """Top 50 without seen items, 50,000 users, 20,000 items, 64 factors; two kinds of histories."""
    rows = []
    for kind in ("uniform", "skewed"):
        users, items, seen = make_factors(kind)
        rows += time_top_n_of(f"{kind} histories", users, items, seen, runs)
    return rows


def make_factors(kind: str) -> tuple[np.ndarray, np.ndarray, sparse.csr_array]:
    """Random factors and what was seen.

    Uniform: 150 items each, any items. Skewed: log-normal numbers, popular items, which also have
    the longer factors, so that what was seen crowds the top.
    """
    rng = np.random.default_rng(7)
    n_users, n_items = 50_000, 20_000
    users = rng.standard_normal((n_users, 64), dtype=np.float32)
    items = rng.standard_normal((n_items, 64), dtype=np.float32)
    if kind == "uniform":
        lengths = np.full(n_users, 150)
        columns = rng.integers(0, n_items, lengths.sum())
    else:
        lengths = np.clip(rng.lognormal(3.5, 1.2, n_users), 1, 3000).astype(np.int64)
        popularity = (rng.permutation(n_items) + 10.0) ** -0.8
        items *= (popularity / popularity.mean()).astype(np.float32)[:, None] ** np.float32(0.3)
        columns = draw(rng, popularity, lengths.sum())
    return users, items, to_matrix(np.repeat(np.arange(n_users), lengths), columns, users, items)


def draw(rng: np.random.Generator, weight: np.ndarray, size: int) -> np.ndarray:
    """Positions drawn by weight."""
    return np.searchsorted(np.cumsum(weight / weight.sum())[:-1], rng.random(size))


def to_matrix(
    rows: np.ndarray, columns: np.ndarray, users: np.ndarray, items: np.ndarray
) -> sparse.csr_array:
    """Distinct pairs with value 1."""
    pairs = (np.ones(len(rows), np.float32), (rows, columns))
    matrix = sparse.csr_array(pairs, shape=(len(users), len(items)))
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix


def time_top_n_of(
    label: str, users: np.ndarray, items: np.ndarray, seen: sparse.csr_array, runs: int
) -> list[dict[str, Any]]:
    """A bare product in blocks of 1,000 users, ours, and `implicit`."""

    def bare_product() -> None:
        block = np.empty((1000, len(items)), dtype=np.float32)
        for start in range(0, len(users), len(block)):
            np.dot(users[start : start + len(block)], items.T, out=block)

    def ours() -> np.ndarray:
        return top_n_of_factors(users, items, 50, exclude_pairs=seen)[0]

    sides: Sides = {f"bare product, {label}": bare_product, f"top_n_of_factors, {label}": ours}
    theirs = f"implicit recommend, {label}"
    if installed("implicit"):
        from implicit.als import AlternatingLeastSquares

        model = AlternatingLeastSquares(factors=users.shape[1])
        model.user_factors, model.item_factors = users, items
        pairs = sparse.csr_matrix(seen)

        def recommend() -> np.ndarray:
            with threadpool_limits(1, user_api="blas"):  # as it advises
                return model.recommend(
                    np.arange(len(users)), pairs, N=50, filter_already_liked_items=True
                )[0]

        sides[theirs] = recommend
    rows, lists = take_turns(sides, runs)
    if theirs in lists:
        rows[2]["same_items"] = float((lists[theirs] == lists[f"top_n_of_factors, {label}"]).mean())
        rows[2]["times_ours"] = round(rows[2]["wall"] / rows[1]["wall"], 2)
    return rows


def time_ease(runs: int) -> list[dict[str, Any]]:
    """EASE weights of 10,000 items, 20,000 users with 60 events, against Gram and LAPACK."""
    rng = np.random.default_rng(11)
    n_users, n_items = 20_000, 10_000
    columns = draw(rng, (np.arange(n_items) + 11.0) ** -0.7, n_users * 60)
    shape = np.empty((n_users, 0)), np.empty((n_items, 0))
    interest = to_matrix(np.repeat(np.arange(n_users), 60), columns, *shape)

    def floor() -> np.ndarray:
        gram = (interest.T @ interest).toarray()
        gram[np.diag_indices(n_items)] += np.float32(200)
        factor, _ = lapack.spotrf(gram.T, lower=1, overwrite_a=1)
        return lapack.spotri(factor, lower=1, overwrite_c=1)[0]

    return take_turns(
        {"Gram, spotrf, spotri": floor, "solve_ease": lambda: solve_ease(interest, 200.0)}, runs
    )[0]


def time_metrics(runs: int) -> list[dict[str, Any]]:
    """Metrics at 10 of 200,000 lists of 50; ours computes six of them, RecTools three."""
    rng = np.random.default_rng(3)
    n_users, n_items, k = 200_000, 30_000, 10
    first = rng.integers(0, n_items, n_users)[:, None]
    lists = ((first + 577 * np.arange(50)) % n_items).astype(np.int32)
    lengths = np.minimum(1 + rng.geometric(0.15, n_users), 30)
    rows = np.repeat(np.arange(n_users), lengths)
    is_hit = rng.random(len(rows)) < HIT_SHARE
    columns = np.where(is_hit, lists[rows, rng.integers(0, 20, len(rows))], 0)
    columns = np.where(is_hit, columns, rng.integers(0, n_items, len(rows)))
    truth = to_matrix(rows, columns, lists, np.empty((n_items, 0)))
    sides: Sides = {"ranking_metrics": lambda: ranking_metrics(lists, truth, [k])}
    if installed("rectools"):
        from rectools.metrics import NDCG, Precision, Recall, calc_metrics

        user, rank = np.divmod(np.arange(lists.size), 50)
        listed = pd.DataFrame({"user_id": user, "item_id": lists.ravel(), "rank": rank + 1})
        pairs = truth.tocoo()
        right = pd.DataFrame({"user_id": pairs.row, "item_id": pairs.col})
        metrics = {
            "ndcg": NDCG(k=k, divide_by_achievable=True),
            "recall": Recall(k=k),
            "precision": Precision(k=k),
        }
        sides["RecTools calc_metrics"] = lambda: calc_metrics(
            metrics, reco=listed, interactions=right
        )
    timed, found = take_turns(sides, runs)
    if "RecTools calc_metrics" in found:
        ours, theirs = found["ranking_metrics"], found["RecTools calc_metrics"]
        timed[1]["largest_difference"] = max(
            abs(ours[f"{name}_at_{k}"].mean() - theirs[name]) for name in metrics
        )
    return timed


def time_ials(runs: int, sweeps: int = 10) -> list[dict[str, Any]]:
    """Sweeps over 5 million pairs with 64 factors, and the NDCG@10 of held-out pairs by sweep."""
    train, truth = make_tastes()
    by_item = train.T.tocsr()

    def ours(observe: Callable[[np.ndarray, np.ndarray], None]) -> None:
        rng = np.random.default_rng(0)
        users, items = None, rng.normal(0, 0.1 / 8, (train.shape[1], 64)).astype(np.float32)
        how = {"unobserved_weight": 0.1, "regularization": 0.003, "frequency_exponent": 1.0}
        for _ in range(sweeps):
            users = solve_rows(train, items, start=users, **how)
            items = solve_rows(by_item, users, start=items, **how)
            observe(users, items)

    fits = {"solve_rows, a sweep": ours}
    if installed("implicit"):
        from implicit.als import AlternatingLeastSquares

        pairs = sparse.csr_matrix(train)

        def theirs(observe: Callable[[np.ndarray, np.ndarray], None]) -> None:
            model = AlternatingLeastSquares(
                64, iterations=sweeps, alpha=10.0, regularization=0.1, random_state=0
            )
            with threadpool_limits(1, user_api="blas"):  # as it advises
                model.fit(
                    pairs,
                    show_progress=False,
                    callback=lambda *_: observe(model.user_factors, model.item_factors),
                )

        fits = {"implicit, a sweep": theirs} | fits
    clocks: dict[str, list[SweepClock]] = {name: [] for name in fits}
    for _ in range(runs):
        for name, fit in fits.items():
            clocks[name].append(SweepClock())
            fit(clocks[name][-1])
    rows = with_ratios({name: [clock.sweep() for clock in of] for name, of in clocks.items()})
    for row in rows:
        clock = clocks[row["side"]][-1]
        ndcg = [ndcg_of(*factors, train, truth) for factors in clock.factors]
        enough = int(np.argmax(np.array(ndcg) >= 0.99 * max(ndcg)))
        row |= {"best_ndcg": round(max(ndcg), 4), "sweeps_to_99_percent": enough + 1}
        at = [of.spent[enough] for of in clocks[row["side"]]]
        row["seconds_to_99_percent"] = round(statistics.median(wall for wall, _ in at), 2)
        row["cpu_to_99_percent"] = round(statistics.median(cpu for _, cpu in at), 2)
    return rows


class SweepClock:
    """Wall and CPU seconds since the start at the end of every sweep, and the factors then."""

    def __init__(self) -> None:
        self.spent: list[tuple[float, float]] = []
        self.factors: list[tuple[np.ndarray, np.ndarray]] = []
        self._start = time.perf_counter(), time.process_time()

    def __call__(self, users: np.ndarray, items: np.ndarray) -> None:
        """Note the end of a sweep."""
        now = time.perf_counter(), time.process_time()
        self.spent.append((now[0] - self._start[0], now[1] - self._start[1]))
        self.factors.append((users[:SCORED_USERS].copy(), items.copy()))
        self._start = (  # copying takes no time
            self._start[0] + time.perf_counter() - now[0],
            self._start[1] + time.process_time() - now[1],
        )

    def sweep(self) -> tuple[float, float]:
        """Mean of a sweep after the first, which has the setting up."""
        n = len(self.spent) - 1
        first, last = self.spent[0], self.spent[-1]
        return (last[0] - first[0]) / n, (last[1] - first[1]) / n


def make_tastes() -> tuple[sparse.csr_array, sparse.csr_array]:
    """Pairs of 100,000 users with three of 40 tastes each, and one in ten held out."""
    rng = np.random.default_rng(5)
    n_users, n_items, n_tastes = 100_000, 50_000, 40
    activity = rng.lognormal(0, 1, n_users)
    rows = np.sort(draw(rng, activity, 6_500_000))
    taste = rng.integers(0, n_tastes, (n_users, 3))[rows, rng.integers(0, 3, len(rows))]
    rank = draw(rng, (np.arange(n_items) + 30.0) ** -1.1, len(rows))
    columns = (rank * 7919 + taste * 9973) % n_items  # each taste has its own order of items
    shape = np.empty((n_users, 0)), np.empty((n_items, 0))
    pairs = to_matrix(rows, columns, *shape).tocoo()
    is_test = rng.random(pairs.nnz) < TEST_SHARE
    parts = [to_matrix(pairs.row[m], pairs.col[m], *shape) for m in (~is_test, is_test)]
    return parts[0], parts[1][:SCORED_USERS]


def ndcg_of(
    users: np.ndarray, items: np.ndarray, train: sparse.csr_array, truth: sparse.csr_array
) -> float:
    """Mean NDCG@10 of the scored users that have something held out."""
    lists, _ = top_n_of_factors(users, items, 10, exclude_pairs=train[: len(users)])
    has_truth = np.diff(truth.indptr) > 0
    return float(ranking_metrics(lists, truth, [10])["ndcg_at_10"][has_truth].mean())


KERNELS = {"top_n": time_top_n, "ease": time_ease, "ials": time_ials, "metrics": time_metrics}

if __name__ == "__main__":
    main()
