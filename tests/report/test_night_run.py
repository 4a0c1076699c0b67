from __future__ import annotations

from pipelines.base.tracking import (
    EXPERIMENT_TAGS,
    experiment_id,
    parent_run_id,
    start_night,
    tracking_client,
)
from pipelines.report.night_run import log_night, night_metrics
from pipelines.report.report import build_report


def test_the_nights_run_holds_the_leaderboards_tables_and_report(shop, report_home):
    start_night(shop, report_home)
    report = build_report(shop, report_home)
    log_night(shop, report_home, report)
    client = tracking_client(shop)
    run = client.get_run(parent_run_id(shop, report_home))
    boards = {name: one["leaderboards"]["gate"] for name, one in report["placements"].items()}
    for placement, board in boards.items():
        for row in board:
            key = f"{placement}/{row['candidate']}"
            assert run.data.metrics[key] == row[f"ndcg_at_{report['k']}"]
    assert any(name.endswith("/difference_low") for name in run.data.metrics)
    assert len(run.data.metrics) == len(night_metrics(report))
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert {"report.md", "leaderboard"} <= names
    tables = {one.path for one in client.list_artifacts(run.info.run_id, "leaderboard")}
    assert tables == {f"leaderboard/{name}.json" for name, board in boards.items() if board}


def test_the_experiment_is_one_of_recommenders_also_where_it_was_there_before(shop, report_home):
    client = tracking_client(shop)
    old = client.create_experiment(shop.mlflow.experiment + "_before")
    chosen = shop.model_copy(
        update={
            "mlflow": shop.mlflow.model_copy(
                update={"experiment": shop.mlflow.experiment + "_before"}
            )
        }
    )
    assert experiment_id(client, chosen) == old
    for experiment in (old, experiment_id(client, shop)):
        assert EXPERIMENT_TAGS.items() <= client.get_experiment(experiment).tags.items()


def test_a_night_without_a_run_is_reported_all_the_same(shop, report_home):
    log_night(shop, report_home, build_report(shop, report_home))
    assert not shop.mlflow_database.exists() or parent_run_id(shop, report_home) is None
