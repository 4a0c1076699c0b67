"""`recsys tune`: search for a better specification of a candidate."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "tune",
    epilog=examples(
        "recsys tune --as-of 2011-12-09 --candidate ease_recent",
        "recsys tune --as-of 2011-12-09 --candidate item_knn --placement for_you --trials 60",
    ),
)
@settings_options
@as_of_option
@click.option("--candidate", "name", required=True, help="Whose `search` in recsys.toml is tried.")
@click.option("--placement", help="Tune for this placement only [default: all it competes in].")
@click.option("--trials", type=click.IntRange(min=1), help="Trials in all [default: settings].")
@click.option("--seconds", type=float, help="Begin no trial after this long [default: settings].")
@json_option
def tune_command(
    settings: Settings,
    *,
    as_of: date,
    name: str,
    placement: str | None,
    trials: int | None,
    seconds: float | None,
    as_json: bool,
) -> None:
    """Search a candidate's specification on windows before the gate window.

    The night's snapshot must be there (`recsys features`). What is found holds for nights from
    this one on, if it is shown to be better than what is in use. A search that was stopped goes
    on where it stopped.
    """
    from pipelines.show.document import Paragraph
    from pipelines.show.terminal import print_answer
    from pipelines.tune.search import tune_candidate

    found = tune_candidate(
        settings,
        as_of,
        name,
        placement=placement,
        trials=trials,
        seconds=seconds,
        show=lambda line: click.echo(line, err=True),
    )
    print_answer(found, as_json, lambda: [Paragraph(found["in_words"])])
