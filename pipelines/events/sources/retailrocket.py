"""Adapter `retailrocket`: the Retailrocket e-commerce log (views, carts, transactions).

`events.csv` has the columns timestamp (milliseconds), visitorid, event, itemid, transactionid, as
published at https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset. Where the
`item_properties_part*.csv` lie beside it, categories and availability become items.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.base.errors import LandingError
from pipelines.events.sources.source_rows import SourceRows, check_source_columns

if TYPE_CHECKING:
    import duckdb

EVENTS_FILE = "events.csv"
PROPERTIES_GLOB = "item_properties_part*.csv"
COLUMNS = ("timestamp", "visitorid", "event", "itemid", "transactionid")
PROPERTY_COLUMNS = ("timestamp", "itemid", "property", "value")

#: Lines have no id, so the load derives one, and equal lines become one event.
EVENTS_SQL = """
select
    case event when 'addtocart' then 'add_to_cart' when 'transaction' then 'purchase' else event end
        as event_type,
    visitorid as user_id,
    itemid as item_id,
    make_timestamp(timestamp * 1000) as event_at,
    transactionid as session_id
from read_csv($events, header = true, types = {
    'timestamp': 'BIGINT', 'visitorid': 'VARCHAR', 'itemid': 'VARCHAR', 'transactionid': 'VARCHAR'
})
order by event_at::date, event_at, user_id, item_id, event_type, session_id
"""
#: Category and availability are carried forward: each row holds both, as known at `valid_from`.
ITEMS_SQL = """
with changes as (
    select
        itemid as item_id,
        make_timestamp(timestamp * 1000) as valid_from,
        max(value) filter (property = 'categoryid') as category,
        max(value) filter (property = 'available') as available
    from read_csv($properties, header = true, types = {
        'timestamp': 'BIGINT', 'itemid': 'VARCHAR', 'property': 'VARCHAR', 'value': 'VARCHAR'
    })
    where property in ('categoryid', 'available')
    group by itemid, timestamp
)
select
    item_id,
    null::varchar as title,
    last_value(category ignore nulls) over item_history as category,
    null::double as price,
    coalesce(last_value(available ignore nulls) over item_history, '1') = '1' as is_available,
    valid_from
from changes
window item_history as (
    partition by item_id order by valid_from rows between unbounded preceding and current row
)
order by valid_from::date, valid_from, item_id
"""


def read_retailrocket(connection: duckdb.DuckDBPyConnection, path: Path | None) -> SourceRows:
    """Read events from the Retailrocket log, and items if their property files exist.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An in-memory database.
    path : Path
        The unpacked folder, or its `events.csv`.

    Returns
    -------
    SourceRows

    Raises
    ------
    LandingError
        If there is no `events.csv`, or a file lacks a column.
    """
    folder = path.parent if path and path.name == EVENTS_FILE else path
    if folder is None or not (folder / EVENTS_FILE).is_file():
        raise LandingError(
            f"A Retailrocket folder must hold {EVENTS_FILE}. Found none in {folder}. "
            "Unpack the archive and name its folder: recsys land retailrocket PATH."
        )
    events = str(folder / EVENTS_FILE)
    check_source_columns(connection, events, COLUMNS)
    properties = [str(file) for file in sorted(folder.glob(PROPERTIES_GLOB))]
    for file in properties:
        check_source_columns(connection, file, PROPERTY_COLUMNS)
    return SourceRows(
        EVENTS_SQL,
        ITEMS_SQL if properties else None,
        events_parameters={"events": events},
        items_parameters={"properties": properties},
    )
