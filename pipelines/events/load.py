"""Load day files before `as_of` into `raw`: check all of them, then write them at once.

A day is loaded if it is new or its files are others than those it was loaded from, however old it
is; a day whose files are gone is removed. So `raw` holds what the day files say, and nothing else.
"""

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
from pipelines.events.day_changes import (
    DayChanges,
    check_landing,
    days_text,
    find_changes,
    mark_loaded,
    notes_on_sources,
)
from pipelines.events.day_folders import write_atomically
from pipelines.events.erased import drop_erased
from pipelines.events.exposures import take_in_exposures
from pipelines.events.feeds import FEEDS
from pipelines.events.raw_days import note_file_times, remove_days, replace_days
from pipelines.events.recent_days import require_recent_days
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
        Days whose files have not changed since they were loaded.
    row_count, duplicate_count, quarantined_count : int
        Rows of the loaded days: kept, left out because another has their key, and bad.
    repeated_count : int
        Rows left out because another is the same in every value; not among the duplicates.
    reasons : dict of str to int
        Bad rows of the loaded days by reason code.
    removed_days, removed_rows : int
        Days whose files are gone, and the rows that `raw` had of them.
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
    removed_days: int
    removed_rows: int
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
        Columns and files that were passed over; old days that changed, and days that are gone.
    """

    as_of: date
    feeds: dict[str, FeedLoad]
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Plain values, as written to `load.json`."""
        return {**asdict(self), "as_of": self.as_of.isoformat()}


@dataclass(frozen=True)
class _Written:
    row_count: int = 0
    duplicate_count: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    removed_rows: int = 0


def load_night(settings: Settings, as_of: date) -> LoadReport:
    """Load the days before a night, if they are there: `load_days` for the step of a night.

    Raises
    ------
    DayFilesError
        As `load_days`, and if the night's days are not there (`require_recent_days`).
    """
    return load_days(settings, as_of, needs_recent=True)


def load_days(
    settings: Settings, as_of: date, *, allow_gone: bool = False, needs_recent: bool = False
) -> LoadReport:
    """Load every landed day before `as_of` that is new or changed; remove days that are gone.

    What the API logged is landed first, as day files beside the shop's own.
    Every file is read, typed and judged before any table changes; then the days of both feeds are
    replaced and removed in one transaction. Bad rows go to `raw.quarantine`. The same files give
    the same tables, in whichever order and however often their days are loaded.

    Parameters
    ----------
    settings : Settings
        Home, accepted event types, look-back and limit of bad rows.
    as_of : date
        Exclusive end: day folders from this day on are left alone, and so are their rows.
    allow_gone : bool, default False
        Also remove rows where the landing area looks as if it was lost.
    needs_recent : bool, default False
        Whether the days right before `as_of` must be there.

    Returns
    -------
    LoadReport
        Also written to `load.json` in the night's run folder.

    Raises
    ------
    DayFilesError
        If the home has no day file, none of a feed that is loaded, or one that cannot be read; if
        loaded days are gone from a landing area that was not loaded before. Nothing is changed.
    SchemaError
        If a file lacks a column or has one of another type. Nothing is changed.
    QuarantineLimitError
        If a day has more bad rows than `events.max_quarantine_share`. Nothing is changed.
    WarehouseLockedError
        If another process has the warehouse open.

    Notes
    -----
    A file is known again by its name, size and times; only where these are others than when its
    day was loaded, and within the look-back, is it read to compare its bytes. Rows of a day are
    known from the day in its folder's name, also if the file was corrected later: nights that are
    run again know the correction, what other nights hold stays as it was.
    """
    check_landing(settings, allow_gone=allow_gone)
    notes = [
        *notes_on_sources(settings),
        *drop_erased(settings),
        *take_in_exposures(settings, as_of),
    ]
    if needs_recent:
        require_recent_days(settings, as_of)
    with connect(settings) as connection:
        changes = [find_changes(connection, settings, as_of, feed) for feed in FEEDS.values()]
        for one in changes:
            mark_loaded(settings, one, allow_gone=allow_gone)
            notes += one.notes
            if one.folders:
                logger.info("Reading %s days of %s", len(one.folders), one.feed.name)
                notes += stage_arrivals(connection, settings, one.feed, one.folders)
                _check_bad_share(connection, settings, one)
        written = _write(connection, changes)
        feeds = {
            one.feed.name: _feed_load(connection, one, as_of, written[one.feed.name])
            for one in changes
        }
    notes += [_note_on_gone(one, feeds[one.feed.name]) for one in changes if one.gone_days]
    if not any(feed.total_days for feed in feeds.values()):
        notes.append(f"no day file is of a day before {as_of}")
    report = LoadReport(as_of, feeds, notes)
    for note in notes:
        logger.warning("%s", note)
    content = json.dumps(report.as_dict(), indent=2, sort_keys=True).encode()
    write_atomically(settings.run_folder(as_of).load, content)
    return report


def _check_bad_share(
    connection: duckdb.DuckDBPyConnection, settings: Settings, changes: DayChanges
) -> None:
    limit = settings.events.max_quarantine_share
    table = arrived_table(changes.feed)
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
        select reason, count(*), min({changes.feed.key[0]}) from {table}
        where landed_date = ? and reason is not null
        group by reason order by count(*) desc, reason
        """,
        [day],
    ).fetchall()
    key = changes.feed.key[0]
    found = ", ".join(
        f"{reason} {count}" + (f" (as {key} {example[:40]!r})" if example else "")
        for reason, count, example in reasons
    )
    hint = f" {REPEATED_ID_HINT}" if any(row[0] == REPEATED_ID for row in reasons) else ""
    landing = changes.folders[0].files[0].parent.parent
    raise QuarantineLimitError(
        f"At most {limit:.2%} of a day's rows may be bad (events.max_quarantine_share). "
        f"Got {bad_count} of {row_count} {changes.feed.name} rows ({bad_count / row_count:.2%}) "
        f"landed on {day}: {found}.{hint} Correct the files in {landing}/date={day} and load "
        "again; nothing was changed."
    )


def _write(connection: duckdb.DuckDBPyConnection, changes: list[DayChanges]) -> dict[str, _Written]:
    """Replace the changed days of all feeds, and remove those that are gone, in one transaction."""
    with transaction(connection):
        return {one.feed.name: _write_feed(connection, one) for one in changes}


def _write_feed(connection: duckdb.DuckDBPyConnection, changes: DayChanges) -> _Written:
    counts: tuple[int, int, dict[str, int]] = (0, 0, {})
    removed_rows = 0
    if changes.folders:
        logger.info("Writing %s days of %s", len(changes.folders), changes.feed.name)
        days = (folder.landed_date for folder in changes.folders)
        fingerprints = {day: changes.fingerprints[day] for day in days}
        counts = replace_days(connection, changes.feed, fingerprints)
    if changes.gone_days:
        removed_rows = remove_days(connection, changes.feed, changes.gone_days)
    if changes.file_times:
        note_file_times(connection, changes.feed, changes.file_times)
    return _Written(*counts, removed_rows)


def _note_on_gone(changes: DayChanges, load: FeedLoad) -> str:
    return (
        f"{changes.feed.name}: the day files of {load.removed_days} loaded days are gone, and "
        f"their {load.removed_rows} rows were removed: {days_text(changes.gone_days)}"
    )


def _feed_load(
    connection: duckdb.DuckDBPyConnection, changes: DayChanges, as_of: date, written: _Written
) -> FeedLoad:
    repeated_count = count_repeated(connection, changes.feed) if written.duplicate_count else 0
    total_days, total_rows = connection.execute(
        """
        select count(*), coalesce(sum(row_count), 0)::bigint from raw.loads
        where feed = ? and landed_date < ?
        """,
        [changes.feed.name, as_of],
    ).fetchall()[0]
    load = FeedLoad(
        loaded_days=len(changes.folders),
        unchanged_days=changes.unchanged_days,
        row_count=written.row_count,
        duplicate_count=written.duplicate_count - repeated_count,
        repeated_count=repeated_count,
        quarantined_count=sum(written.reasons.values()),
        reasons=written.reasons,
        removed_days=len(changes.gone_days),
        removed_rows=written.removed_rows,
        total_days=total_days,
        total_rows=total_rows,
    )
    logger.info(
        "%s: %s days loaded, %s rows, %s duplicates, %s quarantined",
        changes.feed.name,
        load.loaded_days,
        load.row_count,
        load.duplicate_count,
        load.quarantined_count,
    )
    return load
