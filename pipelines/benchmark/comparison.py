"""Measure recommenders on anyone's own split, each in a process of its own."""

from __future__ import annotations

import re
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.base.errors import BenchmarkError, PipelineError
from pipelines.base.settings_sections import EvaluationSettings
from pipelines.benchmark.candidates import Entry, make_entry
from pipelines.benchmark.files import Split, read_split
from pipelines.evaluate.intervals import mean_interval
from pipelines.evaluate.metrics import ranking_metrics
from pipelines.evaluate.score import list_means
from pipelines.evaluate.truth import Truth, align_truth, without_excluded
from pipelines.models.base import Exclusion
from pipelines.show.figures import format_figure

if TYPE_CHECKING:
    from pipelines.features.interactions import Interactions
    from pipelines.models.base import TopN

#: Bytes of a mebibyte; `ru_maxrss` counts kibibytes, but bytes on macOS.
MIB = 1024**2
MAXRSS_BYTES = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Request:
    """A benchmark's request: files, cuts, exclusion of seen items, and level.

    Parameters
    ----------
    train : Path
    test : Path or None
        None if a validation part is cut from the train file.
    validation : float or None
        Share of each user's items in the validation part.
    ks : tuple of int
        Cuts, ascending.
    is_seen_excluded : bool
        Whether items of a user's history are kept out of lists and truth.
    confidence : float
        Level of the intervals.
    """

    train: Path
    test: Path | None
    validation: float | None
    ks: tuple[int, ...]
    is_seen_excluded: bool
    confidence: float


def run_benchmark(
    request: Request, entries: Sequence[Entry], say: Callable[[str], None]
) -> dict[str, Any]:
    """Fit and score every entry, one after the other.

    Parameters
    ----------
    say : callable of one str
        Receives progress messages, a line each.

    Returns
    -------
    dict
        The request, ``data`` (counts of users, items and pairs, and users left out) and
        ``candidates``: one dict per entry as `measure_entry` returns it, best NDCG at the first
        cut first, failed ones last.

    Raises
    ------
    BenchmarkError
        If a file cannot be read or no user can be scored.
    """
    split = read_split(request.train, request.test, request.validation)
    data = describe_data(request, split)
    say(
        f"{data['train_users']:,} users, {data['train_items']:,} items, "
        f"{data['train_pairs']:,} train and {data['test_pairs']:,} test pairs; "
        f"{data['scored_users']:,} users scored"
    )
    del split
    rows = []
    for number, entry in enumerate(entries, start=1):
        say(f"[{number}/{len(entries)}] {entry.name}")
        rows.append(_measure_apart(request, entry))
        say(f"  {summarise(rows[-1], request.ks[0])}")
    return {**_describe_request(request), "data": data, "candidates": _best_first(rows, request)}


def describe_data(request: Request, split: Split) -> dict[str, Any]:
    """Counts of a split, and of users who cannot be scored.

    Raises
    ------
    BenchmarkError
        If no user has both a history and truth.
    """
    truth, _ = _truth_of(request, split)
    if not len(truth.positions):
        raise BenchmarkError(
            "At least one user must have rows in the train file and truth. Found none: "
            f"{truth.left_out}. Check that both files spell user_id alike."
        )
    return {
        "train_users": split.history.n_users,
        "train_items": split.history.n_items,
        "train_pairs": int(split.history.pairs().nnz),
        "test_pairs": len(split.truth),
        "scored_users": len(truth.positions),
        "left_out": truth.left_out,
    }


def measure_entry(request: Request, entry: Entry) -> dict[str, Any]:
    """Fit one entry in this process and score its lists.

    Returns
    -------
    dict
        candidate, recommender, params; ``metrics``: ``{metric_at_k: {value, low, high,
        standard_error, user_count}}``; fit_seconds, recommend_seconds; peak_memory_mib of the
        whole process; error, None here.
    """
    split = read_split(request.train, request.test, request.validation)
    truth, exclusion = _truth_of(request, split)
    recommender = make_entry(entry)
    started = time.monotonic()
    recommender.fit(split.history)
    fitted = time.monotonic()
    users = split.history.select_users(truth.positions)
    lists = recommender.recommend(users, max(request.ks), exclude=exclusion)
    ended = time.monotonic()
    peak = peak_memory_mib()
    return {
        **_name(entry),
        "metrics": _score(request, split.history, truth, lists),
        "fit_seconds": round(fitted - started, 3),
        "recommend_seconds": round(ended - fitted, 3),
        "peak_memory_mib": round(peak),
        "error": None,
    }


def peak_memory_mib() -> float:
    """Largest resident memory of this process so far.

    Read from `/proc` on Linux; `getrusage` there counts the parent's memory at the start too.
    """
    status = Path("/proc/self/status")
    if status.exists() and (found := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(found.group(1)) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MAXRSS_BYTES / MIB


def summarise(row: dict[str, Any], k: int) -> str:
    """Summary of a measured entry in one line."""
    if row["error"] is not None:
        return f"failed: {row['error']}"
    return (
        f"NDCG@{k} {format_figure(row['metrics'][f'ndcg_at_{k}']['value'], digits=6)}, "
        f"fit {row['fit_seconds']:.1f} s, lists {row['recommend_seconds']:.1f} s, "
        f"peak {row['peak_memory_mib']:,} MiB"
    )


def _truth_of(request: Request, split: Split) -> tuple[Truth, Exclusion | None]:
    """Truth of the users that are scored, and the items they must not be shown."""
    truth = align_truth(split.truth, split.history)
    if not request.is_seen_excluded:
        return truth, None
    seen = split.history.pairs()
    truth, _ = without_excluded(truth, Exclusion(seen[truth.positions]), split.history.n_items)
    return truth, Exclusion(seen[truth.positions])


def _score(
    request: Request, history: Interactions, truth: Truth, lists: TopN
) -> dict[str, dict[str, Any]]:
    """Score lists: every metric at every cut with its interval."""
    lists = lists.over(history.item_ids)
    per_user = ranking_metrics(lists.items, truth.relevant, request.ks)
    found = {
        name: asdict(mean_interval(values, request.confidence)) for name, values in per_user.items()
    }
    met = history.pairs()
    own, segment = met[truth.positions], np.full(len(truth.positions), "")
    for k in request.ks:
        cut = EvaluationSettings(k=k, ks=(k,), confidence=request.confidence)
        means = list_means(lists, met, cut, own=own, segment=segment)
        found |= {name: entry["all"] for name, entry in means.items()}
    return found


def _measure_apart(request: Request, entry: Entry) -> dict[str, Any]:
    """Measure an entry in a fresh process, so that its peak memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_measure_or_say_why_not, request, entry).result()
        except BrokenProcessPool:
            return _failed(entry, "its process ended early, probably for want of memory")


def _measure_or_say_why_not(request: Request, entry: Entry) -> dict[str, Any]:
    try:
        return measure_entry(request, entry)
    except PipelineError as error:
        return _failed(entry, str(error))
    except Exception as error:  # noqa: BLE001 - one's own class may raise anything; the others go on
        traceback.print_exc()
        return _failed(entry, f"{type(error).__name__}: {error}")


def _failed(entry: Entry, why: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("fit_seconds", "recommend_seconds", "peak_memory_mib"))
    return {**_name(entry), "metrics": {}, **nothing, "error": why}


def _name(entry: Entry) -> dict[str, Any]:
    return {
        "candidate": entry.name,
        "recommender": entry.recommender,
        "params": dict(entry.params),
    }


def _describe_request(request: Request) -> dict[str, Any]:
    return {
        "train": str(request.train),
        "test": None if request.test is None else str(request.test),
        "validation": request.validation,
        "k": list(request.ks),
        "seen": "exclude" if request.is_seen_excluded else "allow",
        "confidence": request.confidence,
    }


def _best_first(rows: list[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Sort rows by falling NDCG at the first cut, then by name; failed ones last."""

    def key(row: dict[str, Any]) -> tuple[float, str]:
        ndcg = row["metrics"].get(f"ndcg_at_{request.ks[0]}", {"value": -1.0})
        return -ndcg["value"], row["candidate"]

    return sorted(rows, key=key)
