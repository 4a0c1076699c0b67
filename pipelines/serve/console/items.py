"""The page of an item: what it is, who is shown it, what is like it, and how it sells."""

from __future__ import annotations

from typing import Any

from pipelines.ask.customer_text import title_of
from pipelines.base.config import Settings
from pipelines.base.errors import UnknownItemError
from pipelines.base.ids import clean_id
from pipelines.features.snapshot import DAYS_FILE
from pipelines.serve.console.frame import Page, Search, link
from pipelines.serve.console.live import Live, open_live
from pipelines.serve.console.people import item_link
from pipelines.show.document import (
    Bar,
    Bars,
    Block,
    Heading,
    Paragraph,
    Table,
    Words,
    left,
    right,
    wrap,
)
from pipelines.show.figures import MISSING, format_count, format_figure, format_share

#: Items that a search shows, and weeks of events.
FOUND_ITEMS = 50
WEEKS = 13


def items_page(settings: Settings, item: str, words: str) -> Page:
    """The page of an item; else items whose title or id has the words; else the most shown ones.

    Raises
    ------
    UnknownItemError
        If the live publication does not know the item.
    PublicationNotFoundError
        If nothing is live.
    """
    search = Search("/console/items", "words", "Part of a title, or an item id", words)
    with open_live(settings) as live:
        if item:
            return Page(_item(live, clean_id(item)), search)
        return Page([Heading("Items", 1), *_found(live, words.strip())], search)


def _found(live: Live, words: str) -> list[Block]:
    rows = live.rows(
        "select items.item_id, items.title, items.category, items.price, "
        "count(recommendations.item_id) as lists, count(*) over () as found "
        "from items left join recommendations using (item_id) "
        "where contains(lower(items.title), lower($1)) or items.item_id = $1 "
        "group by all order by lists desc, item_id limit $2",
        *(words, FOUND_ITEMS),
    )
    if not rows:
        return [Paragraph(f"No title or id has “{words}”.")]
    cells = [
        [
            item_link(row),
            row["item_id"],
            row["category"] or MISSING,
            format_price(row["price"]),
            format_count(row["lists"]),
        ]
        for row in rows
    ]
    columns = [left("item"), left("id"), left("category"), right("price"), right("in lists")]
    what = f"{format_count(rows[0]['found'])} items" + (f" have “{words}”" if words else "")
    return [Paragraph(f"{what}; most shown first."), Table(columns, cells)]


def _item(live: Live, item_id: str) -> list[Block]:
    found = live.rows("select * from items where item_id = $1", item_id)
    if not found:
        raise UnknownItemError(
            f"An item must be in the live publication. Found no {item_id!r}. Search for a part of "
            "its title."
        )
    row = found[0]
    told: list[list[Words]] = [
        ["id", item_id],
        ["category", row["category"] or MISSING],
        ["price", format_price(row["price"])],
        ["available", "yes" if row["is_available"] else "no: it is shown to nobody"],
        ["in the items feed", "yes" if row["is_in_feed"] else "no: only events name it"],
    ]
    document: list[Block] = [Heading(title_of(row), 1), Table([left(""), wrap("")], told)]
    document += [Heading("Who is shown it"), *_shown(live, item_id)]
    document += [Heading("What happened with it"), *_weeks(live, item_id)]
    return [*document, Heading("What is shown beside it"), *_similar(live, item_id)]


def _shown(live: Live, item_id: str) -> list[Block]:
    rows = live.rows(
        "with users as (select placement, variant, count(distinct user_id) as users "
        "from recommendations group by all) "
        "select placement, variant, count(*) as lists, any_value(users.users) as users, "
        "avg(rank) as mean_rank, count(*) filter (where rank <= 3) as top, "
        "list(user_id order by rank, user_id)[:5] as first_users "
        "from recommendations inner join users using (placement, variant) "
        "where item_id = $1 group by all order by all",
        item_id,
    )
    if not rows:
        return [Paragraph("Nobody: it is in no list.")]
    cells: list[list[Words]] = [
        [
            row["placement"]
            if row["variant"] == "control"
            else f"{row['placement']}/{row['variant']}",
            format_count(row["lists"]),
            format_share(row["lists"] / row["users"], 1),
            f"{row['mean_rank']:.1f}",
            format_count(row["top"]),
            _people(live, row["first_users"]),
        ]
        for row in rows
    ]
    figures = map(right, ("users", "of all", "mean rank", "among first 3"))
    return [Table([left("placement"), *figures, wrap("first of them")], cells)]


def _people(live: Live, users: list[str]) -> Words:
    if not live.settings.console.people:
        return MISSING
    linked = [link(user, "/console/people", user=user) for user in users]
    return tuple(piece for one in linked for piece in (one, " "))


def _weeks(live: Live, item_id: str) -> list[Block]:
    """Events of an item by week up to the live night, as its snapshot knows them."""
    as_of = live.publication.as_of
    days = live.settings.run_folder(as_of).snapshot / DAYS_FILE
    if not days.exists():
        return [Paragraph(f"The run folder of {as_of} is gone, and with it what happened.")]
    rows = live.rows(
        "with weeks as (select unnest(range($3)) as ago), "
        "known as (select ($2::date - event_date - 1) // 7 as ago, sum(event_count) as events "
        "from read_parquet($1) where item_id = $4 and event_date < $2 and landed_date < $2 "
        "and not list_contains($5, event_type) and event_date >= $2::date - 7 * $3 group by all) "
        "select ($2::date - 7 * (weeks.ago + 1)::int)::varchar as week, "
        "coalesce(known.events, 0)::bigint as events "
        "from weeks left join known using (ago) order by ago",
        *(str(days), as_of, WEEKS, item_id, list(live.settings.events.exposures)),
    )
    bars = [Bar(row["week"], format_count(row["events"]), row["events"]) for row in rows]
    return [
        Bars(
            bars, "Events in the seven days from …, newest first; what was only shown is not in it"
        )
    ]


def _similar(live: Live, item_id: str) -> list[Block]:
    rows = live.rows(
        "select similar_items.rank, similar_items.similar_item_id as item_id, items.title, "
        "similar_items.score, similar_items.reason from similar_items "
        "left join items on items.item_id = similar_items.similar_item_id "
        "where similar_items.item_id = $1 order by rank limit 20",
        item_id,
    )
    if not rows:
        return [Paragraph("Nothing: it has no similar items.")]
    cells: list[list[Words]] = [
        [str(row["rank"]), item_link(row), format_figure(row["score"]), row["reason"]]
        for row in rows
    ]
    return [Table([right("rank"), left("item"), right("score"), wrap("why")], cells)]


def format_price(price: Any) -> str:
    """A price as the feed gives it, with two decimals.

    Examples
    --------
    >>> format_price(2.5)
    '2.50'
    """
    return MISSING if price is None else f"{price:,.2f}"
