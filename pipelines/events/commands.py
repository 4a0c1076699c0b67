"""Commands `recsys generate`, `recsys load` and `recsys quarantine`."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from pipelines.base.cli import (
    as_of_option,
    examples,
    json_option,
    pairs,
    print_json,
    settings_options,
)

if TYPE_CHECKING:
    from pipelines.base.config import Settings


def _day(_context: click.Context, _parameter: click.Parameter, text: str | None) -> date | None:
    from pipelines.base.windows import parse_day

    return None if text is None else parse_day(text)


@click.command(
    epilog=examples(
        "recsys generate --home var-generated",
        "recsys generate --events 25m --users 200k --items 50k --home var-25m",
        "recsys generate --events 200k --users 6k --items 2500 --days 120 --home var-small",
    )
)
@click.option("--events", default="1m", show_default=True, help="Rows of the log, as 25m or 1500.")
@click.option("--users", default="20k", show_default=True, help="People, active as log-normal.")
@click.option("--items", default="8k", show_default=True, help="Catalogue, popular as Zipf.")
@click.option("--days", default=365, show_default=True, help="Day files, from --first-day on.")
@click.option("--seed", default=7, show_default=True, help="The same gives the same bytes.")
@click.option(
    "--first-day", default="2024-01-01", show_default=True, callback=_day, metavar="YYYY-MM-DD"
)
@settings_options
@json_option
def generate_command(
    *,
    settings: Settings,
    events: str,
    users: str,
    items: str,
    days: int,
    seed: int,
    first_day: date,
    as_json: bool,
) -> None:
    """Write a generated log as day files: for trying things out at any size, and for benchmarks.

    Users have tastes, so a personal list can beat a popular one; popularity drifts; people look
    again at what they looked at; views lead to clicks, carts and purchases. Memory holds one day.
    """
    from dataclasses import asdict

    from pipelines.events.synthetic.log import LogPlan, generate, parse_count

    plan = LogPlan(
        parse_count(events), parse_count(users), parse_count(items), days, seed, first_day
    )
    report = generate(settings, plan, show=lambda line: click.echo(line, err=True))
    if as_json:
        print_json(asdict(report))
        return
    types = ", ".join(f"{name} {count:,}" for name, count in report.type_counts.items())
    click.echo(
        f"{report.event_count:,} events of {report.user_count:,} users and {report.item_count:,} "
        f"items in {report.day_count} days, {report.byte_count / 1e6:,.0f} MB; "
        f"{report.written_files} files written."
    )
    click.echo(f"  {types}")
    click.echo(f"Go on with: recsys run --as-of {report.as_of} --home {settings.home}")


@click.command(
    epilog=examples("recsys load --as-of 2011-12-09", "recsys load --as-of 2011-12-09 --allow-gone")
)
@settings_options
@as_of_option
@click.option(
    "--allow-gone",
    is_flag=True,
    help="Take out rows also where it looks as if the day files were lost.",
)
@json_option
def load_command(settings: Settings, as_of: date, allow_gone: bool, as_json: bool) -> None:
    """Load the day files before a night into the warehouse; bad rows go to quarantine.

    New and changed days, however old, are checked first and then replaced at once; rows of days
    whose files are gone are taken out.
    """
    from pipelines.events.load import load_days

    click.echo(f"Loading the days before {as_of} …", err=True)
    report = load_days(settings, as_of, allow_gone=allow_gone)
    if as_json:
        print_json(report.as_dict())
        return
    for name, feed in report.feeds.items():
        click.echo(
            f"{name}: {feed.loaded_days} days loaded, {feed.unchanged_days} unchanged, "
            f"{feed.row_count} rows, {feed.duplicate_count} duplicates, "
            f"{feed.quarantined_count} quarantined; {feed.total_rows} rows in all"
        )
        if feed.repeated_count:
            click.echo(
                f"  left out    {feed.repeated_count:>9}  a row repeats another in everything"
            )
        if feed.duplicate_count:
            click.echo(f"  left out    {feed.duplicate_count:>9}  another row has the same id")
        if feed.removed_days:
            click.echo(f"  removed {feed.removed_days} days with {feed.removed_rows} rows")
        for reason, count in feed.reasons.items():
            click.echo(f"  quarantined {count:>9}  {reason}")
    for note in report.notes:
        click.echo(f"note: {note}")


@click.group(
    "quarantine",
    epilog=examples(
        "recsys quarantine list --day 2011-12-08",
        "recsys quarantine release 3f9a1c27d0be",
    ),
)
def quarantine_command() -> None:
    """Look at bad rows, and release them once they are put right."""


@quarantine_command.command(
    "list",
    epilog=examples("recsys quarantine list --day 2011-12-08", "recsys quarantine list --json"),
)
@click.option("--day", callback=_day, metavar="YYYY-MM-DD", help="Only rows landed on this day.")
@click.option("--reason", help="Only rows with this reason code.")
@click.option("--limit", default=50, show_default=True, help="At most so many rows.")
@settings_options
@json_option
def list_command(
    settings: Settings, day: date | None, reason: str | None, limit: int, as_json: bool
) -> None:
    """List bad rows with their reasons and values."""
    from pipelines.events.quarantine import list_quarantine

    rows = list_quarantine(settings, day=day, reason=reason, limit=limit)
    if as_json:
        print_json([row.as_dict() for row in rows])
        return
    for row in rows:
        state = "released" if row.is_released else "held"
        values = ", ".join(f"{name}={value[:40]}" for name, value in row.payload.items())
        click.echo(
            f"{row.quarantine_id[:12]}  {row.landed_date}  {row.feed}  {row.reason}  {state}  "
            f"{values}"
        )
    click.echo(f"{len(rows)} rows.")


@quarantine_command.command(
    "release",
    epilog=examples(
        "recsys quarantine release 3f9a1c27d0be",
        "recsys quarantine release --day 2011-12-08 --reason negative_price --set price=0",
    ),
)
@click.argument("ids", nargs=-1)
@click.option("--day", callback=_day, metavar="YYYY-MM-DD", help="All rows landed on this day.")
@click.option("--reason", help="All rows with this reason code.")
@click.option(
    "--set",
    "fixes",
    multiple=True,
    callback=pairs,
    metavar="COLUMN=VALUE",
    help="Put a value in before the row is judged again.",
)
@settings_options
@json_option
def release_command(
    *,
    settings: Settings,
    ids: tuple[str, ...],
    day: date | None,
    reason: str | None,
    fixes: dict[str, str],
    as_json: bool,
) -> None:
    """Let bad rows into the raw tables; those that still break a rule are refused."""
    from dataclasses import asdict

    from pipelines.events.quarantine import release_quarantine

    report = release_quarantine(settings, ids, day=day, reason=reason, fixes=fixes)
    if as_json:
        print_json(asdict(report))
        return
    click.echo(f"{len(report.released)} rows released, {len(report.refused)} refused.")
    for row_id, why in report.refused.items():
        click.echo(f"  refused {row_id[:12]}  {why}")
