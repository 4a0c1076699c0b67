from __future__ import annotations

from typing import Any

from pipelines.benchmark.tables import LIST_HEADINGS, benchmark_document, describe_split
from pipelines.evaluate.metrics import RANKING_METRICS
from tests.conftest import terminal_text

RANKING = {f"{name}_at_3": {"value": 0.5, "low": 0.375} for name in RANKING_METRICS}
LISTS = {f"{name}_at_3": {"value": 0.25, "low": None} for name in LIST_HEADINGS}
RESULT: dict[str, Any] = {
    "k": [3],
    "seen": "exclude",
    "data": {
        "train_users": 4,
        "train_items": 3,
        "train_pairs": 8,
        "test_pairs": 6,
        "scored_users": 4,
        "left_out": {"users_without_history": 1, "users_without_truth": 0},
    },
    "candidates": [
        {
            "candidate": "ease:regularization=[80]",
            "metrics": {**RANKING, **LISTS, "personalisation_at_3": {"value": None, "low": None}},
            "fit_seconds": 1234.56,
            "recommend_seconds": 2.0,
            "peak_memory_mib": 6543,
            "error": None,
        },
        {"candidate": "mine:Best", "metrics": {}, "error": "RuntimeError: [out] of ideas"},
    ],
}


def printed(width: int) -> str:
    return terminal_text(benchmark_document(RESULT), width)


def test_log_has_value_and_interval_on_one_line() -> None:
    text = printed(160)
    (ranking,) = [line for line in text.splitlines() if "±" in line]
    assert ranking.split() == ["ease:regularization=[80]", *[".500000", "±.125000"] * 6]
    assert "1,234.6" in text
    assert "6,543" in text


def test_narrow_terminal_shows_every_figure() -> None:
    text = printed(80)
    assert text.count(".500000") == text.count("±.125000") == 6
    assert max(map(len, text.splitlines())) <= 80


def test_missing_metric_is_said_and_a_failure_is_told() -> None:
    text = printed(160)
    (lists,) = [line for line in text.splitlines() if " – " in line]
    assert lists.split().count(".2500") == 6
    assert text.splitlines()[-1] == "failed: mine:Best: RuntimeError: [out] of ideas"


def test_split_is_described_with_who_is_left_out() -> None:
    assert describe_split(RESULT) == (
        "4 users scored on 6 pairs, fitted on 8 pairs of 4 users and 3 items. "
        "Users left out: 1 without history. Seen items: exclude."
    )
