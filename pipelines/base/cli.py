"""The command line, `recsys VERB`: the verbs the DAG's tasks call, imported only when used."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import sys
from collections.abc import Callable
from typing import Any

import click

from pipelines.base.errors import PipelineError
from pipelines.base.ids import printable

#: Module and function of each verb; in the order in which `--help` lists them.
VERBS = {
    "init": "pipelines.start.commands:init_command",
    "land": "pipelines.events.land_commands:land_command",
    "sources": "pipelines.events.source_commands:sources_command",
    "generate": "pipelines.events.commands:generate_command",
    "load": "pipelines.events.commands:load_command",
    "quarantine": "pipelines.events.commands:quarantine_command",
    "features": "pipelines.features.commands:features_command",
    "train": "pipelines.gate.commands:train_command",
    "evaluate": "pipelines.evaluate.commands:evaluate_command",
    "tune": "pipelines.tune.commands:tune_command",
    "benchmark": "pipelines.benchmark.commands:benchmark_command",
    "gate": "pipelines.gate.commands:gate_command",
    "publish": "pipelines.report.commands:publish_command",
    "rollback": "pipelines.publications.choose_commands:rollback_command",
    "pin": "pipelines.publications.choose_commands:pin_command",
    "unpin": "pipelines.publications.choose_commands:unpin_command",
    "publications": "pipelines.publications.stored_commands:publications_command",
    "diff": "pipelines.publications.stored_commands:diff_command",
    "push-postgres": "pipelines.publications.choose_commands:push_postgres_command",
    "query": "pipelines.report.commands:query_command",
    "why": "pipelines.ask.why_commands:why_command",
    "report": "pipelines.report.commands:report_command",
    "serve": "pipelines.serve.commands:serve_command",
    "api-key": "pipelines.serve.commands:api_key_command",
    "experiment": "pipelines.measure.commands:experiment_command",
    "measure": "pipelines.measure.commands:measure_command",
    "simulate": "pipelines.simulate.commands:simulate_command",
    "run": "pipelines.run.commands:run_command",
    "backtest": "pipelines.backtest.commands:backtest_command",
    "up": "pipelines.run.commands:up_command",
    "airflow": "pipelines.run.commands:airflow_command",
    "fingerprint": "pipelines.run.commands:fingerprint_command",
    "notify": "pipelines.run.commands:notify_command",
    "doctor": "pipelines.run.commands:doctor_command",
    "backup": "pipelines.run.commands:backup_command",
    "restore": "pipelines.run.commands:restore_command",
    "erase": "pipelines.erase.commands:erase_command",
}


class VerbGroup(click.Group):
    """A click group that imports a verb's module when the verb is called or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of the verbs, in the order a night uses them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, or None if no verb has this name."""
        if cmd_name not in VERBS:
            return None
        module_name, attribute = VERBS[cmd_name].split(":")
        command: click.Command = getattr(importlib.import_module(module_name), attribute)
        return command


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Start with: recsys land online-retail, then recsys run --as-of 2011-12-09",
)
@click.option("-v", "--verbose", is_flag=True, help="Show every log line, not only progress.")
@click.version_option(package_name="recsys")
def cli(verbose: bool) -> None:
    """Nightly recommendations: land, check, build, compare, gate, publish, query."""
    from pipelines.base.config import silence_telemetry

    silence_telemetry()
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    logging.getLogger("pipelines").setLevel(logging.DEBUG if verbose else logging.INFO)


def main() -> None:
    """Run the command line; a `PipelineError` is printed without traceback, exit code 2."""
    os.umask(os.umask(0o077) | 0o027)  # what it writes may name people
    try:
        cli.main(standalone_mode=False)
    except PipelineError as error:
        click.echo(f"{type(error).__name__}: {printable(str(error))}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo("Stopped.", err=True)
        sys.exit(130)
    except Exception as error:
        from pipelines.base.disk_full import find_disk_full

        plain = find_disk_full(error)
        if plain is None:
            raise
        click.echo(f"{type(plain).__name__}: {plain}", err=True)
        sys.exit(2)


# options that every stage's commands share


def settings_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --home and --config; the command receives `settings`."""

    @click.option("--home", type=click.Path(), help="Where runs write [default: var, RECSYS_HOME].")
    @click.option("--config", type=click.Path(), help="Settings file [default: recsys.toml].")
    @functools.wraps(function)
    def with_settings(*args: Any, home: str | None, config: str | None, **kwargs: Any) -> Any:
        from pipelines.base.config import load_settings

        return function(*args, settings=load_settings(config, home), **kwargs)

    return with_settings


def as_of_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add a required --as-of; the command receives `as_of` as a date."""

    @click.option(
        "--as-of",
        "as_of_text",
        required=True,
        metavar="YYYY-MM-DD",
        help="The night: events before this day, 00:00 UTC, are known.",
    )
    @functools.wraps(function)
    def with_as_of(*args: Any, as_of_text: str, **kwargs: Any) -> Any:
        from pipelines.base.windows import parse_day

        return function(*args, as_of=parse_day(as_of_text), **kwargs)

    return with_as_of


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --json; the command receives `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")(
        function
    )


def examples(*lines: str) -> str:
    """Text below a command's `--help` with example commands, each on its own line.

    Examples
    --------
    >>> examples("recsys load").splitlines()[-1]
    '  recsys load'
    """
    return "Examples:\n\n\b\n" + "\n".join(f"  {line}" for line in lines)


def print_json(value: Any) -> None:
    """Print a value for a program."""
    import json

    click.echo(json.dumps(value, indent=2, sort_keys=True, default=str))


def pairs(
    _context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, str]:
    """Read an option's ``NAME=VALUE``, given any number of times."""
    found = {}
    for value in values:
        name, separator, target = value.partition("=")
        if not separator or not name:
            raise click.BadParameter(f"write NAME=VALUE, not {value!r}", param=parameter)
        found[name] = target
    return found
