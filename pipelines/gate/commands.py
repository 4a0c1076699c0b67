"""`recsys train` and `recsys gate`: evaluate candidates, choose challengers, decide and say why."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "train",
    epilog=examples(
        "recsys train --as-of 2011-12-09",
        "recsys train --as-of 2011-12-09 --candidate ease --candidate item_knn",
    ),
)
@settings_options
@as_of_option
@click.option(
    "--candidate", "names", multiple=True, help="Candidate to fit; repeatable [default: all]."
)
@json_option
def train_command(settings: Settings, as_of: date, names: tuple[str, ...], as_json: bool) -> None:
    """Plan the night, fit candidates before both windows, and score their lists on what happened.

    The night's snapshot must be there (`recsys features`). What did not change since it was
    evaluated is kept. Results go to <home>/runs/night-<as_of>/candidates/ and to MLflow.
    """
    import json

    from pipelines.base.blocks import block_workers
    from pipelines.evaluate.evaluation import evaluate_candidate
    from pipelines.gate.plan import plan_candidates
    from pipelines.gate.windows import check_windows

    check_windows(settings, as_of)
    planned = plan_candidates(settings, as_of)
    chosen = names or planned
    found = {}
    with block_workers(settings):
        for number, name in enumerate(chosen, start=1):
            click.echo(f"[{number}/{len(chosen)}] {name}", err=True)
            found[name] = evaluate_candidate(settings, as_of, name)
            if not as_json:
                click.echo(_summary(name, found[name], settings.evaluation.k))
    if as_json:
        click.echo(json.dumps(found, indent=2))


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

    Nights share gate.yearly_error, the chance of a year to promote what is not better, in equal
    parts, and each says what it spent. Needs the night's evaluations (`recsys train`). Deciding
    again gives the same verdict.
    A refusal is a verdict, not a failure: the exit code is 0.
    """
    from pipelines.gate.gate_text import gate_document
    from pipelines.gate.select import select_challengers
    from pipelines.gate.verdicts import decide_gates
    from pipelines.show.terminal import print_answer

    select_challengers(settings, as_of)
    verdicts = decide_gates(settings, as_of)
    print_answer(verdicts, as_json, lambda: gate_document(verdicts, settings.evaluation.k))


def _summary(name: str, windows: dict[str, dict[str, float | None]], k: int) -> str:
    """One line for a candidate: its NDCG on each window and placement."""
    from pipelines.show.figures import format_figure

    parts = [
        f"{placement} {format_figure(value)} ({window})"
        for window, placements in windows.items()
        for placement, value in placements.items()
    ]
    return f"  {name}: NDCG@{k} " + ", ".join(parts) if parts else f"  {name}: no placement"
