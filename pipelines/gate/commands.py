"""`recsys gate`: choose challengers, decide every placement, and say why."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "gate",
    epilog=examples(
        "recsys gate --as-of 2011-12-09", "recsys gate --as-of 2011-12-09 --json | jq .discover"
    ),
)
@settings_options
@as_of_option
@json_option
def gate_command(settings: Settings, as_of: date, as_json: bool) -> None:
    """Choose each placement's challenger and decide whether it replaces the champion.

    Needs the night's evaluations (`recsys train`). Deciding again gives the same verdict.
    A refusal is a verdict, not a failure: the exit code is 0.
    """
    from pipelines.gate.gate_text import gate_document
    from pipelines.gate.select import select_challengers
    from pipelines.gate.verdicts import decide_gates
    from pipelines.show.terminal import print_answer

    select_challengers(settings, as_of)
    verdicts = decide_gates(settings, as_of)
    print_answer(verdicts, as_json, lambda: gate_document(verdicts, settings.evaluation.k))
