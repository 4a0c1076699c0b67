"""Commands that belong to no single stage: run a night, start the servers, check a home."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
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
    from pipelines.report.report import build_report
    from pipelines.report.report_text import report_document
    from pipelines.run.scheduler import run_night
    from pipelines.show.terminal import print_document

    if not settings.sources:  # those that the settings list are landed by the night
        check_landing(settings)
    click.echo(
        f"Night of {as_of} on {settings.home} (Airflow DAG nightly_recommendations)", err=True
    )
    run_night(settings, as_of, lambda line: click.echo(line, err=True))
    print_document(report_document(build_report(settings, as_of), is_whole=False))


@click.command(
    "up",
    epilog=examples(
        "recsys up",
        "recsys up --unpause",
        "recsys up --airflow-port 8081 --mlflow-port 5001 --api-port 8001",
    ),
)
@settings_options
@click.option("--airflow-port", default=8080, show_default=True, help="Port of the Airflow UI.")
@click.option("--mlflow-port", default=5000, show_default=True, help="Port of the MLflow UI.")
@click.option("--api-port", default=8000, show_default=True, help="Port of the API.")
@click.option(
    "--unpause", is_flag=True, help="Run the nightly DAG by its schedule, from the next night on."
)
@click.option(
    "--wait-seconds", default=120.0, show_default=True, help="How long each may take to start."
)
def up_command(
    *,
    settings: Settings,
    airflow_port: int,
    mlflow_port: int,
    api_port: int,
    unpause: bool,
    wait_seconds: float,
) -> None:
    """Start Airflow, the MLflow UI and the API on 127.0.0.1 and keep them until Ctrl-C.

    One that ends is started again, and said; Ctrl-C and SIGTERM end all of them. There is no login:
    nobody but this machine can reach them. The nightly DAG is paused until --unpause, once, or the
    switch in Airflow's UI: from then on it runs at 02:00 UTC, on the days that are there by then.
    """
    from contextlib import suppress

    from pipelines.base.tracking import comparison_page
    from pipelines.run.scheduler import NIGHTLY_DAG, unpause_nights
    from pipelines.run.services import (
        airflow_services,
        api_service,
        ended_by_signals,
        mlflow_service,
        running,
        supervise,
    )

    click.echo("Starting the API, MLflow and Airflow (about half a minute) …", err=True)
    with suppress(KeyboardInterrupt), ended_by_signals() as is_over:
        api, mlflow = api_service(settings, api_port), mlflow_service(settings, mlflow_port)
        airflow = airflow_services(settings, airflow_port)
        services = [api, mlflow, *airflow]
        with running(*services, wait_seconds=wait_seconds):
            if unpause:
                unpause_nights(settings)
            state = "unpaused: it runs every night" if unpause else "paused, unless you unpaused it"
            click.echo(f"Airflow  {airflow[0].address}   (DAG {NIGHTLY_DAG}, {state})")
            night = max(settings.nights(), default=None)
            click.echo(f"MLflow   {comparison_page(settings, night, mlflow.address)}")
            click.echo(
                f"API      {api.address}   (try {api.address}/readyz and "
                f"{api.address}/openapi.json)"
            )
            if settings.console.enabled:
                click.echo(f"Console  {api.address}/console")
            click.echo("Ctrl-C stops them.")
            supervise(
                services,
                lambda line: click.echo(line, err=True),
                wait_seconds=wait_seconds,
                is_over=is_over,
            )


@click.command(
    "airflow",
    context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]},
    epilog=examples(
        "recsys airflow dags list",
        "recsys airflow dags unpause nightly_recommendations",
        "recsys airflow backfill create --dag-id nightly_recommendations "
        "--from-date 2011-12-06 --to-date 2011-12-08T02:00",
        "recsys airflow tasks states-for-dag-run nightly_recommendations RUN_ID",
    ),
)
@settings_options
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
def airflow_command(settings: Settings, arguments: tuple[str, ...]) -> None:
    """Run the `airflow` command on a home's own Airflow, with ARGUMENTS as Airflow takes them.

    Its database, DAGs and settings are those of `recsys up` and `recsys run`; the command by itself
    would make and use another. --home and --config come before the ARGUMENTS.
    """
    import subprocess
    import sys

    from pipelines.run.scheduler import airflow_environment, prepare_airflow

    prepare_airflow(settings)
    command = [sys.executable, "-m", "airflow", *arguments]
    done = subprocess.run(command, env=airflow_environment(settings), check=False)
    raise SystemExit(done.returncode)


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


@click.command(
    "backup",
    epilog=examples("recsys backup /backups/shop.tar", "recsys backup shop.tar --home /data/shop"),
)
@click.argument("file", type=click.Path(path_type=Path))
@settings_options
def backup_command(settings: Settings, file: Path) -> None:
    """Write all of a home to FILE, a tar archive, and read it again to check it.

    Servers may go on, a night may not run. FILE holds what the home holds, personal data too.
    """
    from pipelines.run.backup import back_up
    from pipelines.show.figures import format_bytes

    click.echo(f"Backing up {settings.home} …", err=True)
    report = back_up(settings, file)
    click.echo(
        f"{report.file_count:,} files, {format_bytes(report.byte_count)}, read again: {file}"
    )


@click.command(
    "restore",
    epilog=examples(
        "recsys restore /backups/shop.tar --home /data/shop",
        "recsys restore shop.tar --home /tmp/look --config shop/recsys.toml",
    ),
)
@click.argument("file", type=click.Path(path_type=Path, exists=True))
@settings_options
def restore_command(settings: Settings, file: Path) -> None:
    """Make the home of FILE, a backup that is checked first; nothing may be in its place."""
    from pipelines.run.backup import restore
    from pipelines.show.figures import format_bytes

    click.echo(f"Checking and restoring {file} …", err=True)
    report = restore(settings, file)
    click.echo(
        f"{report.file_count:,} files, {format_bytes(report.byte_count)}, in {settings.home}; "
        f"{report.repaired_count:,} addresses of MLflow point there now"
    )


@click.command(
    "doctor", epilog=examples("recsys doctor", "recsys doctor --json", "recsys doctor --repair")
)
@settings_options
@json_option
@click.option("--repair", is_flag=True, help="Let MLflow find the files of a home that was moved.")
def doctor_command(settings: Settings, as_json: bool, repair: bool) -> None:
    """Say what this home has and lacks: disk, sources, days, nights, schedule, MLflow, lists."""
    from pipelines.run.doctor import examine
    from pipelines.show.document import Marked, Table, Words, left, wrap
    from pipelines.show.terminal import print_answer

    if repair:
        from pipelines.run.moved_home import repair_home

        click.echo(f"{repair_home(settings):,} addresses of MLflow changed.", err=True)
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


@click.command(
    "notify",
    epilog=examples(
        "recsys notify --test",
        "recsys notify --check",
        "recsys notify --check --json    # exit code 1 if something is wrong, for a monitor",
    ),
)
@click.option("--test", "is_test", is_flag=True, help="Send a test message on every channel.")
@click.option("--check", "is_check", is_flag=True, help="Look now, and tell people what is wrong.")
@json_option
@settings_options
def notify_command(settings: Settings, is_test: bool, is_check: bool, as_json: bool) -> None:
    """Tell people what is wrong: try the channels of [notify], or look at the home now.

    --check does what the DAG `watch` does every quarter of an hour, for a home without Airflow's
    scheduler: call it from cron. What people were told once is not told again.
    """
    from datetime import UTC, datetime

    if is_test == is_check:
        raise click.UsageError("Give either --test or --check. Example: recsys notify --test")
    if is_test:
        _try_channels(settings, as_json)
    else:
        _check_home(settings, datetime.now(UTC), as_json)


def _try_channels(settings: Settings, as_json: bool) -> None:
    from pipelines.base.errors import SettingsError
    from pipelines.notify.alert import Alert, command_here
    from pipelines.notify.channels import deliver
    from pipelines.show.document import Marked, Table, Words, left, wrap
    from pipelines.show.terminal import print_answer

    if not settings.notify.channels:
        raise SettingsError(
            "At least one channel must be set before it can be tried. Found none in [notify]. "
            "Set webhook, command, or host and recipients of [notify.email] in recsys.toml."
        )
    alert = Alert(
        key="test",
        subject="recsys: a test message",
        message=f"Alerts of {settings.home} arrive here",
        remedy="Nothing",
        command=command_here(settings, "notify", "--check"),
    )
    found = deliver(settings, alert, settings.notify.channels)
    rows: list[list[Words]] = [
        [one.channel, Marked(one.state, "good" if one.state == "sent" else "bad"), one.detail]
        for one in found
    ]
    columns = [left("channel"), left("state"), wrap("what happened")]
    print_answer([vars(one) for one in found], as_json, lambda: [Table(columns, rows)])
    if any(one.state != "sent" for one in found):
        raise SystemExit(1)


def _check_home(settings: Settings, now: datetime, as_json: bool) -> None:
    from pipelines.run.watch import check_home
    from pipelines.show.document import Code, Paragraph
    from pipelines.show.terminal import print_answer

    found = check_home(settings, now)
    fine = Paragraph("Nothing is wrong.")
    print_answer(
        [alert.as_dict() for alert in found],
        as_json,
        lambda: [Code(alert.text) for alert in found] or [fine],
    )
    if found:
        raise SystemExit(1)
