"""
### tune

Searches a candidate's specification on windows before the gate window of a night.

**Makes**: `<home>/specifications/<candidate>.json` where the search found something better, which
nights from `as_of` on use; `<home>/tuning/<candidate>-<as_of>.json` with all it found; and a run with
a child per trial in the MLflow experiment `tuning`.

**Waits for**: the snapshot of the night `as_of`, which `nightly_recommendations` takes.

**Trigger** by hand with `{"as_of": "2011-12-09", "candidate": "ease_recent"}`.

**By hand**: `recsys tune --as-of DAY --candidate CANDIDATE`

**Safe to rerun**: yes. Trials that are done are kept, and the same seed tries the same specifications.

| task that failed | what it means | what to do |
|---|---|---|
| `tune_candidate` | no snapshot, no `search` in the settings, or windows without users | the message says which; clear the task, and the search goes on where it stopped |

To go back to the settings, say `tuned = false` in the candidate, or remove its file.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from airflow.sdk import Param, dag, task

from pipelines.run.failures import report_failure


@task
def tune_candidate(params: dict) -> list[str]:
    """Search, and write down what is better."""
    from pipelines.run.night import call_verb

    return call_verb(
        "tune_candidate",
        params["as_of"],
        params["candidate"],
        placement=params["placement"],
        trials=params["trials"],
        seconds=params["seconds"],
    )


@dag(
    schedule=None,
    start_date=datetime(2010, 12, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "as_of": Param("2011-12-09", type="string", description="Night, YYYY-MM-DD"),
        "candidate": Param("ease_recent", type="string", description="Whose `search` is tried"),
        "placement": Param(None, type=["null", "string"], description="Only for this placement"),
        "trials": Param(None, type=["null", "integer"], minimum=1, description="Trials in all"),
        "seconds": Param(None, type=["null", "number"], description="Begin no trial after this"),
    },
    default_args={
        "owner": "recommendations",
        "retries": 1,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(hours=12),
        "on_failure_callback": report_failure,
    },
    tags=["recommendations", "tuning"],
    doc_md=__doc__,
)
def tune() -> None:
    """Search one candidate."""
    tune_candidate()


tune()
