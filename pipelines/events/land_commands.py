"""Command `recsys land`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from pipelines.base.cli import examples, json_option, pairs, print_json, settings_options
from pipelines.base.ids import printable

if TYPE_CHECKING:
    from pipelines.base.config import Settings
    from pipelines.events.landing import LandReport


def _value_map(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> dict[str, dict[str, str]]:
    """Read ``COLUMN:OLD=NEW``; the last colon and equals sign outside of OLD count."""
    found: dict[str, dict[str, str]] = {}
    for value in values:
        column, colon, rest = value.partition(":")
        if not colon:
            raise click.BadParameter(f"write COLUMN:OLD=NEW, not {value!r}", param=parameter)
        found.setdefault(column, {}).update(pairs(context, parameter, (rest,)))
    return found


def table_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a table; the command receives those that are given."""
    options = [
        click.option(
            "--map",
            "mapping",
            multiple=True,
            callback=pairs,
            metavar="COLUMN=FILE_COLUMN",
            help="Which column of the file holds a column of the feed; items[].item_id makes a row "
            "of each element of a list.",
        ),
        click.option(
            "--map-value",
            "value_map",
            multiple=True,
            callback=_value_map,
            metavar="COLUMN:OLD=NEW",
            help="What a value means, as event_type:cart=add_to_cart; OLD may be * (any other), "
            "and an event type of nothing leaves the row out.",
        ),
        click.option("--event-type", help="Type of every row, if no column says it."),
        click.option("--event-at", metavar="DAY", help="Day of every row, if no column says it."),
        click.option(
            "--known-from", metavar="DAY", help="Day from which items or users are known."
        ),
        click.option("--day-zero", metavar="DAY", help="Day from which a column of days counts."),
        click.option(
            "--feed",
            type=click.Choice(["events", "items", "users"]),
            help="What a row is [events].",
        ),
        click.option(
            "--time-format",
            metavar="FORMAT",
            help="As '%d/%m/%Y %H:%M', or the unit of a number: s, ms, us, ns.",
        ),
        click.option("--time-zone", metavar="ZONE", help="Of times that name none [UTC]."),
        click.option("--decimal-comma", is_flag=True, help="12,90 is a number, 1.234 a thousand."),
        click.option("--fill-by", metavar="FILE_COLUMN", help="Order whose first row says it all."),
        click.option("--quantity-per-row", is_flag=True, help="Equal rows are units, all count."),
        click.option(
            "--max-bad-share", type=float, help="Most lines that may be no rows, as a share [0.1]."
        ),
        click.option("--format", type=click.Choice(["csv", "json", "parquet"]), help="Of files."),
        click.option("--encoding", help="Of CSV and JSON, as latin-1 [utf-8]."),
        click.option("--delimiter", help="Between values of CSV [seen from the file]."),
        click.option("--quote", help='Around values of CSV ["].'),
        click.option("--escape", help="Before a quote inside of quotes [seen from the file]."),
        click.option("--columns", metavar="A,B,C", help="Names of columns, if CSV has no header."),
    ]
    for option in reversed(options):
        function = option(function)
    return function


def given_options(*, columns: str | None, **given: Any) -> dict[str, Any]:
    """Options of a table that were given on the command line."""
    options = {key: value for key, value in given.items() if value not in (None, {}, False)}
    if columns:
        options["columns"] = tuple(columns.split(","))
    return options


@click.command(
    epilog=examples(
        "recsys land online-retail",
        "recsys land movielens ~/data/ml-latest-small",
        "recsys land table orders.csv --map user_id=customer --map item_id=sku "
        "--map event_at=ordered --event-type purchase --name orders",
        "recsys land table products.csv --feed items --map item_id=sku --map title=name",
        "recsys land table customers.csv --feed users --map user_id=customer --map country=land",
        "recsys land shopify orders_export.csv",
        "recsys land sql --url env:SHOP_DATABASE --query 'select * from orders' --name orders "
        "--map user_id=customer --map item_id=sku --map event_at=ordered --event-type purchase",
        "recsys land table s3://shop/events/ --map item_id=items[].sku --map event_at=ts",
        "recsys land",
    )
)
@click.argument("source", required=False)
@click.argument("path", required=False)
@table_options
@click.option("--url", help="For `sql`: address of the database, or env:NAME of a variable.")
@click.option("--query", help="For `sql`: the SQL whose columns are mapped.")
@click.option(
    "--watermark",
    metavar="COLUMN",
    help="For `sql`: a column that grows; only new rows are pulled.",
)
@click.option("--name", help="Stem of the day files [default: SOURCE; for `table` the file's].")
@settings_options
@json_option
def land_command(
    *,
    settings: Settings,
    source: str | None,
    path: str | None,
    as_json: bool,
    columns: str | None,
    **given: Any,
) -> None:
    """Write a SOURCE as day files, from a file, a folder or an address (s3://, gs://, az://).

    Without SOURCE: all that [[sources]] of the settings list, as every night does first.

    SOURCE is online-retail, movielens, retailrocket, table (any CSV, JSON or Parquet with a
    mapping), sql (a query of Postgres, DuckDB or any database of SQLAlchemy) or a preset: ga4,
    shopify, shopify-products, amazon, amazon-2023, instacart, instacart-products, hm,
    hm-articles, yoochoose-clicks, yoochoose-buys, rees46, dunnhumby, tafeng.

    Nothing is guessed: ids stay the text they are, what has two readings is refused with both, and
    what cannot be read is counted. Landing a source again replaces what it landed before; another
    path under the same name is a further part. `recsys sources` lists the sources and takes them
    out.
    """
    options = given_options(columns=columns, **given)
    if source is None:
        reports = _land_configured(settings, options)
        if as_json:
            print_json([report.as_dict() for report in reports])
            return
    else:
        from pipelines.events.landing import land

        click.echo(f"Landing {source} …", err=True)
        reports = [land(settings, source, path, **options)]
        if as_json:
            print_json(reports[0].as_dict())
            return
    for report in reports:
        _print_report(report)
    days = [one.last_day for one in reports if one.event_count and one.last_day]
    if days:
        as_of = max(days) + timedelta(days=1)
        click.echo(f"Go on with: recsys run --as-of {as_of} --home {settings.home}")


def _land_configured(settings: Settings, options: dict[str, Any]) -> list[LandReport]:
    """Land the sources of the settings as tonight's night would."""
    from pipelines.base.errors import LandingError
    from pipelines.events.configured_sources import land_sources

    if options or not settings.sources:
        found = f"options {', '.join(options)}" if options else "no [[sources]] in the settings"
        raise LandingError(
            "Without a SOURCE, those of the settings are landed, with the options that stand "
            f"there. Found {found}. Name one, such as `recsys land table FILE`; `recsys init "
            "FILE…` writes [[sources]]."
        )
    click.echo(f"Landing {', '.join(one.name for one in settings.sources)} …", err=True)
    return land_sources(settings, datetime.now(UTC).date())


def _print_report(report: LandReport) -> None:
    click.echo(
        f"{report.event_count} events and {report.item_count} item rows"
        + (f" and {report.user_count} user rows" if report.user_count else "")
        + f" in {report.day_count} days ({report.first_day} to {report.last_day}); "
        f"{report.written_files} files written, {report.unchanged_files} unchanged, "
        f"{report.removed_files} removed; source {report.stem}."
    )
    for reason, count in report.exclusions.items():
        click.echo(f"  left out {count:>9}  {reason}")
    for reason, count in report.unread.items():
        click.echo(f"  unread   {count:>9}  {printable(reason)}")
    for note in report.notes:
        click.echo(f"note: {printable(note)}")
