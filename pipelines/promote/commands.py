"""`recsys gate`: choose challengers, decide every placement, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli import as_of_option, examples, json_option, settings_options

if TYPE_CHECKING:
    from rich.table import Table

    from pipelines.config import Settings


#: Columns the table of rules needs; a narrower terminal wraps its lines.
LEAST_WIDTH = 170


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
    import json

    from pipelines.promote.gate import decide_gates
    from pipelines.promote.select import select_challengers

    select_challengers(settings, as_of)
    verdicts = decide_gates(settings, as_of)
    if as_json:
        click.echo(json.dumps(verdicts, indent=2))
        return
    for verdict in verdicts.values():
        _print_verdict(verdict)


def _print_verdict(verdict: Mapping[str, Any]) -> None:
    from rich.console import Console

    click.echo(f"{verdict['placement']}: {verdict['reason']}\n")
    width = max(Console().width, LEAST_WIDTH)
    Console(highlight=False, markup=False, width=width).print(_rule_table(verdict))


def _rule_table(verdict: Mapping[str, Any]) -> Table:
    """One line a rule: what was found, what was asked for, and the outcome."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("rule", "of", "against", "value", "interval", "threshold", "passed"):
        table.add_column(title, no_wrap=True)
    table.add_column("reason", overflow="fold")
    outcome = {True: "yes", False: "NO", None: "reported"}
    for rule in verdict["rules"]:
        interval = "" if rule["low"] is None else f"{rule['low']:+.4f} … {rule['high']:+.4f}"
        table.add_row(
            rule["rule"],
            rule["subject"],
            rule["opponent"] or "",
            _number(rule["value"]),
            interval,
            _number(rule["threshold"]),
            outcome[rule["is_passed"]],
            rule["reason"],
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}" if value == int(value) else f"{value:.4f}"
