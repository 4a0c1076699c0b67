"""Command `recsys init`: from a shop's files to its settings and the commands that land them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.cli import examples
from pipelines.events.land_commands import given_options, table_options

if TYPE_CHECKING:
    from pipelines.start.guesses import Question


def _ask(path: str, question: Question) -> str:
    """Ask on a terminal; elsewhere say how the command line answers.

    Raises
    ------
    LandingError
        Where nobody can be asked.
    """
    from pipelines.base.errors import LandingError

    if not sys.stdin.isatty():
        options = " or ".join(question.option.format(one) for one in question.choices[:4])
        raise LandingError(
            f"Every column that is needed must be known beyond doubt. {path}: {question.text} "
            f"Say it: {options or question.option.format('COLUMN')}."
        )
    click.echo(f"{path}: {question.text}")
    return str(click.prompt(question.about.rpartition(":")[2], type=click.Choice(question.choices)))


@click.command(
    "init",
    epilog=examples(
        "recsys init orders.csv products.csv",
        "recsys init orders.csv products.csv --land",
        "recsys init log.csv --map user_id=who --map item_id=what --event-type view",
        "recsys init ~/data/ml-latest-small --config movies/recsys.toml --home movies/var",
    ),
)
@click.argument("files", nargs=-1, required=True)
@table_options
@click.option("--home", type=click.Path(), help="Where runs write [default: var, RECSYS_HOME].")
@click.option(
    "--config", type=click.Path(), default="recsys.toml", show_default=True, help="File to write."
)
@click.option("--force", is_flag=True, help="Replace the settings file if there is one.")
@click.option("--land", "is_landing", is_flag=True, help="Also land the files.")
def init_command(
    *,
    files: tuple[str, ...],
    home: str | None,
    config: str,
    force: bool,
    is_landing: bool,
    columns: str | None,
    **given: Any,
) -> None:
    """Look at the FILES of a shop, write settings that fit them, and say how to land them.

    FILES are what `land` reads: orders, events, ratings, products; also folders. Columns are known
    by their names, in several languages, and by their values; where that leaves a doubt, a terminal
    is asked, and elsewhere the options of `land` decide. Rows and counts are those that land.
    """
    from pipelines.base.config import load_settings
    from pipelines.show.terminal import print_document
    from pipelines.start.init import init_shop, may_write

    may_write(Path(config), force=force)
    click.echo(f"Looking at {', '.join(files)} …", err=True)
    options = given_options(columns=columns, **given)
    start = init_shop(Path(config), home, files, options, _ask)
    print_document(start.document)
    if not is_landing:
        return
    from pipelines.events.configured_sources import land_sources

    for report in land_sources(load_settings(config, home), start.profile.as_of):
        click.echo(
            f"landed {report.stem}: {report.event_count:,} events and "
            f"{report.item_count:,} item rows"
        )
    click.echo(f"Go on with: {start.run_command}")
