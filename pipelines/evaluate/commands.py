"""`recsys evaluate`: print the leaderboard."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "evaluate",
    epilog=examples(
        "recsys evaluate --as-of 2011-12-09",
        "recsys evaluate --as-of 2011-12-09 --placement for_you --window selection --json",
        "recsys evaluate --as-of 2011-12-09 --beyond",
        "recsys evaluate --as-of 2011-12-09 --rules",
    ),
)
@settings_options
@as_of_option
@click.option("--placement", help="Only this placement [default: all].")
@click.option(
    "--window",
    type=click.Choice(["selection", "gate"]),
    default="gate",
    show_default=True,
    help="Where challengers are chosen, or where they meet the champion.",
)
@click.option(
    "--beyond", is_flag=True, help="What the lists are like, by segment: coverage to popularity."
)
@click.option("--rules", is_flag=True, help="What each rule of the placement costs.")
@json_option
def evaluate_command(
    settings: Settings,
    as_of: date,
    *,
    placement: str | None,
    window: str,
    beyond: bool,
    rules: bool,
    as_json: bool,
) -> None:
    """Print the leaderboard of a night's candidates, with intervals."""
    import json

    from pipelines.evaluate.board_text import (
        board_table,
        first_stage_notes,
        list_table,
        price_table,
    )
    from pipelines.evaluate.leaderboard import leaderboard, list_board, rule_board
    from pipelines.show.document import Block, Bullets, Heading, Paragraph
    from pipelines.show.terminal import print_document

    if beyond and rules:
        raise click.UsageError("--beyond and --rules are two tables; ask for one of them.")
    read = list_board if beyond else rule_board if rules else leaderboard
    asked = [placement] if placement else list(settings.placements)
    boards = {name: read(settings, as_of, name, window) for name in asked}
    if as_json:
        told = {name: json.loads(board.to_json(orient="records")) for name, board in boards.items()}
        click.echo(json.dumps({"as_of": as_of.isoformat(), "window": window, "placements": told}))
        return
    document: list[Block] = []
    k, confidence = settings.evaluation.k, settings.evaluation.confidence
    for name, board in boards.items():
        rows: list[dict[str, Any]] = board.to_dict("records")  # type: ignore[assignment]  # columns are str
        users = max((row["user_count"] for row in rows), default=0)
        document.append(Heading(f"{name}, {window} window, {users:,} users"))
        if rules and not rows:
            nothing = "No rule of this placement was priced here: none is on, or see --window gate."
            document.append(Paragraph(nothing))
        elif beyond or rules:
            document.append((list_table if beyond else price_table)(rows, k))
        else:
            document += [board_table(rows, k, confidence), Bullets(first_stage_notes(rows))]
    print_document(document)
