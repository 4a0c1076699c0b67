"""Land the sources that the settings list (`[[sources]]`): the first step of a night."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from pipelines.base.config import Settings
from pipelines.base.durable import write_json
from pipelines.base.errors import LandingError, PipelineError
from pipelines.base.ids import printable
from pipelines.base.source_settings import SourceSettings
from pipelines.events.landing import LandReport, land
from pipelines.events.sources.presets import read_presets
from pipelines.events.sources.source_files import content_state

logger = logging.getLogger(__name__)


def land_night(settings: Settings, as_of: date) -> list[LandReport]:
    """Land the sources of the settings as the first step of a night, and write down what they gave.

    It stands in the night's `landed.json`, by name of the source and without the lines that the
    notes quote; also where `land_sources` raises.
    """
    record: list[dict[str, Any]] = []
    try:
        return land_sources(settings, as_of, record)
    finally:
        if record:
            write_json(settings.run_folder(as_of).landed, record)


def land_sources(
    settings: Settings, as_of: date, record: list[dict[str, Any]] | None = None
) -> list[LandReport]:
    """Land every source of the settings, feeds of events first; then say which failed.

    A source whose files have not changed is left alone; a query with a watermark is pulled from
    where the last pull ended. Of a source with a file a day, the files of the days that
    `events.lookback_days` covers are landed: the one of the day before `as_of` must be there.

    Parameters
    ----------
    settings : Settings
    as_of : date
        The night.
    record : list, optional
        Gets what each source gave, or why it gave nothing.

    Returns
    -------
    list of LandReport
        Of each source, and of each day's file.

    Raises
    ------
    LandingError
        If a source that is `required` could not be landed; the others are.
    """
    reports: list[LandReport] = []
    record = [] if record is None else record
    failures: dict[str, str] = {}
    for source in sorted(settings.sources, key=_is_no_events):
        try:
            for path in _paths(settings, source, as_of):
                report = land(
                    settings,
                    source.source,
                    path,
                    is_configured=True,
                    name=source.name,
                    **source.options,
                )
                _log(source.name, report)
                reports.append(report)
                record.append({"name": source.name, **report.as_dict(), "notes": []})
        except PipelineError as error:
            kind = "failed" if source.required else "is left out tonight (required = false)"
            logger.warning("Source %s %s: %s", source.name, kind, printable(str(error)))
            record.append({"name": source.name, "error": str(error)})
            if source.required:
                failures[source.name] = str(error)
    if failures:
        raise LandingError(_failed(settings.sources, failures))
    return reports


def _is_no_events(source: SourceSettings) -> bool:
    """Whether a source is of items or users, by its settings or its preset."""
    feed = read_presets().get(source.source, {}).get("feed", source.feed)
    return bool(feed != "events")


def _paths(settings: Settings, source: SourceSettings, as_of: date) -> Iterator[str | None]:
    """The paths to land: one, or that of each day that a night looks back to."""
    if not source.is_daily:
        yield source.path and source.day_path(as_of)
        return
    newest = as_of - timedelta(days=1)
    day = settings.events.first_day_to_recheck(as_of)
    while day < newest:
        if content_state(source.day_path(day)) is not None:
            yield source.day_path(day)
        day += timedelta(days=1)
    yield source.day_path(newest)


def _log(name: str, report: LandReport) -> None:
    logger.info(
        "Landed %s: %s events, %s item rows, %s user rows; %s files written, %s unchanged, "
        "%s removed",
        report.stem,
        report.event_count,
        report.item_count,
        report.user_count,
        report.written_files,
        report.unchanged_files,
        report.removed_files,
    )
    if lost := {**report.exclusions, **report.unread}:
        counts = "; ".join(f"{printable(reason)} {count:,}" for reason, count in lost.items())
        logger.warning("Source %s: left out or unread: %s", name, counts)
    for note in report.notes:
        logger.warning("Source %s: %s", name, printable(note))


def _failed(sources: Sequence[SourceSettings], failures: dict[str, str]) -> str:
    told = " | ".join(f"{name}: {message}" for name, message in failures.items())
    return (
        "Every required source must be landed before the night goes on. Failed: "
        f"{len(failures)} of {len(sources)}: {told} Mend it and repeat the step; a source that a "
        "night may do without has `required = false` in [[sources]]."
    )
