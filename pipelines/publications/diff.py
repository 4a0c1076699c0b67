"""Compare two publications: users, lists, items and strategies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from pipelines.base.config import Settings
from pipelines.base.current import Publication
from pipelines.base.errors import SettingsError
from pipelines.base.warehouse import connect, read_records
from pipelines.publications.stored import find_publication

#: Number of first places whose overlap is measured, as in the audit.
K = 10
#: Default number of items that are named as entered, and as left.
SHOWN_ITEMS = 10

# One row per user and item of either publication: all figures come from this one join.
_MOVES = """
create or replace temp table moves as
select
    user_id,
    item_id,
    before_rows.rank as rank_before,
    after_rows.rank as rank_after,
    before_rows.strategy as strategy_before,
    after_rows.strategy as strategy_after
from (
    select user_id, item_id, rank, strategy from before.recommendations
    where placement = $1 and variant = $2
) as before_rows
full join (
    select user_id, item_id, rank, strategy from after.recommendations
    where placement = $1 and variant = $2
) as after_rows using (user_id, item_id)
"""
_USERS = """
create or replace temp table user_moves as
select
    user_id,
    count(rank_before) > 0 as is_before,
    count(rank_after) > 0 as is_after,
    bool_or(rank_before is distinct from rank_after) as is_changed,
    count_if(rank_before <= $1 and rank_after <= $1) / nullif(count_if(rank_before <= $1), 0)
        as overlap
from moves
group by user_id
"""
_COUNTS = """
select
    count_if(is_before) as before,
    count_if(is_after) as after,
    count_if(is_before and is_after) as both,
    count_if(is_before and is_after and is_changed) as changed,
    count_if(not is_before) as appeared,
    count_if(not is_after) as vanished
from user_moves
"""
_OVERLAP = """
select
    avg(overlap) as mean,
    quantile_cont(overlap, 0.1) as p10,
    quantile_cont(overlap, 0.25) as p25,
    quantile_cont(overlap, 0.5) as p50,
    quantile_cont(overlap, 0.75) as p75,
    quantile_cont(overlap, 0.9) as p90
from user_moves
where is_before and is_after
"""
_HISTOGRAM = """
select round(overlap * 10)::integer as tenths, count(*) as user_count
from user_moves
where is_before and is_after
group by tenths
order by tenths
"""
_RANKS = """
select
    count(*) as kept_rows,
    avg((rank_before <> rank_after)::integer) as moved_share,
    avg(abs(rank_before - rank_after)) as mean_places,
    quantile_cont(abs(rank_before - rank_after), 0.5) as p50,
    quantile_cont(abs(rank_before - rank_after), 0.9) as p90,
    max(abs(rank_before - rank_after)) as max
from moves
where rank_before is not null and rank_after is not null
"""
_ITEMS = """
create or replace temp table item_moves as
select
    item_id,
    count_if(rank_before is null and is_before) as entered,
    count_if(rank_after is null and is_after) as left_,
    count(rank_before) = 0 as is_new,
    count(rank_after) = 0 as is_gone
from moves inner join user_moves using (user_id)
group by item_id
"""
_ITEM_COUNTS = """
select
    count_if(entered > 0) as entered, count_if(left_ > 0) as left_,
    count_if(is_new) as new, count_if(is_gone) as gone
from item_moves
"""
# Items that moved, by the column that counts users and the one that says of all lists.
_MOVED = """
select item_moves.item_id, coalesce(new_items.title, old_items.title) as title,
    {moved} as user_count, {of_all}
from item_moves
left join after.items as new_items using (item_id)
left join before.items as old_items using (item_id)
where {moved} > 0
order by {moved} desc, item_id
limit $1
"""
_ENTERED = _MOVED.format(moved="entered", of_all="is_new")
_LEFT = _MOVED.format(moved="left_", of_all="is_gone")
_STRATEGIES = """
with moved as (
    select strategy_before, strategy_after, count(*) as row_count from moves group by all
)
select
    strategy,
    sum(row_count) filter (where strategy_before = strategy)::bigint as rows_before,
    sum(row_count) filter (where strategy_after = strategy)::bigint as rows_after,
    sum(row_count) filter (where strategy_after = strategy and strategy_before is null)::bigint
        as rows_entered,
    sum(row_count) filter (where strategy_before = strategy and strategy_after is null)::bigint
        as rows_left
from moved inner join (
    select strategy_before as strategy from moved where strategy_before is not null
    union
    select strategy_after from moved where strategy_after is not null
) as named on strategy in (strategy_before, strategy_after)
group by strategy
order by greatest(coalesce(rows_before, 0), coalesce(rows_after, 0)) desc, strategy
"""


def diff_publications(
    settings: Settings,
    before: str = "previous",
    after: str = "live",
    *,
    placement: str | None = None,
    shown_items: int = SHOWN_ITEMS,
) -> dict[str, Any]:
    """Compare the lists of two publications, by placement and variant.

    Parameters
    ----------
    settings : Settings
    before, after : str
        Ids, or names that `stored.find_publication` knows; both are checked against their hashes.
    placement : str, optional
        Compare this placement only; default all that either publication has.
    shown_items : int, default 10
        Number of items named as entered, and as left.

    Returns
    -------
    dict
        ``before`` and ``after`` (``publication_id``, ``as_of``), ``k``, and ``lists``: one entry
        per placement and variant with

        - ``users``: ``before``, ``after``, ``both``, of those ``changed`` (another item or rank
          anywhere in the list), ``appeared`` and ``vanished``;
        - ``overlap_at_10`` of users of both: share of the first ten items before that are among
          the first ten after; ``mean``, ``p10`` to ``p90``, ``histogram`` (users by tenths, 11
          counts); None without such users;
        - ``rank_moves`` of items that a user kept: ``kept_rows``, ``moved_share``,
          ``mean_places``, ``p50``, ``p90``, ``max``, in places;
        - ``entered`` and ``left``: items by the users of both who gained or lost them, most users
          first, with titles; ``is_new`` and ``is_gone`` if no list had or has them at all;
          ``item_counts``: how many items ``entered``, ``left``, are ``new`` or ``gone``;
        - ``strategies``: rows before and after, entered and left, by strategy.

    Raises
    ------
    PublicationNotFoundError
        If a publication is missing or damaged.
    SettingsError
        If a name is not an id, or neither publication has the placement.
    """
    old, new = find_publication(settings, before), find_publication(settings, after)
    with connect(settings, path=Path(":memory:")) as connection:
        for name, publication in (("before", old), ("after", new)):
            path = str(publication.serving_path).replace("'", "''")
            connection.execute(f"attach '{path}' as {name} (read_only)")
        pairs = _pairs(connection, placement)
        lists = [_diff_lists(connection, *pair, shown_items) for pair in pairs]
    return {"before": _name(old), "after": _name(new), "k": K, "lists": lists}


def _name(publication: Publication) -> dict[str, str]:
    return {
        "publication_id": publication.publication_id,
        "as_of": publication.as_of.isoformat(),
    }


def _pairs(connection: duckdb.DuckDBPyConnection, placement: str | None) -> list[tuple[str, str]]:
    """Pairs of placement and variant that either publication has."""
    pairs = connection.execute(
        """
        select placement, variant from before.recommendations
        union
        select placement, variant from after.recommendations
        order by placement, variant
        """
    ).fetchall()
    chosen = [(name, variant) for name, variant in pairs if placement in (None, name)]
    if placement is not None and not chosen:
        raise SettingsError(
            f"A placement must have lists in one of the publications. Got {placement!r}. "
            f"There are: {', '.join(sorted({name for name, _ in pairs})) or 'none'}."
        )
    return chosen


def _diff_lists(
    connection: duckdb.DuckDBPyConnection, placement: str, variant: str, shown_items: int
) -> dict[str, Any]:
    connection.execute(_MOVES, [placement, variant])
    connection.execute(_USERS, [K])
    (users,) = read_records(connection, _COUNTS)
    (overlap,) = read_records(connection, _OVERLAP)
    counts = {row["tenths"]: row["user_count"] for row in read_records(connection, _HISTOGRAM)}
    (rank_moves,) = read_records(connection, _RANKS)
    connection.execute(_ITEMS)
    (item_counts,) = read_records(connection, _ITEM_COUNTS)
    strategies = read_records(connection, _STRATEGIES)
    return {
        "placement": placement,
        "variant": variant,
        "users": users,
        "overlap_at_10": {**overlap, "histogram": [counts.get(n, 0) for n in range(11)]}
        if users["both"]
        else None,
        "rank_moves": rank_moves,
        "item_counts": {name.rstrip("_"): count for name, count in item_counts.items()},
        "entered": read_records(connection, _ENTERED, shown_items),
        "left": read_records(connection, _LEFT, shown_items),
        "strategies": [{key: value or 0 for key, value in row.items()} for row in strategies],
    }
