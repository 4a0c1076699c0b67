"""Coverage and concentration of published lists, stored even after the lists are dropped."""

from __future__ import annotations

from datetime import date

import duckdb

from pipelines.base.tables import SERVING_PUBLICATION_METRICS

_METRICS = f"""
insert into {SERVING_PUBLICATION_METRICS.qualified} by name
with catalogue as (
    select item_id from publication_file.items where is_available is distinct from false
),
kinds as (select distinct placement, variant from publication_file.recommendations),
shown as (
    select placement, variant, item_id, count(*) as places
    from publication_file.recommendations group by all
),
-- items of the catalogue that are in no list count with 0 places
items as (
    select placement, variant, item_id, coalesce(shown.places, 0) as places
    from (
        select placement, variant, item_id from kinds cross join catalogue
        union
        select placement, variant, item_id from shown
    ) left join shown using (placement, variant, item_id)
),
ranked as (
    select *, row_number() over (partition by placement, variant order by places, item_id) as place,
        count(*) over (partition by placement, variant) as n,
        sum(places) over (partition by placement, variant) as total
    from items
),
spread as (
    select placement, variant, any_value(n) as n, any_value(total) as row_count,
        count(*) filter (where places > 0) as item_count,
        sum((2 * place - n - 1) * places)::double / (any_value(n) * any_value(total)) as gini,
        -- decimals: a sum of doubles depends on the order of the rows
        exp(-sum((places / total * ln(greatest(places, 1) / total))::decimal(38, 12))::double)
            as effective_item_count
    from ranked group by placement, variant
),
users as (
    select placement, variant, count(distinct user_id) as user_count
    from publication_file.recommendations group by placement, variant
)
select ? as publication_id, ? as as_of, placement, variant, user_count,
    row_count::bigint as row_count, item_count, n as catalogue_item_count,
    item_count / n as coverage, gini, effective_item_count
from spread inner join users using (placement, variant)
order by placement, variant
"""


def insert_metrics(warehouse: duckdb.DuckDBPyConnection, publication_id: str, as_of: date) -> None:
    """Insert the metrics of a night's publication, one row per placement and variant.

    Parameters
    ----------
    warehouse : duckdb.DuckDBPyConnection
        In a transaction, with the publication's `serving.duckdb` attached as `publication_file`.
    publication_id : str
    as_of : date
        Rows of another publication of the same night are replaced.

    Notes
    -----
    Over the n items that are available or shown, with x places each, in rising order:
    ``gini = sum((2 i - n - 1) x_i) / (n sum(x))``, 0 where all are shown alike. With p an item's
    share of all places, ``effective_item_count = exp(-sum(p ln p))``: the number of equally often
    shown items that would be as diverse.

    References
    ----------
    G. Adomavicius, Y. Kwon (2012). Improving Aggregate Recommendation Diversity Using Ranking-Based
    Techniques. IEEE TKDE.
    """
    warehouse.execute(
        f"delete from {SERVING_PUBLICATION_METRICS.qualified} where as_of = ?", [as_of]
    )
    warehouse.execute(_METRICS, [publication_id, as_of])
