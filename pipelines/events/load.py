"""Load day files before `as_of` into `raw`: check all of them, then write them at once."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, field
from datetime import date

import duckdb

from pipelines.base.config import Settings
from pipelines.base.errors import QuarantineLimitError
from pipelines.base.warehouse import connect, transaction
from pipelines.events.arrivals import stage_arrivals
from pipelines.events.day_folders import DayFolder, list_day_folders, write_atomically
from pipelines.events.erased import drop_erased
from pipelines.events.exposures import take_in_exposures
from pipelines.events.feeds import FEEDS, Feed
from pipelines.events.raw_days import replace_days
from pipelines.events.staging import arrived_table
from pipelines.events.whole_days import HEAVY_USER, REPEATED_ID, REPEATED_ID_HINT, count_repeated

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeedLoad:
    """Result of one call of `load_days` for one feed.

    Parameters
    ----------
    loaded_days : int
        Days whose rows were written, for the first time or anew.
    unchanged_days : int
        Days of the look-back whose files have not changed since they were loaded.
    row_count, duplicate_count, quarantined_count : int
        Rows of the loaded days: kept, left out because another has their key, and bad.
    repeated_count : int
        Rows left out because another is the same in every value; not among the duplicates.
    reasons : dict of str to int
        Bad rows of the loaded days by reason code.
    total_days, total_rows : int
        What `raw` now holds of this feed before `as_of`.
    """

    loaded_days: int
    unchanged_days: int
    row_count: int
    duplicate_count: int
    repeated_count: int
    quarantined_count: int
    reasons: dict[str, int]
    total_days: int
    total_rows: int


@dataclass(frozen=True)
class LoadReport:
    """Result of one call of `load_days`.

    Parameters
    ----------
    as_of : date
        Exclusive end of the days looked at.
    feeds : dict of str to FeedLoad
        One entry per feed.
    notes : list of str
        Columns and files that were passed over.
    """

    as_of: date
    feeds: dict[str, FeedLoad]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Plain values, as written to `load.json`."""
        return {**asdict(self), "as_of": self.as_of.isoformat()}


@dataclass(frozen=True)
class _Plan:
    feed: Feed
    folders: list[DayFolder]
    fingerprints: dict[date, str]
    unchanged_days: int


def load_days(settings: Settings, as_of: date) -> LoadReport:
    """Load every landed day before `as_of` that is new or changed within the look-back.

    What the API logged is landed first, as day files beside the shop's own.
    Every file is read, typed and judged before any table changes; then the days of both feeds are
    replaced in one transaction. Bad rows go to `raw.quarantine`. The same files give the same
    tables, in whichever order and however often their days are loaded.

    Parameters
    ----------
    settings : Settings
        Home, accepted event types, look-back and limit of bad rows.
    as_of : date
        Exclusive end: day folders from this day on are left alone.

    Returns
    -------
    LoadReport
        Also written to `load.json` in the night's run folder.

    Raises
    ------
    SchemaError
        If a file lacks a column or has one of another type. Nothing is changed.
    QuarantineLimitError
        If a day has more bad rows than `events.max_quarantine_share`. Nothing is changed.
    WarehouseLockedError
        If another process has the warehouse open.
    """
    notes = [*drop_erased(settings), *take_in_exposures(settings, as_of)]
    with connect(settings) as connection:
        plans = [_plan(connection, settings, as_of, feed, notes) for feed in FEEDS.values()]
        for plan in plans:
            if plan.folders:
                logger.info("Reading %s days of %s", len(plan.folders), plan.feed.name)
                notes += stage_arrivals(connection, settings, plan.feed, plan.folders)
                _check_bad_share(connection, settings, plan)
        counts = _write(connection, plans)
        report = LoadReport(
            as_of,
            {plan.feed.name: _feed_load(connection, plan, as_of, counts) for plan in plans},
            notes,
        )
    for note in notes:
        logger.warning("%s", note)
    content = json.dumps(report.as_dict(), indent=2, sort_keys=True).encode()
    write_atomically(settings.run_folder(as_of).load, content)
    return report


def _plan(
    connection: duckdb.DuckDBPyConnection,
    settings: Settings,
    as_of: date,
    feed: Feed,
    notes: list[str],
) -> _Plan:
    """Decide which days of a feed to load: new ones, and changed ones within the look-back."""
    folders, passed_over = list_day_folders(settings, feed.name, as_of)
    notes += passed_over
    known: dict[date, str] = dict(
        connection.execute(
            "select landed_date, fingerprint from raw.loads where feed = ?", [feed.name]
        ).fetchall()
    )
    oldest_to_recheck = settings.events.first_day_to_recheck(as_of)
    chosen, fingerprints, unchanged_days = [], {}, 0
    for folder in folders:
        day = folder.landed_date
        if day in known and day < oldest_to_recheck:
            continue
        fingerprints[day] = folder.fingerprint()
        if known.get(day) == fingerprints[day]:
            unchanged_days += 1
        else:
            chosen.append(folder)
    return _Plan(feed, chosen, fingerprints, unchanged_days)


def _check_bad_share(
    connection: duckdb.DuckDBPyConnection, settings: Settings, plan: _Plan
) -> None:
    limit = settings.events.max_quarantine_share
    table = arrived_table(plan.feed)
    worst = connection.execute(
        f"""
        select landed_date, count(reason) filter (reason <> $set_aside) as bad_count, count(*)
        from {table} group by landed_date having bad_count > $limit * count(*)
        order by bad_count / count(*) desc, landed_date limit 1
        """,
        {"limit": limit, "set_aside": HEAVY_USER},
    ).fetchone()
    if worst is None:
        return
    day, bad_count, row_count = worst
    reasons = connection.execute(
        f"""
        select reason, count(*), min({plan.feed.key[0]}) from {table}
        where landed_date = ? and reason is not null
        group by reason order by count(*) desc, reason
        """,
        [day],
    ).fetchall()
    found = ", ".join(
        f"{reason} {count}" + (f" (as {plan.feed.key[0]} {example[:40]!r})" if example else "")
        for reason, count, example in reasons
    )
    hint = f" {REPEATED_ID_HINT}" if any(row[0] == REPEATED_ID for row in reasons) else ""
    raise QuarantineLimitError(
        f"At most {limit:.2%} of a day's rows may be bad (events.max_quarantine_share). "
        f"Got {bad_count} of {row_count} {plan.feed.name} rows ({bad_count / row_count:.2%}) "
        f"landed on {day}: {found}.{hint} "
        f"Correct the files in {plan.folders[0].files[0].parent.parent}"
        f"/date={day} and load again; nothing was changed."
    )


def _write(
    connection: duckdb.DuckDBPyConnection, plans: list[_Plan]
) -> dict[str, tuple[int, int, dict[str, int]]]:
    """Replace the chosen days of all feeds in one transaction."""
    counts = {}
    with transaction(connection):
        for plan in plans:
            if plan.folders:
                logger.info("Writing %s days of %s", len(plan.folders), plan.feed.name)
                days = (folder.landed_date for folder in plan.folders)
                fingerprints = {day: plan.fingerprints[day] for day in days}
                counts[plan.feed.name] = replace_days(connection, plan.feed, fingerprints)
    return counts


def _feed_load(
    connection: duckdb.DuckDBPyConnection,
    plan: _Plan,
    as_of: date,
    counts: dict[str, tuple[int, int, dict[str, int]]],
) -> FeedLoad:
    row_count, left_out_count, reasons = counts.get(plan.feed.name, (0, 0, {}))
    repeated_count = count_repeated(connection, plan.feed) if left_out_count else 0
    total_days, total_rows = connection.execute(
        """
        select count(*), coalesce(sum(row_count), 0)::bigint from raw.loads
        where feed = ? and landed_date < ?
        """,
        [plan.feed.name, as_of],
    ).fetchall()[0]
    logger.info(
        "%s: %s days loaded, %s rows, %s duplicates, %s repeated, %s quarantined",
        plan.feed.name,
        len(plan.folders),
        row_count,
        left_out_count - repeated_count,
        repeated_count,
        sum(reasons.values()),
    )
    return FeedLoad(
        loaded_days=len(plan.folders),
        unchanged_days=plan.unchanged_days,
        row_count=row_count,
        duplicate_count=left_out_count - repeated_count,
        repeated_count=repeated_count,
        quarantined_count=sum(reasons.values()),
        reasons=reasons,
        total_days=total_days,
        total_rows=total_rows,
    )
