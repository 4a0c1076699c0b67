"""Command `recsys sources`: list what was landed, and take it out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.base.cli import examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.group(
    "sources",
    epilog=examples("recsys sources list", "recsys sources remove views"),
)
def sources_command() -> None:
    """List what was landed, and take it out again."""


@sources_command.command(
    "list", epilog=examples("recsys sources list", "recsys sources list --json")
)
@settings_options
@json_option
def list_command(settings: Settings, as_json: bool) -> None:
    """List the sources with their rows, days and day files."""
    import json

    from pipelines.events.listed_sources import list_sources

    sources = list_sources(settings)
    if as_json:
        click.echo(json.dumps([source.as_dict() for source in sources], indent=2))
        return
    width = max((len(source.source) for source in sources), default=0)
    for source in sources:
        rows = [
            f"{'?' if count is None else format(count, ',')} {feed}"
            for feed, count in (
                ("events", source.event_rows),
                ("items", source.item_rows),
                ("users", source.user_rows),
            )
            if count != 0
        ]
        click.echo(
            f"{source.source:{width}}  {', '.join(rows) or 'no rows'} in {source.day_count:,} days "
            f"({source.first_day} to {source.last_day}), {source.file_count:,} files; "
            f"{source.origin}"
        )
    click.echo(f"{len(sources)} sources.")


@sources_command.command(
    "remove",
    epilog=examples("recsys sources remove views", "recsys sources remove table --unrecorded"),
)
@click.argument("names", metavar="SOURCE...", nargs=-1, required=True)
@click.option("--unrecorded", is_flag=True, help="Its day files that no landing recorded instead.")
@settings_options
@json_option
def remove_command(
    settings: Settings, names: tuple[str, ...], unrecorded: bool, as_json: bool
) -> None:
    """Remove the day files of a SOURCE, as `list` names it; the next load takes its rows out."""
    import json

    from pipelines.events.landed_sources import remove_source, remove_unrecorded

    remove = remove_unrecorded if unrecorded else remove_source
    counts = {name: remove(settings, name) for name in names}
    if as_json:
        click.echo(json.dumps(counts, indent=2))
        return
    for name, count in counts.items():
        click.echo(f"{count} day files of {name} removed.")
    click.echo("The next load takes their rows out of the warehouse.")
