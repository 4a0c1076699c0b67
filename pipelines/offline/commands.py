"""`recsys train` and `evaluate`: compare candidates, and look at them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.config import Settings


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
    """Fit candidates before both windows and score their lists on what happened.

    The night's snapshot must be there (`recsys features`). What did not change since it was
    evaluated is kept. Results go to <home>/runs/night-<as_of>/candidates/ and to MLflow.
    """
    import json

    from pipelines.offline.evaluate import evaluate_candidate
    from pipelines.offline.inputs import planned_candidates

    planned = [entry["name"] for entry in planned_candidates(settings, as_of)]
    chosen = names or planned or [candidate.name for candidate in settings.candidates]
    found = {}
    for number, name in enumerate(chosen, start=1):
        click.echo(f"[{number}/{len(chosen)}] {name}", err=True)
        found[name] = evaluate_candidate(settings, as_of, name)
        if not as_json:
            click.echo(_summary(name, found[name], settings.evaluation.k))
    if as_json:
        click.echo(json.dumps(found, indent=2))


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

    from pipelines.offline import board_text
    from pipelines.offline.leaderboard import leaderboard, list_board, rule_board

    if beyond and rules:
        raise click.UsageError("--beyond and --rules are two tables; ask for one of them.")
    read, write = leaderboard, board_text.format_board
    if beyond:
        read, write = list_board, board_text.format_list_board
    if rules:
        read, write = rule_board, board_text.format_rule_board
    asked = [placement] if placement else list(settings.placements)
    boards = {name: read(settings, as_of, name, window) for name in asked}
    if as_json:
        rows = {name: json.loads(board.to_json(orient="records")) for name, board in boards.items()}
        click.echo(json.dumps({"as_of": as_of.isoformat(), "window": window, "placements": rows}))
        return
    for name, board in boards.items():
        users = 0 if board.empty else board["user_count"].max()
        click.echo(f"{name}, {window} window, {users:,} users")
        click.echo(write(board))


def _summary(name: str, windows: dict[str, dict[str, float | None]], k: int) -> str:
    """One line for a candidate: its NDCG on each window and placement."""
    from pipelines.offline.board_text import format_number

    parts = [
        f"{placement} {format_number(value)} ({window})"
        for window, placements in windows.items()
        for placement, value in placements.items()
    ]
    return f"  {name}: NDCG@{k} " + ", ".join(parts) if parts else f"  {name}: no placement"
