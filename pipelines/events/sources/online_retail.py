"""Adapter `online-retail`: the UCI Online Retail invoice lines as purchases, returns and items.

One invoice line is one event. Its id is the invoice and the line's position in it, so two equal
lines of an invoice stay two events. Timestamps carry no zone and are taken as UTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.config import PROJECT_ROOT
from pipelines.base.errors import LandingError
from pipelines.events.sources.source_rows import SourceRows, check_source_columns

if TYPE_CHECKING:
    import duckdb

DEFAULT_PATH = PROJECT_ROOT / "data" / "online_retail" / "online_retail.parquet"
COLUMNS = (
    "InvoiceNo",
    "StockCode",
    "Description",
    "Quantity",
    "InvoiceDate",
    "UnitPrice",
    "CustomerID",
)
#: Stock codes that are postage, fees, discounts, samples or book-keeping. PADS is a product.
NON_PRODUCTS = (
    "POST",
    "DOT",
    "C2",
    "M",
    "m",
    "D",
    "S",
    "B",
    "BANK CHARGES",
    "AMAZONFEE",
    "CRUK",
)
#: Gift vouchers are gift_0001_10 and the like.
NON_PRODUCT_PREFIX = "gift_"

_LINES = """
create or replace temp table lines as
select
    InvoiceNo as invoice,
    InvoiceNo || '-' || row_number() over (partition by InvoiceNo order by file_row_number)
        as event_id,
    StockCode as item_id,
    nullif(trim(Description), '') as title,
    InvoiceDate as event_at,
    CustomerID::bigint::varchar as user_id,
    Quantity as quantity,
    UnitPrice as price,
    starts_with(InvoiceNo, 'C') as is_return,
    StockCode in (select unnest($codes)) or starts_with(StockCode, $prefix) as is_non_product
from read_parquet($path, file_row_number = true)
"""
_RULED = """
create or replace temp table ruled as
select
    *,
    case
        when is_non_product then 'not a product: ' ||
            case when starts_with(item_id, $prefix) then $prefix || '…' else item_id end
        when user_id is null then 'no customer'
        when not is_return and quantity <= 0 then 'quantity is not positive'
        when price <= 0 then 'price is not positive'
    end as exclusion
from lines
"""
EVENTS_SQL = """
select
    event_id,
    case when is_return then 'return' else 'purchase' end as event_type,
    user_id,
    item_id,
    event_at,
    abs(quantity)::double as value,
    price,
    invoice as session_id
from ruled where exclusion is null
order by event_at::date, event_at, event_id
"""
#: Attributes of an item as known at the end of a day: the description seen most often so far (of
#: equals, the one seen first) and the median price of the day's lines. No later line is used.
ITEMS_SQL = """
with sold as (
    select item_id, title, price, event_at, event_at::date as day
    from lines where not is_non_product and price > 0
),
item_days as (
    select item_id, day, min(event_at) as valid_from, quantile_disc(price, 0.5) as price
    from sold group by item_id, day
),
title_days as (
    select item_id, title, day, count(*) as seen, min(event_at) as first_seen_at
    from sold where title is not null group by item_id, title, day
),
titles_so_far as (
    select
        item_days.item_id,
        item_days.day,
        title_days.title,
        sum(title_days.seen) as seen,
        min(title_days.first_seen_at) as first_seen_at
    from item_days
    inner join title_days
        on item_days.item_id = title_days.item_id and item_days.day >= title_days.day
    group by item_days.item_id, item_days.day, title_days.title
),
best_titles as (
    select item_id, day, title from titles_so_far
    qualify row_number() over (
        partition by item_id, day order by seen desc, first_seen_at, title
    ) = 1
),
known as (
    select item_days.item_id, best_titles.title, item_days.price, item_days.valid_from
    from item_days left join best_titles using (item_id, day)
),
changed as (
    select
        *,
        row_number() over item_history = 1
        or title is distinct from lag(title) over item_history
        or price is distinct from lag(price) over item_history as is_changed
    from known
    window item_history as (partition by item_id order by valid_from)
)
select item_id, title, null::varchar as category, price, true as is_available, valid_from
from changed where is_changed
order by valid_from::date, item_id
"""


def read_online_retail(connection: duckdb.DuckDBPyConnection, path: Path | None) -> SourceRows:
    """Read events and items from the invoice lines of Online Retail.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An in-memory database.
    path : Path, optional
        Parquet file with the columns of the UCI data set; default the bundled one.

    Returns
    -------
    SourceRows
        Lines left out by rule: non-products (each code), no customer, quantity or price not
        positive. A line counts under the first of these that holds.

    Raises
    ------
    LandingError
        If the file is missing or lacks a column, or its folder has several.
    """
    chosen = path or DEFAULT_PATH
    if chosen.is_dir() and len(files := list(chosen.glob("*.parquet"))) == 1:
        (chosen,) = files
    if not chosen.is_file():
        raise LandingError(
            "Online Retail must be a Parquet file, or a folder that holds one and no other. Found "
            f"none at {chosen}. "
            "Name one: recsys land online-retail PATH."
        )
    check_source_columns(connection, str(chosen), COLUMNS)
    parameters = {"codes": list(NON_PRODUCTS), "prefix": NON_PRODUCT_PREFIX, "path": str(chosen)}
    connection.execute(_LINES, parameters)
    connection.execute(_RULED, {"prefix": NON_PRODUCT_PREFIX})
    exclusions = connection.execute(
        "select exclusion, count(*) from ruled where exclusion is not null "
        "group by exclusion order by exclusion"
    ).fetchall()
    return SourceRows(EVENTS_SQL, ITEMS_SQL, dict(exclusions))
