"""Commands that belong to no single stage: run a night, start the servers, check a home."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "run",
    epilog=examples(
        "recsys run --as-of 2011-12-09", "recsys run --as-of 2011-12-09 --home /data/shop"
    ),
)
@settings_options
@as_of_option
def run_command(settings: Settings, as_of: date) -> None:
    """Run one night through the real Airflow DAG, in this process, and report it.

    Progress is one line a task; Airflow's full log goes to <home>/logs/. The night can be run
    again: what did not change is not computed again, and the result is the same.
    """
    from pipelines.events.day_changes import check_landing
    from pipelines.report.report import report_night
    from pipelines.run.scheduler import run_night

    check_landing(settings)
    click.echo(
        f"Night of {as_of} on {settings.home} (Airflow DAG nightly_recommendations)", err=True
    )
    run_night(settings, as_of, lambda line: click.echo(line, err=True))
    report_night(settings, as_of)


@click.command(
    "up",
    epilog=examples(
        "recsys up", "recsys up --airflow-port 8081 --mlflow-port 5001 --api-port 8001"
    ),
)
@settings_options
@click.option("--airflow-port", default=8080, show_default=True, help="Port of the Airflow UI.")
@click.option("--mlflow-port", default=5000, show_default=True, help="Port of the MLflow UI.")
@click.option("--api-port", default=8000, show_default=True, help="Port of the API.")
def up_command(settings: Settings, airflow_port: int, mlflow_port: int, api_port: int) -> None:
    """Start Airflow, the MLflow UI and the API on 127.0.0.1 and keep them until Ctrl-C.

    There is no login: nobody but this machine can reach them.
    """
    import threading

    from pipelines.run.services import airflow_standalone, api_server, mlflow_server

    click.echo("Starting the API, MLflow and Airflow (about half a minute) …", err=True)
    with (
        api_server(settings, api_port) as api,
        mlflow_server(settings, mlflow_port) as mlflow,
        airflow_standalone(settings, airflow_port) as airflow,
    ):
        click.echo(f"Airflow  {airflow}   (DAG nightly_recommendations; it starts paused)")
        click.echo(f"MLflow   {mlflow}   (experiment {settings.mlflow.experiment})")
        click.echo(f"API      {api}   (try {api}/readyz and {api}/openapi.json)")
        click.echo("Ctrl-C stops them.")
        threading.Event().wait()


@click.command(
    "fingerprint", epilog=examples("recsys fingerprint", "recsys fingerprint --home /other --json")
)
@settings_options
@json_option
def fingerprint_command(settings: Settings, as_json: bool) -> None:
    """Print rows and a content hash of every table, to compare two homes or two runs."""
    from pipelines.base.warehouse import connect, fingerprint_tables
    from pipelines.show.document import Table, left, right, wrap
    from pipelines.show.figures import format_count
    from pipelines.show.terminal import print_answer

    with connect(settings, read_only=True) as warehouse:
        found = fingerprint_tables(warehouse)
    rows = [[name, format_count(count), digest] for name, (count, digest) in found.items()]
    columns = [wrap("table"), right("rows"), left("hash of the rows")]
    print_answer(found, as_json, lambda: [Table(columns, rows)])


@click.command("doctor", epilog=examples("recsys doctor", "recsys doctor --json"))
@settings_options
@json_option
def doctor_command(settings: Settings, as_json: bool) -> None:
    """Say what this home has and lacks: settings, disk, day files, warehouse, MLflow, lists."""
    from pipelines.run.doctor import examine
    from pipelines.show.document import Marked, Table, Words, left, wrap
    from pipelines.show.terminal import print_answer

    findings = examine(settings)
    rows: list[list[Words]] = [
        [
            Marked("ok", "good") if finding.is_fine else Marked("LOOK", "bad"),
            finding.subject,
            finding.found if finding.is_fine else f"{finding.found}\n{finding.remedy}",
        ]
        for finding in findings
    ]
    columns = [left(""), left("part"), wrap("found, and what mends it")]
    print_answer([vars(finding) for finding in findings], as_json, lambda: [Table(columns, rows)])
    if not all(finding.is_fine for finding in findings):
        raise SystemExit(1)
