"""The page of a person: what they did, what they are shown and why, and their experiments."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.ask.customer_text import title_of
from pipelines.ask.query import query_user
from pipelines.base.config import Settings
from pipelines.base.ids import clean_id
from pipelines.experiments.state import started_experiments
from pipelines.serve.console.frame import Page, Search, link
from pipelines.serve.console.live import open_live
from pipelines.show.document import (
    Block,
    Bullets,
    Code,
    Heading,
    Paragraph,
    Table,
    Words,
    left,
    right,
    wrap,
)
from pipelines.show.figures import format_count, format_figure

#: Persons that the page offers where nobody was asked for.
OFFERED = 20


def people_page(settings: Settings, user: str) -> Page:
    """The page of a user, or without one some users to look at.

    Raises
    ------
    UnknownUserError
        If the user has neither a list nor a history.
    PublicationNotFoundError
        If nothing is live.
    """
    search = Search("/console/people", "user", "User id", user)
    if not user:
        return Page([Heading("People", 1), *_offered(settings)], search)
    asked = query_user(settings, clean_id(user))
    document: list[Block] = [Heading(f"User {asked['user_id']}", 1), Heading("What they did")]
    document.append(_history(asked["history"]))
    for name, rows in asked["lists"].items():
        document += [Heading(f"Shown in {name}"), _list(rows)]
    document += [Heading("Experiments"), *_arms(settings, asked["user_id"])]
    # an id is untrusted text, and this line is there to be pasted into a shell
    command = shlex.join(
        ["recsys", "why", "--user", asked["user_id"], "--home", str(settings.home)]
    )
    document += [Heading("What the rules removed, and why another item is not here"), Code(command)]
    return Page(document, search)


def _offered(settings: Settings) -> list[Block]:
    with open_live(settings) as live:
        rows = live.rows(
            "from (select distinct user_id from recommendations order by hash(user_id) limit $1) "
            "select user_id order by user_id",
            OFFERED,
        )
        users = live.one("select count(distinct user_id) as users from recommendations")["users"]
    people: list[Words] = [
        link(row["user_id"], "/console/people", user=row["user_id"]) for row in rows
    ]
    return [Paragraph(f"{format_count(users)} users have lists. Some of them:"), Bullets(people)]


def _history(history: Sequence[Mapping[str, Any]]) -> Block:
    if not history:
        return Paragraph("Nothing before this night that counts for it.")
    rows = [
        [row["event_date"], row["event_type"], format_count(row["event_count"]), item_link(row)]
        for row in history
    ]
    return Table([left("day"), left("event"), right("times"), left("item")], rows)


def _list(rows: Sequence[Mapping[str, Any]]) -> Table:
    cells = [
        [str(row["rank"]), item_link(row), format_figure(row["score"]), row["reason"]]
        for row in rows
    ]
    return Table([right("rank"), left("item"), right("score"), wrap("why")], cells)


def item_link(row: Mapping[str, Any]) -> Words:
    """An item's title as a link to its page."""
    return link(title_of(row), "/console/items", item=row["item_id"])


def _arms(settings: Settings, user_id: str) -> list[Block]:
    running = [one for one in started_experiments(settings) if one.status == "running"]
    if not running:
        return [Paragraph("None is running.")]
    rows: list[list[Words]] = []
    for one in running:
        arm, _ = one.assign(user_id) or ("takes no part", None)
        rows.append([one.experiment_id, one.definition.placement, arm])
    return [Table([left("experiment"), left("placement"), left("arm")], rows)]
