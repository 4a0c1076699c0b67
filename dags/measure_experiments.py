"""
### measure_experiments

Analyses every experiment that is on, after a night has loaded what was shown and what people did.

**Makes**: rows of `serving.experiment_effects` and `serving.experiment_decisions`, a report for
people in `<home>/experiments/<id>/<as_of>/report.html`, and a step of the experiment's MLflow run.

**Waits for**: the asset `recsys-night`, which `nightly_recommendations` updates when its lists are
live; so the metrics tables are those of the newest night.

**Night**: the parameter `as_of`, else the newest night that was published.

**By hand**: `recsys measure --as-of DAY`

**Safe to rerun**: yes. Rows and report of an `as_of` are replaced.

| task that failed | what it means | what to do |
|---|---|---|
| `measure_experiments` | an experiment's file was edited while it ran, or a night holds the warehouse | read the message: put the file back, or clear the task when the night is done |

An experiment that clearly loses is stopped by itself if its file says `rolls_back = true`; the log
and `recsys experiment status` say so, and the next night publishes control's lists only.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Asset, Param, dag, task

from pipelines.run.failures import report_failure

NIGHT = Asset("recsys-night")


@task
def choose_night(params: dict) -> str:
    """Say which night is measured."""
    from pipelines.run.night import newest_night

    return newest_night(params["as_of"])


@task(pool="warehouse")
def measure_experiments(as_of: str) -> None:
    """Analyse every experiment that is on."""
    from pipelines.run.night import call_verb

    return call_verb("measure_experiments", as_of)


@dag(
    schedule=[NIGHT],
    start_date=datetime(2010, 12, 1),
    catchup=False,
    max_active_runs=1,
    params={"as_of": Param(None, type=["null", "string"], description="Night, YYYY-MM-DD")},
    default_args={
        "owner": "recommendations",
        "retries": 1,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": report_failure,
    },
    tags=["recommendations", "experiments"],
    doc_md=__doc__,
    dag_id="measure_experiments",
)
def measure() -> None:
    """Choose the night, measure."""
    measure_experiments(choose_night())


measure()
