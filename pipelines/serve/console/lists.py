"""The page of all lists: what is shown most, from which categories and prices, and what is not."""

from __future__ import annotations

from pipelines.base.config import Settings
from pipelines.serve.console.frame import Page
from pipelines.serve.console.items import format_price
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
)
from pipelines.show.figures import MISSING, format_count, format_share

#: Rows of each table.
SHOWN = 20


def lists_page(settings: Settings) -> Page:
    """The live lists of control as a whole, placement by placement.

    Raises
    ------
    PublicationNotFoundError
        If nothing is live.
    """
    document: list[Block] = [Heading("The lists as a whole", 1)]
    with open_live(settings) as live:
        names = live.rows("select distinct placement from recommendations order by placement")
        for row in names:
            name = row["placement"]
            document += [Heading(name), *_concentration(live, name), _most_shown(live, name)]
            document += [*_categories(live, name), _prices(live, name)]
        document += [Heading("Shown to nobody"), *_never_shown(live)]
    return Page(document)


def _concentration(live: Live, placement: str) -> list[Block]:
    row = live.one(
        "with shown as (select item_id, count(*) as lists from recommendations "
        "where placement = $1 and variant = 'control' group by all), "
        "placed as (select lists, row_number() over (order by lists desc) as place, "
        "count(*) over () as items, sum(lists) over () as total from shown) "
        "select any_value(items) as items, (select count(*) from items) as catalogue, "
        "sum(lists) filter (where place <= greatest(items // 100, 1)) / any_value(total) as first, "
        "sum(lists) filter (where place <= greatest(items // 10, 1)) / any_value(total) as tenth "
        "from placed",
        placement,
    )
    items = f"{format_count(row['items'])} of {format_count(row['catalogue'])} items"
    share = format_share(row["items"] / row["catalogue"], 1)
    first, tenth = format_share(row["first"], 1), format_share(row["tenth"], 1)
    return [
        Paragraph(
            f"{items} ({share}) are in at least one list. The most shown hundredth of them fills "
            f"{first} of all places, the most shown tenth {tenth}."
        )
    ]


def _most_shown(live: Live, placement: str) -> Table:
    rows = live.rows(
        "with users as (select count(distinct user_id) as users from recommendations "
        "where placement = $1 and variant = 'control') "
        "select item_id, any_value(items.title) as title, any_value(items.category) as category, "
        "any_value(items.price) as price, count(*) as lists, any_value(users.users) as users, "
        "avg(rank) as mean_rank from recommendations left join items using (item_id), users "
        "where placement = $1 and variant = 'control' group by item_id "
        "order by lists desc, item_id limit $2",
        *(placement, SHOWN),
    )
    cells: list[list[Words]] = [
        [
            item_link(row),
            row["category"] or MISSING,
            format_price(row["price"]),
            format_count(row["lists"]),
            format_share(row["lists"] / row["users"], 1),
            f"{row['mean_rank']:.1f}",
        ]
        for row in rows
    ]
    figures = map(right, ("price", "lists", "of users", "mean rank"))
    return Table([left("item"), left("category"), *figures], cells, "Most shown")


def _categories(live: Live, placement: str) -> list[Block]:
    rows = live.rows(
        "select coalesce(items.category, $3) as category, count(*) as places, "
        "count(*) / sum(count(*)) over () as share from recommendations "
        "left join items using (item_id) where placement = $1 and variant = 'control' "
        "group by 1 order by places desc, category limit $2",
        *(placement, SHOWN, MISSING),
    )
    if len(rows) == 1 and rows[0]["category"] == MISSING:
        return []
    bars = [Bar(row["category"], format_share(row["share"], 1), row["share"]) for row in rows]
    return [Bars(bars, "Categories, by share of all places")]


def _prices(live: Live, placement: str) -> Table:
    rows = live.rows(
        "select 'shown' as what, quantile_cont(items.price, [.1, .25, .5, .75, .9]) as prices "
        "from recommendations inner join items using (item_id) "
        "where placement = $1 and variant = 'control' "
        "union all select 'catalogue', quantile_cont(price, [.1, .25, .5, .75, .9]) from items",
        placement,
    )
    cells: list[list[Words]] = [
        [row["what"], *map(format_price, row["prices"] or [None] * 5)] for row in rows
    ]
    figures = map(
        right, ("lowest tenth below", "quarter", "median", "three quarters", "nine tenths")
    )
    return Table([left("prices"), *figures], cells, "Prices of what is shown, and of all items")


def _never_shown(live: Live) -> list[Block]:
    rows = live.rows(
        "select item_id, title, category, price, is_available, count(*) over () as found, "
        "(select count(*) from items) as catalogue from items "
        "anti join recommendations using (item_id) "
        "order by is_available desc, price desc nulls last, item_id limit $1",
        SHOWN,
    )
    if not rows:
        return [Paragraph("Every item is in some list.")]
    count, share = rows[0]["found"], rows[0]["found"] / rows[0]["catalogue"]
    cells: list[list[Words]] = [
        [
            item_link(row),
            row["category"] or MISSING,
            format_price(row["price"]),
            "yes" if row["is_available"] else "no",
        ]
        for row in rows
    ]
    columns = [left("item"), left("category"), right("price"), left("available")]
    said = (
        f"{format_count(count)} items ({format_share(share, 1)}) are in no list; the dearest first."
    )
    return [Paragraph(said), Table(columns, cells)]
