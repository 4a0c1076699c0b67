from mlflow.tracking import MlflowClient

from pipelines.measure.experiment_runs import log_experiment

REPORT = {
    "experiment_id": "home",
    "as_of": "2024-03-01",
    "definition": {"goal": "ctr"},
    "effects": [
        {
            "arm": "ease",
            "metric": "ctr",
            "population": "all users",
            "estimate": 0.1,
            "low": 0.0,
            "high": 0.2,
        },
        {
            "arm": "ease",
            "metric": "ctr",
            "population": "lists equal",
            "estimate": 9.0,
            "low": 9.0,
            "high": 9.0,
        },
        {
            "arm": "ease",
            "metric": "revenue",
            "population": "all users",
            "estimate": None,
            "low": None,
            "high": None,
        },
    ],
    "decisions": [{"arm": "ease", "verdict": "continue"}],
}


def test_mornings_of_one_experiment_are_steps_of_one_run(make_settings, tmp_path):
    settings = make_settings()
    settings.home.mkdir()
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.html").write_text("page")
    first = log_experiment(settings, REPORT, folder)
    second = log_experiment(settings, {**REPORT, "as_of": "2024-03-02"}, folder)
    assert first == second
    client = MlflowClient(settings.tracking_uri)
    assert [point.value for point in client.get_metric_history(first, "ease.ctr")] == [0.1, 0.1]
    data = client.get_run(first).data
    assert set(data.metrics) == {"ease.ctr", "ease.ctr_low", "ease.ctr_high"}
    assert data.tags["verdict.ease"] == "continue"
    assert [item.path for item in client.list_artifacts(first)] == ["2024-03-01", "2024-03-02"]


def test_a_server_that_is_away_is_not_waited_for(make_settings, tmp_path):
    settings = make_settings(
        mlflow={"tracking_uri": "http://127.0.0.1:9", "timeout_seconds": 1, "restart_seconds": 0}
    )
    assert log_experiment(settings, REPORT, tmp_path) is None
