from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.base.errors import BenchmarkError
from pipelines.benchmark.candidates import Entry
from pipelines.benchmark.comparison import (
    Request,
    measure_entry,
    peak_memory_mib,
    run_benchmark,
    summarise,
)
from pipelines.models.popularity import Popularity

#: By train popularity: a (3), b (2), c (1), d (1); ties by item_id.
TRAIN = "u a b\nv a b c\nw a d\nx a\n"
#: w's truth is second of b, c; x's is last of three and new-item is in no train row; y is unknown.
TEST = "u c\nv d\nw c\nx d new-item\ny a\n"
POPULARITY = Entry("popularity", "popularity", {})

OWN = """
from pipelines.models.base import Recommender
import numpy as np


class Alphabet(Recommender):
    def __init__(self, *, is_reversed=False): self.is_reversed = is_reversed
    def _fit(self, history): pass
    def _score(self, history):
        scores = np.arange(history.n_items, dtype=np.float32)
        return np.tile(scores if self.is_reversed else -scores, (history.n_users, 1))


class Broken(Recommender):
    def _fit(self, history): raise RuntimeError("out of ideas")
    def _score(self, history): ...
"""


@pytest.fixture
def request_of(tmp_path: Path) -> Request:
    (tmp_path / "train.txt").write_text(TRAIN)
    (tmp_path / "test.txt").write_text(TEST)
    return Request(
        train=tmp_path / "train.txt",
        test=tmp_path / "test.txt",
        validation=None,
        ks=(1, 2),
        is_seen_excluded=True,
        confidence=0.95,
    )


def test_popularity_by_hand(request_of: Request) -> None:
    found = measure_entry(request_of, POPULARITY)
    value = {name: entry["value"] for name, entry in found["metrics"].items()}
    # u: c, d -> hit at 1; v: d -> hit at 1; w: b, c -> hit at 2; x: b, c -> none of two
    assert value["recall_at_1"] == pytest.approx(2 / 4)
    assert value["recall_at_2"] == pytest.approx(3 / 4)
    assert value["ndcg_at_2"] == pytest.approx((1 + 1 + 0.6309297535714575 + 0) / 4)
    assert value["precision_at_2"] == pytest.approx((0.5 + 0.5 + 0.5 + 0) / 4)
    assert value["mrr_at_2"] == pytest.approx((1 + 1 + 0.5 + 0) / 4)
    assert value["coverage_at_1"] == pytest.approx(3 / 4)  # c, d, b of a, b, c, d
    assert found["metrics"]["ndcg_at_2"]["user_count"] == 4
    assert found["metrics"]["ndcg_at_2"]["low"] < value["ndcg_at_2"]
    assert found["peak_memory_mib"] > 10
    assert found["error"] is None


def test_allowed_repeats_stay_in_lists_and_truth(request_of: Request) -> None:
    request_of.test.write_text("u a\nv d\n")
    again = measure_entry(replace(request_of, is_seen_excluded=False), POPULARITY)
    # everybody's first is a, which u took again
    assert again["metrics"]["recall_at_1"]["value"] == pytest.approx(1 / 2)
    new = measure_entry(request_of, POPULARITY)
    assert new["metrics"]["recall_at_1"]["user_count"] == 1


def test_validation_part_is_scored_without_a_test_file(request_of: Request) -> None:
    request = replace(request_of, test=None, validation=0.5)
    result = run_benchmark(request, [], lambda line: None)
    assert result["data"]["scored_users"] == 3  # x has one item, and floor(0.5) of it is taken
    assert result["data"]["test_pairs"] == 3


def test_entries_join_one_table_best_first_with_counts_of_who_is_left_out(
    request_of: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "alphabet_for_benchmark.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    own = "alphabet_for_benchmark:Alphabet"
    entries = [
        Entry("broken", "alphabet_for_benchmark:Broken", {}),
        Entry("z to a", own, {"is_reversed": True}),
        POPULARITY,
    ]
    said: list[str] = []

    result = run_benchmark(request_of, entries, said.append)

    names = [row["candidate"] for row in result["candidates"]]
    assert names == ["z to a", "popularity", "broken"]
    # u: d, a miss; v: d; w: c; x: d, one of two
    assert result["candidates"][0]["metrics"]["recall_at_1"]["value"] == pytest.approx(2.5 / 4)
    assert result["candidates"][2]["error"] == "RuntimeError: out of ideas"
    assert result["data"] == {
        "train_users": 4,
        "train_items": 4,
        "train_pairs": 8,
        "test_pairs": 6,
        "scored_users": 4,
        "left_out": {
            "users_without_history": 1,
            "users_without_truth": 0,
            "users_with_excluded_truth_only": 0,
        },
    }
    assert said[1] == "[1/3] broken"
    assert said[2] == "  failed: RuntimeError: out of ideas"


def test_known_errors_of_a_recommender_are_said_in_its_row(request_of: Request) -> None:
    bad = Entry("ease:regularization=-1", "ease", {"regularization": -1})
    (row,) = run_benchmark(request_of, [bad], lambda line: None)["candidates"]
    assert row["error"].startswith("`regularization` must be a finite number above 0")


def test_split_without_a_common_user_is_refused(request_of: Request) -> None:
    request_of.test.write_text("nobody a\n")
    with pytest.raises(BenchmarkError, match="At least one user must have rows"):
        run_benchmark(request_of, [POPULARITY], lambda line: None)


def test_peak_of_memory_grows_with_what_is_held() -> None:
    before = peak_memory_mib()
    block = b"x" * int((before + 64) * 1024**2)
    assert peak_memory_mib() > before
    assert len(block)


def test_summary_says_quality_and_cost() -> None:
    row = {
        "metrics": {"ndcg_at_5": {"value": 0.25}},
        "fit_seconds": 1.0,
        "recommend_seconds": 2.0,
        "peak_memory_mib": 1234,
        "error": None,
    }
    expected = "NDCG@5 .250000, fit 1.0 s, lists 2.0 s, peak 1,234 MiB"
    assert summarise(row, 5) == expected


class NumpyOrder(Popularity):
    """Popularity; equally popular items as numpy's default sort of their numbers leaves them."""

    def _fit(self, history: Any) -> None:
        super()._fit(history)
        by_number = np.argsort(history.item_ids.astype(int))
        order = by_number[np.argsort(-self.scores_[by_number])]
        self.scores_[order] = np.arange(history.n_items, 0, -1)


#: Recall and NDCG at 20, then at 50, as docs/benchmark.md has them, and how far off they may be.
GOWALLA_ROWS = [
    (
        "popularity",
        {},
        (0.041631, 0.031690, 0.062375, 0.037896),
        1.5e-6,
    ),  # ties move the sixth digit
    (
        "tests.benchmark.test_comparison:NumpyOrder",
        {},
        (0.041631, 0.031690, 0.062375, 0.037896),
        5e-7,
    ),
    (
        "item_knn",
        {"similarity": "dot", "n_neighbors": 508, "neighbors_of": "listed"},
        (0.140821, 0.116457, 0.223175, 0.142114),
        3e-4,  # ties at the last neighbour
    ),
    (
        "rp3beta",
        {"alpha": 0.5663562161452378, "beta": 0.001085447926739258, "n_neighbors": 777},
        (0.178566, 0.149090, 0.276281, 0.179655),
        5e-7,
    ),
    (
        "ease",  # 7 GB, and many minutes on one thread
        {"regularization": 80, "max_items": 50_000},
        (0.176493, 0.146657, 0.270126, 0.175974),
        5e-7,
    ),
    (
        "graph_filter",
        {
            "n_factors": 1024,
            "low_pass_weight": 0.07,
            "user_exponent": 0.55,
            "item_exponent": 0.4,
            "sharpening": 0.85,
            "popularity_exponent": 0.1,
        },
        (0.191404, 0.158101, 0.295263, 0.190758),
        1e-4,  # another BLAS rounds the singular vectors differently
    ),
]


@pytest.mark.prove
@pytest.mark.parametrize(("key", "params", "row", "tolerance"), GOWALLA_ROWS)
def test_gowalla_has_the_published_figures(
    key: str,
    params: dict[str, Any],
    row: tuple[float, ...],
    tolerance: float,
    pytestconfig: pytest.Config,
) -> None:
    folder = pytestconfig.getoption("--gowalla")
    if folder is None:
        pytest.skip("give --gowalla FOLDER with train.txt and test.txt of the LightGCN split")
    request = Request(folder / "train.txt", folder / "test.txt", None, (20, 50), True, 0.95)
    metrics = measure_entry(request, Entry(key, key, params))["metrics"]
    names = ("recall_at_20", "ndcg_at_20", "recall_at_50", "ndcg_at_50")
    assert [metrics[name]["value"] for name in names] == pytest.approx(row, rel=0, abs=tolerance)
