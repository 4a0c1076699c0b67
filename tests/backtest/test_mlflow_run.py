from __future__ import annotations

import shutil

import pytest

from pipelines.backtest.mlflow_run import EXPERIMENT, log_backtest, step_metrics
from pipelines.backtest.replay import SHARED, backtest_settings
from pipelines.base.durable import read_json, write_json
from pipelines.base.tracking import tracking_client
from tests.conftest import fabricate_results


def runs_of(settings):
    client = tracking_client(settings)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    return client, client.search_runs([experiment.experiment_id])


def test_every_night_is_a_step():
    found = step_metrics(fabricate_results())
    assert ("for_you.gate.champion", 0.30, 1, "2024-01-08") in found
    assert ("for_you.gate.recent_popularity_low", 0.15 - 0.02, 3, "2024-01-22") in found
    assert {step for _, _, step, _ in found} == {1, 3}


@pytest.mark.xdist_group("backtest")
def test_a_backtest_is_one_run_of_the_live_store_with_its_files(replayed_shop):
    settings, plan = replayed_shop
    client, (run,) = runs_of(settings)
    log_backtest(settings, backtest_settings(settings, plan))
    assert len(runs_of(settings)[1]) == 1
    assert run.data.tags["backtest"] == "three_weeks"
    history = client.get_metric_history(run.info.run_id, "for_you.gate.champion")
    assert [metric.step for metric in history] == [1, 2, 3]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert files == {"results.json", "chart.png", "backtest.html"}


@pytest.mark.xdist_group("backtest")
def test_other_results_supersede_the_run_before(replayed_shop, tmp_path):
    settings, plan = replayed_shop
    store, copy = tmp_path / "home", tmp_path / "backtest"
    store.mkdir()
    shutil.copy(settings.home / "mlflow.db", store / "mlflow.db")
    shutil.copytree(
        backtest_settings(settings, plan).home, copy, ignore=lambda *_: ["runs", *SHARED]
    )
    write_json(copy / "results.json", {**read_json(copy / "results.json"), "k": 99})
    other = settings.model_copy(update={"home": store})
    log_backtest(other, settings.model_copy(update={"home": copy}))
    states = {run.data.tags.get("is_superseded") for run in runs_of(other)[1]}
    assert states == {"true", None}
