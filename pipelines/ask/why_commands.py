"""`recsys why`."""

from __future__ import annotations

import logging
from typing import Any

import click

from pipelines.base.cli import examples, json_option, settings_options


@click.command(
    epilog=examples(
        "recsys why --user 17841",
        "recsys why --user 17841 --placement discover   # its whole list",
        "recsys why --user 17841 --item 22423",
        "recsys why --user 17841 --item 22423 --json",
    )
)
@click.option("--user", "user_id", metavar="USER_ID", required=True, help="A customer.")
@click.option("--item", "item_id", metavar="ITEM_ID", help="An item, in the lists or not.")
@click.option("--placement", metavar="NAME", help="Only this placement.")
@json_option
@settings_options
def why_command(
    settings: Any, user_id: str, item_id: str | None, placement: str | None, as_json: bool
) -> None:
    """Explain a customer's live lists: what wrote them, from what, and what the rules removed."""
    from pipelines.ask.why import explain_user
    from pipelines.ask.why_text import why_document
    from pipelines.show.terminal import print_answer

    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        logging.getLogger("pipelines").setLevel(logging.WARNING)  # it fits the fallback again
    found = explain_user(settings, user_id, item_id, placement)
    print_answer(found, as_json, lambda: why_document(found))
