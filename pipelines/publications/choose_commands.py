"""`recsys rollback | pin | unpin | push-postgres`: a person chooses what is live, and where."""

from __future__ import annotations

from typing import Any

import click

from pipelines.base.cli import examples, json_option, settings_options


@click.command(
    epilog=examples(
        "recsys rollback",
        "recsys rollback --to 2011-12-02-0a1b2c3d --home var",
        "recsys rollback --until-next-night   # the next night becomes live as usual",
        "recsys unpin   # ends a rollback: the newest night is live again",
    )
)
@click.option("--to", "to", metavar="ID", help="A publication id [default: the one before].")
@click.option(
    "--until-next-night", is_flag=True, help="Do not pin it: the next night becomes live."
)
@json_option
@settings_options
def rollback_command(settings: Any, to: str | None, until_next_night: bool, as_json: bool) -> None:
    """Make an earlier publication live again, after its hashes are checked.

    It is pinned: it stays live through the nights to come, until `recsys unpin`.
    """
    from pipelines.publications.choose import rollback

    result = rollback(settings, to, until_next_night=until_next_night)
    stays = "until `recsys unpin`" if result["is_pinned"] else "until the next night"
    _show(settings, result, as_json, f"{_before(result)}; stays {stays}")


@click.command(epilog=examples("recsys pin", "recsys pin 2011-12-02-0a1b2c3d --home var"))
@click.argument("publication_id", metavar="[ID]", required=False)
@json_option
@settings_options
def pin_command(settings: Any, publication_id: str | None, as_json: bool) -> None:
    """Keep a publication live through later nights [default: the live one].

    Nights go on publishing and CURRENT follows them, but readers see the pinned publication, and
    retention never deletes it, until `recsys unpin`.
    """
    from pipelines.publications.choose import pin

    result = pin(settings, publication_id)
    _show(settings, result, as_json, f"{_before(result)}; stays until `recsys unpin`")


@click.command(epilog=examples("recsys unpin"))
@json_option
@settings_options
def unpin_command(settings: Any, as_json: bool) -> None:
    """Make the newest published night live again; ends `recsys pin` and `recsys rollback`."""
    from pipelines.publications.choose import unpin

    result = unpin(settings)
    unpinned = result["unpinned"]
    words = f"unpinned: {unpinned}" if unpinned else "nothing was pinned"
    _show(settings, result, as_json, words)


@click.command(
    "push-postgres", epilog=examples("recsys push-postgres", "recsys push-postgres --json")
)
@json_option
@settings_options
def push_postgres_command(settings: Any, as_json: bool) -> None:
    """Copy the live lists to Postgres, as every night, rollback, pin and unpin do.

    Needed only after that failed. The server is set in [publish.postgres] of recsys.toml.
    """
    from pipelines.base.errors import SettingsError
    from pipelines.publications.postgres import push_postgres
    from pipelines.show.document import Paragraph
    from pipelines.show.terminal import print_answer

    result = push_postgres(settings)
    if result is None:
        raise SettingsError(
            "A Postgres server must be set. Found no publish.postgres.dsn_variable. Name there "
            "the environment variable that holds its address."
        )
    state = "copied" if result["is_new"] else "there already"
    words = f"Postgres: {result['publication_id']}, {result['row_count']:,} rows {state}"
    print_answer(result, as_json, lambda: [Paragraph(words)])


def _before(result: dict[str, Any]) -> str:
    return f"before: {result['previous'] or 'unreadable'}"


def _show(settings: Any, result: dict[str, Any], as_json: bool, words: str) -> None:
    """Print what is live, then push it to Postgres if a server is set; say so if that fails."""
    from pipelines.publications.postgres import push_postgres
    from pipelines.show.document import Paragraph
    from pipelines.show.terminal import print_answer

    print_answer(
        result, as_json, lambda: [Paragraph(f"Live: {result['publication_id']} ({words})")]
    )
    push_postgres(settings)
