"""
### backtest

Replays a range of nights as if each had been live, and charts the champion against the baselines.

**Makes**: `<home>/backtests/<name>/` with `backtest.html`, `chart.png` and `results.json`, and one
run in the MLflow experiment `backtest`. Every night leaves its run folder there, and its own MLflow
runs in `mlflow.db` beside it.

**Waits for**: nothing; it reads the day files that are in `<home>/landing/`. The live warehouse,
publications and registry are not touched, so a night may run at the same time.

**Trigger** by hand with `{"from": "2011-09-23", "to": "2011-12-09", "every": "7d"}`; both ends are
nights. Without a `name` the range is the name.

**By hand**: `recsys backtest --from FROM --to TO --every EVERY`

**Safe to rerun**: yes. Nights that are done on unchanged inputs are kept, and the same inputs give
the same figures. A night that stops (a check, the audit) is a row of the result, not a failure.

| task that failed | what it means | what to do |
|---|---|---|
| `replay_nights` | wrong dates, a full disk, or another process at work in the same backtest | read the message; clear the task, and it goes on with the first night that is not done |
| `write_results` | a night was removed meanwhile, or nights and plan differ | clear from `replay_nights` |
| `log_backtest` | the page and the chart are there already | clear the task |
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag, task

from pipelines.run.failures import report_failure


def step(name: str):
    """Make the task `name`, one of the steps of `pipelines.backtest.replay`."""

    @task(task_id=name)
    def call(params: dict) -> None:
        from pipelines.backtest.replay import call_step

        return call_step(name, params)

    return call


@dag(
    schedule=None,
    start_date=datetime(2010, 12, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "from": Param("2011-09-23", type="string", description="First night, YYYY-MM-DD"),
        "to": Param("2011-12-09", type="string", description="Last night, YYYY-MM-DD"),
        "every": Param("7d", type="string", description="From night to night: 1d, 7d, 2w"),
        "name": Param(None, type=["null", "string"], description="Folder below backtests/"),
    },
    default_args={
        "owner": "recommendations",
        "retries": 1,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(days=2),
        "on_failure_callback": report_failure,
    },
    tags=["recommendations", "backtest"],
    doc_md=__doc__,
)
def backtest() -> None:
    """Replay, sum up, log."""
    step("replay_nights")() >> step("write_results")() >> step("log_backtest")()


backtest()
