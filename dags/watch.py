"""
### watch

Looks at the home every quarter of an hour: tells people when the live lists are old, when a night is
not published by `notify.publish_by`, and when an experiment was rolled back; sends again what a
receiver did not take; and writes the figures of the newest night for Prometheus.

**Makes**: messages by the channels of `[notify]`, a file per alert in `<home>/alerts/`, and the file
of `[prometheus]`. Without channels and files it does nothing.

**Waits for**: nothing, and holds up nothing: it does not open the warehouse.

**By hand**: `recsys notify --check`

**Safe to rerun**: yes. What people were told once is not told again.

| task that failed | what it means | what to do |
|---|---|---|
| `watch_home` | the settings cannot be read, or a state in the home is damaged | `recsys doctor`; the next quarter of an hour tries again |

It starts unpaused, unlike the nights: who switches on Airflow is told of what goes wrong.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import dag, task

from pipelines.run.failures import report_failure


@task
def watch_home() -> None:
    """Look, tell, and write the metrics."""
    from pipelines.run.watch import watch_home

    return watch_home()


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2010, 12, 1),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "owner": "recommendations",
        "retries": 1,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(minutes=10),
        "on_failure_callback": report_failure,
    },
    tags=["recommendations", "monitoring"],
    doc_md=__doc__,
)
def watch() -> None:
    """One look."""
    watch_home()


watch()
