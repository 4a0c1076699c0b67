"""`recsys backtest`: replay nights as if live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.base.cli import examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "backtest",
    epilog=examples(
        "recsys backtest --from 2011-09-23 --to 2011-12-09 --every 7d",
        "recsys backtest --from 2011-11-25 --to 2011-12-09 --name try --json",
    ),
)
@settings_options
@click.option("--from", "start", required=True, metavar="YYYY-MM-DD", help="First night.")
@click.option("--to", "end", required=True, metavar="YYYY-MM-DD", help="Last night, included.")
@click.option("--every", default="7d", show_default=True, help="Days (d) or weeks (w) between.")
@click.option("--name", help="Folder below <home>/backtests/ [default: the range].")
@json_option
def backtest_command(
    settings: Settings, *, start: str, end: str, every: str, name: str | None, as_json: bool
) -> None:
    """Replay nights as if live, in a home of their own, and chart champion against baselines.

    Each night runs whole, gate and publication included, on the day files before it. Nights that
    are there with the same inputs are kept, so a stopped backtest goes on where it stopped. The
    live warehouse and publications are not touched.
    """
    from pipelines.backtest.page import summary_lines
    from pipelines.backtest.replay import backtest_settings, plan_backtest, run_backtest
    from pipelines.base.windows import parse_day
    from pipelines.show.document import Bullets, Code
    from pipelines.show.terminal import print_answer

    plan = plan_backtest(parse_day(start), parse_day(end), every, name)
    results = run_backtest(settings, plan, show=lambda line: click.echo(line, err=True))
    page = f"Chart and every figure: {backtest_settings(settings, plan).backtest_page}"
    print_answer(results, as_json, lambda: [Bullets(summary_lines(results)), Code(page)])
