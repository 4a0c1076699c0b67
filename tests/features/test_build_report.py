from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipelines.features.build_report import BuildReport, NodeResult, failure_text, nodes_of

GOOD = NodeResult("feat_users", "model", "success", 0.5, "OK")
WARNED = NodeResult("raw.events", "source", "warn", 0.1, "old")
FAILED = NodeResult("feat_users_holds", "test", "fail", 0.1, "Got 3 results")


def report_of(*nodes):
    return BuildReport(date(2024, 2, 5), (date(2024, 2, 5),), 1.0, "id", nodes)


def freshness(day, age_days, status="error"):
    """What dbt answers for one source, as far as a report reads it."""
    return SimpleNamespace(
        node=SimpleNamespace(resource_type="source", source_name="raw", name="events"),
        status=status,
        execution_time=0.1,
        message=None,
        max_loaded_at=day,
        age=age_days * 86_400.0,
    )


@pytest.mark.parametrize("status", ["error", "fail", "runtime error"])
def test_a_node_that_did_not_do_its_job_is_failed(status):
    assert NodeResult("n", "test", status, 0.0, "").is_failed


@pytest.mark.parametrize("status", ["success", "pass", "warn", "skipped"])
def test_a_warning_or_a_skip_is_not_a_failure(status):
    assert not NodeResult("n", "test", status, 0.0, "").is_failed


def test_failed_nodes_are_those_of_the_report():
    assert report_of(GOOD, WARNED, FAILED).failed == (FAILED,)
    assert report_of(GOOD, WARNED).as_dict()["is_passed"] is True
    assert report_of(FAILED).as_dict()["nodes"][0]["message"] == "Got 3 results"


def test_failure_text_names_each_failed_node_and_what_to_run():
    text = failure_text(report_of(GOOD, FAILED), Path("runs/dbt"))
    assert "Found 1 failed:\n  test feat_users_holds: fail: Got 3 results" in text
    assert "feat_users: success" not in text and "recsys features --as-of 2024-02-05" in text


def test_freshness_says_how_far_before_the_night_the_newest_file_ends():
    stale = freshness(datetime(2024, 2, 1, tzinfo=UTC), 4.0)
    never = freshness(datetime(1, 1, 1, tzinfo=UTC), 0.0)
    outcome = SimpleNamespace(result=SimpleNamespace(results=[stale, never]))
    assert [node.message for node in nodes_of(outcome)] == [
        "the newest day file ends 4 days before as_of",
        "no day file is before as_of",
    ]
