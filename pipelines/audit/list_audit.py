"""The audit's rules on a list file, each one SQL statement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import duckdb

from pipelines.audit.eligible import audit_eligible, open_unconsenting, reads_user
from pipelines.audit.findings import WITHOUT_FEED, Finding, ListFile
from pipelines.base.durable import read_if_there, read_json
from pipelines.base.settings_sections import LOW
from pipelines.experiments.definition import CONTROL
from pipelines.lists.list_rows import ANYONE, FALLBACK, LIST_SCHEMA
from pipelines.rules.place import SHORT_LIST
from pipelines.rules.shown_items import CATEGORY_SEPARATOR, PINNED


def audit_file(file: ListFile) -> list[Finding]:
    """Check one list file against every rule.

    Returns
    -------
    list of Finding
        In a fixed order. A file that is missing, or cannot be read, gives one finding.
    """
    if not file.path.exists():
        note = f"there is no lists/{file.placement}/{file.variant}.parquet"
        return [file.finding(_rows_rule(file), "more than 0", 0, False, note)]
    try:
        _open_lists(file)
        open_unconsenting(file)
        checks = [*_form(file), *_items(file), _pins(file), *audit_eligible(file)]
        if file.variant != FALLBACK:
            checks += [*_users(file), *_against_last(file), _item_share(file)]
    except (duckdb.Error, OSError, ValueError, KeyError) as error:
        note = str(error).splitlines()[0]
        return [file.finding("readable", "a list file", None, False, note)]
    return checks


def _open_lists(file: ListFile) -> None:
    """Create the view `lists` over the file, and the table `list_facts`, one row per user."""
    found = file.connection.read_parquet(str(file.path))
    if found.columns != LIST_SCHEMA.names:
        raise ValueError(f"columns are {found.columns}, not {LIST_SCHEMA.names}")
    found.create_view("lists", replace=True)
    file.connection.execute(
        """
        create or replace table list_facts as
        select
            user_id,
            count(*) as list_length,
            count(distinct item_id) as item_count,
            count(distinct rank) as rank_count,
            min(rank) as first_rank,
            max(rank) as last_rank,
            bool_and(suffix(reason, ?)) as has_reason
        from lists
        group by user_id
        """,
        [SHORT_LIST],
    )


def _rows_rule(file: ListFile) -> str:
    return "fallback_present" if file.variant == FALLBACK else "rows"


def _form(file: ListFile) -> Iterator[Finding]:
    """Check the form of a file, which needs no other data of the night."""
    anyone = ANYONE if file.variant == FALLBACK else None
    rows = file.value("select count(*) from lists where user_id = coalesce(?, user_id)", anyone)
    if file.variant == FALLBACK and reads_user(file):
        note = "rows of the file; a rule of `eligible` reads the user"
        yield file.finding(_rows_rule(file), "0 or more", rows, True, note)
    else:
        note = "rows of the file"
        yield file.finding(_rows_rule(file), "more than 0", rows, bool(rows), note)
    mislabelled = file.value(
        """
        select count(*) from lists
        where placement is distinct from ? or variant is distinct from ?
            or as_of is distinct from ? or strategy is null or reason is null
            or model_version is null or user_id is null
        """,
        *(file.placement, file.variant, file.as_of),
    )
    yield file.none_found(
        "labels", mislabelled, "rows of another placement, variant or night, or without a label"
    )
    gaps = file.value(
        """
        select count(*) from list_facts
        where first_rank is distinct from 1 or last_rank is distinct from list_length
            or rank_count is distinct from list_length
        """
    )
    yield file.none_found("ranks", gaps, "lists whose ranks are not 1..n without gaps")
    repeats = file.value("select sum(list_length - item_count) from list_facts")
    yield file.none_found("duplicates", repeats or 0, "rows that repeat an item of their list")
    unordered = file.value(
        """
        select count(*) from (
            select score, lag(score) over (partition by user_id order by rank) as score_before
            from lists
        ) as neighbours
        where score is null or not isfinite(score) or score > score_before
        """
    )
    yield file.none_found("scores", unordered, "rows whose score is not finite or rises")


def _items(file: ListFile) -> Iterator[Finding]:
    """Check the items that are listed."""
    missing = file.value(
        """
        select count(*) from lists
        left join items on lists.item_id = items.item_id
        where items.item_id is null or not coalesce(items.is_available, true)
        """
    )
    yield file.none_found("items", missing, "rows of an item that is unknown or not available")
    unfed = file.value(
        f"select count(*) from lists inner join items using (item_id) where {WITHOUT_FEED}",
        file.rules.show_items_without_feed,
    )
    yield file.none_found("in_feed", unfed, "rows of an item that is in no items feed")
    if file.variant == FALLBACK:
        yield _categories(file)
        return
    if file.rules.exclude == "none":
        yield file.none_found("exclusions", 0, "this placement excludes nothing")
        return
    since = None
    if file.rules.exclude_within_days is not None:
        since = file.as_of - timedelta(days=file.rules.exclude_within_days)
    types = None
    if file.rules.exclude != "all":
        types = [mark + kind for kind in file.rules.exclude for mark in ("", LOW)]
    banned = file.value(
        """
        select count(*) from lists
        semi join (
            from history
            where event_date >= coalesce($1::date, event_date)
                and ($2::varchar[] is null or list_contains($2::varchar[], event_type))
                and user_id not in (select user_id from unconsenting)
        ) as excluded using (user_id, item_id)
        """,
        *(since, types),
    )
    yield file.none_found("exclusions", banned, "rows of an item that is kept from their user")


def _categories(file: ListFile) -> Finding:
    """Check that a list for a category, which is its `user_id`, has items of it only."""
    stray = file.value(
        """
        select count(*)
        from lists left join items using (item_id)
        where lists.user_id <> $1
            and not coalesce(
                list_contains(
                    list_transform(string_split(items.category, $2), lambda name: trim(name)),
                    lists.user_id
                ),
                false
            )
        """,
        *(ANYONE, CATEGORY_SEPARATOR),
    )
    return file.none_found("categories", stray, "rows of a list for a category it is not in")


def _pins(file: ListFile) -> Finding:
    """Check that rows are labelled pinned only where the placement pins their item.

    The rank must be that of the settings, or the last of a shorter list.
    """
    pinned = file.rules.pinned
    stray = file.value(
        """
        with pins as (select unnest($1::varchar[]) as item_id, unnest($2::integer[]) as pin_rank)
        select count(*)
        from lists
        inner join list_facts using (user_id)
        left join pins using (item_id)
        where lists.strategy = $3
            and lists.rank is distinct from least(pins.pin_rank, list_facts.list_length)
        """,
        *([pin.item_id for pin in pinned], [pin.rank for pin in pinned], PINNED),
    )
    return file.none_found("pins", stray, "rows pinned where the placement does not pin them")


def _users(file: ListFile) -> Iterator[Finding]:
    """Check that every user of the history has a whole list or a reason."""
    wanted = file.rules.list_length
    summary = read_json(file.path.with_suffix(".json"))
    short = file.value(
        """
        select count(*) from list_facts
        where list_length > $1 or (list_length < $1 and not coalesce(has_reason, false))
        """,
        wanted,
    )
    yield file.none_found(
        "list_length", short, f"lists that do not have {wanted} items and give no reason"
    )
    left_out = file.value(
        """
        select count(*) from (
            (select distinct user_id from history)
            except (select user_id from list_facts)
            except (select unnest($1::varchar[]))
        ) as left_out
        """,
        summary["users_without_items"],
    )
    yield file.none_found("every_user", left_out, "users of the history without list or reason")


def _against_last(file: ListFile) -> Iterator[Finding]:
    """Compare with the last publication; skipped, and noted, where it has no such lists."""
    limits = file.settings.audit
    low, high = limits.min_users_ratio, limits.max_users_ratio
    labels = (file.placement, file.variant)
    last_users = None
    if file.last is not None:
        last_users = file.value(
            "select count(distinct user_id) from last_lists where placement = $1 and variant = $2",
            *labels,
        )
    if not last_users:
        note = "not compared: no such lists in an earlier publication"
        for rule, threshold in (
            ("users_ratio", f"{low:g} to {high:g}"),
            ("coverage_ratio", f"at least {limits.min_coverage_ratio:g}"),
            ("overlap_at_10", f"at least {limits.min_overlap_at_10:g}"),
        ):
            yield file.finding(rule, threshold, None, True, note)
        return
    users = (file.value("select count(*) from list_facts") or 0.0) / last_users
    yield file.finding(
        *("users_ratio", f"{low:g} to {high:g}", users, low <= users <= high),
        "users served, against the last publication",
    )
    coverage = file.value(
        """
        select (select count(distinct item_id) from lists) / count(distinct item_id)
        from last_lists where placement = $1 and variant = $2
        """,
        *labels,
    )
    yield file.at_least(
        *("coverage_ratio", limits.min_coverage_ratio, coverage),
        "different items shown, against the last publication",
    )
    yield _overlap(file, labels)


def _overlap(file: ListFile, labels: tuple[str, str]) -> Finding:
    """Check the mean share of a user's last top ten that is in tonight's, for users of both."""
    overlap = file.value(
        """
        with last_head as (
            select user_id, item_id from last_lists
            where placement = $1 and variant = $2 and rank <= 10
                and user_id in (select user_id from list_facts)
        ),
        head as (select user_id, item_id, true as is_kept from lists where rank <= 10),
        shares as (
            select last_head.user_id, avg(coalesce(head.is_kept, false)::integer) as share
            from last_head left join head using (user_id, item_id)
            group by last_head.user_id
        )
        select avg(share) from shares
        """,
        *labels,
    )
    limits = file.settings.audit
    low = limits.min_overlap_at_10
    note = "mean share of a user's first ten items kept from the last"
    if _has_new_champion(file):
        low = limits.min_overlap_after_promotion
        note += "; another champion was promoted since"
    if overlap is None:
        note = "not compared: no user has lists in both publications"
        return file.finding("overlap_at_10", f"at least {low:g}", None, True, note)
    return file.at_least("overlap_at_10", low, overlap, note)


def _has_new_champion(file: ListFile) -> bool:
    """Whether the gate promoted another specification since; False unless both are known."""
    if file.variant != CONTROL or file.last is None:
        return False
    run = file.settings.run_folder(file.as_of)
    now = read_if_there(run.role_file(file.placement, "champion")) or {}
    before = (file.last.manifest.get("models") or {}).get(file.placement) or {}
    hashes = (now.get("spec_hash"), before.get("spec_hash"))
    return None not in hashes and hashes[0] != hashes[1]


def _item_share(file: ListFile) -> Finding:
    """Check that no item is in too large a share of personal lists, in the first k places.

    k is the gate's cut: longer lists hold what is in demand anyway. Rows that are the same for
    everybody do not count: the fallback's strategy, and pins.
    """
    k = file.settings.evaluation.k
    fallback = file.path.with_name(f"{FALLBACK}.parquet")
    share = file.value(
        """
        with personal as (
            select user_id, item_id from lists
            where
                strategy not in (select strategy from read_parquet($1))
                and not ($4 and starts_with(reason, 'fallback'))
                and strategy <> $2
                and rank <= $3
        ),
        shares as (
            select count(*) / (select count(distinct user_id) from personal) as share
            from personal group by item_id
        )
        select max(share) from shares
        """,
        *(str(fallback), PINNED, k, reads_user(file)),
    )
    high = file.settings.audit.max_item_share
    if share is None:
        note = "no personal lists: every row is the fallback's strategy"
        return file.finding("item_share", f"at most {high:g}", None, True, note)
    note = f"largest share of the personal lists that have one item in their first {k}"
    return file.at_most("item_share", high, share, note)
