from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pipelines.base.config import Settings
from pipelines.base.durable import write_ordered_json
from pipelines.base.tracking import parent_run_id, start_night, tracking_client
from pipelines.evaluate.child_runs import flat_metrics, flat_params, log_evaluation
from pipelines.evaluate.results import Evaluation, read_evaluation

AS_OF = date(2024, 3, 1)
SPEC = {
    "recommender": "ease",
    "params": {"regularization": 20.0, "half_life_days": None},
    "event_weights": {"purchase": 1.0},
}


@pytest.fixture
def settings(make_settings: Callable[..., Settings], with_store: Callable) -> Settings:
    return with_store(make_settings(placements={"discover": {}, "for_you": {"exclude": "none"}}))


def evaluate(settings: Settings, fabricate: Callable[..., Path], level: float) -> list[Evaluation]:
    found = []
    for placement in settings.placements:
        fabricate(settings, "ease", level=level, placement=placement, spec=SPEC)
        found.append(read_evaluation(settings, AS_OF, "ease", "gate", placement))
    return found


def test_child_run_holds_specification_metrics_data_and_files(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    parent = start_night(settings, AS_OF)
    evaluations = evaluate(settings, fabricate, 0.3)

    run_id = log_evaluation(settings, AS_OF, evaluations)

    client = tracking_client(settings)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == flat_params(SPEC)
    assert run.data.metrics == pytest.approx(flat_metrics(evaluations, 10))
    tags = {"mlflow.parentRunId": parent, "candidate": "ease", "window": "gate"}
    assert tags.items() <= run.data.tags.items()
    assert run.data.tags["spec_hash"] == evaluations[0].spec_hash
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "intermediate.int_user_item_days"
    assert dataset.dataset.digest == "ab"
    assert json.loads(dataset.dataset.profile)["cutoff"] == run.data.tags["cutoff"] == "2024-02-16"
    files = {item.path for item in client.list_artifacts(run_id, "for_you")}
    assert files == {"for_you/metrics.json", "for_you/per_user.parquet"}


def test_rerun_with_the_same_inputs_finds_its_run(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    start_night(settings, AS_OF)
    evaluations = evaluate(settings, fabricate, 0.3)

    first = log_evaluation(settings, AS_OF, evaluations)

    assert log_evaluation(settings, AS_OF, evaluations) == first


def test_run_that_was_cut_short_is_completed(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    start_night(settings, AS_OF)
    evaluations = evaluate(settings, fabricate, 0.3)
    first = log_evaluation(settings, AS_OF, evaluations)
    client = tracking_client(settings)
    client.update_run(first, status="RUNNING")

    assert log_evaluation(settings, AS_OF, evaluations) == first
    assert client.get_run(first).info.status == "FINISHED"


def test_run_of_other_inputs_is_superseded(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    start_night(settings, AS_OF)
    first = log_evaluation(settings, AS_OF, evaluate(settings, fabricate, 0.3))

    second = log_evaluation(settings, AS_OF, evaluate(settings, fabricate, 0.4))

    client = tracking_client(settings)
    assert second != first
    assert client.get_run(first).data.tags["is_superseded"] == "true"
    assert "is_superseded" not in client.get_run(second).data.tags


def test_first_evaluation_of_an_unplanned_night_opens_its_run(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    run_id = log_evaluation(settings, AS_OF, evaluate(settings, fabricate, 0.3))

    parent = parent_run_id(settings, AS_OF)
    assert parent is not None
    tags = tracking_client(settings).get_run(run_id).data.tags
    assert tags["mlflow.parentRunId"] == parent
    assert tags["mlflow.runType"] == "evaluation"  # or MLflow's pages fold it under its night


def test_night_that_started_without_mlflow_logs_nothing(
    settings: Settings, fabricate: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    write_ordered_json(settings.run_folder(AS_OF).tracking, {"parent_run_id": None})

    assert log_evaluation(settings, AS_OF, evaluate(settings, fabricate, 0.3)) is None
    assert "skipped logging ease on the gate window" in caplog.text


def test_specification_with_more_parameters_than_a_batch_is_logged_whole(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    start_night(settings, AS_OF)
    spec: dict[str, Any] = {"recommender": "ease", "params": {f"p{n}": n for n in range(130)}}
    fabricate(settings, "wide", level=0.2, spec=spec)

    run_id = log_evaluation(
        settings, AS_OF, [read_evaluation(settings, AS_OF, "wide", "gate", "discover")]
    )

    assert len(tracking_client(settings).get_run(run_id).data.params) == 131


def test_parameters_are_flat_short_strings() -> None:
    assert flat_params({**SPEC, "note": "x" * 900}) == {
        "recommender": "ease",
        "params.regularization": "20.0",
        "params.half_life_days": "null",
        "event_weights.purchase": "1.0",
        "note": "x" * 499,
    }


def test_metrics_are_those_of_all_users_at_the_gates_cut(
    settings: Settings, fabricate: Callable[..., Path]
) -> None:
    evaluations = evaluate(settings, fabricate, 0.3)
    entry = {"value": 0.25, "low": 0.2, "high": 0.3, "user_count": 20}
    evaluations[0].metrics["metrics"]["novelty_at_10"] = {"all": entry, "heavy": entry}

    found = flat_metrics(evaluations, 10)

    stored = evaluations[0].metrics["metrics"]["ndcg_at_10"]["all"]
    assert found["discover/ndcg_at_10"] == stored["value"]
    assert found["discover/ndcg_at_10_low"] == stored["low"]
    assert found["discover/novelty_at_10"] == 0.25
    assert found["for_you/coverage_at_10"] == 0.5
    kept = {name.split("_at_")[-1] for name in found if "_at_" in name}
    assert kept <= {"10", "10_low", "10_high"}
    assert [name for name in found if name.endswith("_low") and "ndcg" not in name] == []
    assert not [name for name in found if "heavy" in name or "new" in name]
