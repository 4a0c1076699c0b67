"""`recsys erase`: forget a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipelines.base.cli import examples, json_option, settings_options

if TYPE_CHECKING:
    from pipelines.base.config import Settings


@click.command(
    "erase",
    epilog=examples(
        "recsys erase --user 17841 --dry-run   # which files name the user",
        "recsys erase --user 17841",
        "recsys erase --user 17841 --home /data/shop --json",
    ),
)
@settings_options
@click.option("--user", "user_id", required=True, metavar="USER_ID", help="As in the events.")
@click.option("--dry-run", is_flag=True, help="Only list the files that hold the id.")
@json_option
def erase_command(settings: Settings, user_id: str, dry_run: bool, as_json: bool) -> None:
    """Erase a user from every file of the home, and keep them out of later nights.

    Day files, logs, tables, publications, nights, MLflow, backtests; then every byte is searched.
    A running API forgets the user within seconds.
    Refused while a night runs. What it cannot reach (backups, the source): docs/erase.md.
    """
    from pipelines.base.durable import to_json
    from pipelines.erase.erase import erase_user

    show = (lambda line: click.echo(line, err=True)) if as_json else click.echo
    found = erase_user(settings, user_id, dry_run=dry_run, show=show)
    if as_json:
        click.echo(to_json(found), nl=False)
        return
    for path in found["files"]:
        click.echo(f"  {path}")
    state = "would be cleaned" if dry_run else "hold the id now"
    click.echo(f"{found['hit_count']} files of {settings.home} {state}.")
