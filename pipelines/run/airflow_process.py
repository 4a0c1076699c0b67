"""The process that Airflow runs a night in: the only file here that imports Airflow.

    python -m pipelines.run.airflow_process
    python -m pipelines.run.airflow_process nightly_recommendations '{"as_of": "2011-12-09"}'

The first prepares the database, the second also runs a DAG once. Both expect the environment of
`scheduler.airflow_environment`. It is what `airflow db migrate`, `airflow pools set` and `airflow
dags test` do, in one process: each of those imports Airflow anew, for seconds of CPU time.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import version
from pathlib import Path

WAREHOUSE_POOL = "warehouse"
#: Marker file in Airflow's home, written once the database is prepared for this version.
PREPARED_FILE = f"prepared-{version('apache-airflow')}"


def prepare_database(home: Path) -> None:
    """Create or migrate the database and the one-slot pool of the warehouse, once a version."""
    from airflow.models.pool import Pool
    from airflow.utils.db import initdb

    marker = home / PREPARED_FILE
    if marker.exists():
        return
    initdb()
    Pool.create_or_update_pool(
        WAREHOUSE_POOL, 1, "One writer of the DuckDB file at a time", include_deferred=False
    )
    marker.touch()


def run_dag(dag_id: str, conf: dict[str, str]) -> bool:
    """Run a DAG once, task after task in this process; returns whether it succeeded."""
    from airflow.sdk import DagRunState
    from airflow.utils.cli import get_bagged_dag

    run = get_bagged_dag(bundle_names=None, dag_id=dag_id).test(run_conf=conf)
    return bool(run.state == DagRunState.SUCCESS)


def main(arguments: list[str]) -> int:
    """Prepare the database and run the DAG that the arguments name, if any; returns exit code."""
    from airflow.configuration import AIRFLOW_HOME

    prepare_database(Path(AIRFLOW_HOME))
    if not arguments:
        return 0
    dag_id, conf = arguments
    return 0 if run_dag(dag_id, json.loads(conf)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
