"""Require that a night's days are there, before the night changes anything."""

from __future__ import annotations

from datetime import date, timedelta

from pipelines.base.config import Settings
from pipelines.base.errors import DayFilesError
from pipelines.events.day_folders import DayFolder, list_day_folders
from pipelines.events.exposures import API_FILES


def require_recent_days(settings: Settings, as_of: date) -> None:
    """Refuse a night before which too many whole days have no events.

    Days on which lists were only shown do not count: an API that answers makes those.

    Raises
    ------
    DayFilesError
        If more than `features.stale_error_days` whole days before `as_of` have none.
    """
    limit = settings.features.stale_error_days
    folders, _ = list_day_folders(settings, "events", as_of)
    newest = next(
        (folder.landed_date for folder in reversed(folders) if _tells_of_people(settings, folder)),
        None,
    )
    if newest is None:
        found = f"No day file of events is of a day before {as_of}."
        remedy = "Land the files of this shop (recsys land), or name a later night."
    elif (missing := (as_of - newest).days - 1) > limit:
        found = (
            f"The newest day with events before {as_of} is {newest}: {missing:,} whole days are "
            f"missing, and at most {limit} may be (features.stale_error_days)."
        )
        remedy = (
            "Land the days that are missing, or run the newest night that there are days for: "
            f"recsys run --as-of {newest + timedelta(days=1)}."
        )
    else:
        return
    raise DayFilesError(
        f"A night must have the events of the days before it in {settings.landing}. {found} "
        f"{remedy} Nothing was changed."
    )


def _tells_of_people(settings: Settings, folder: DayFolder) -> bool:
    """Whether a day has events of people, and not only what the API showed them."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    if any(path.stem != API_FILES for path in folder.files):
        return True
    types = (pq.read_table(path, columns=["event_type"])["event_type"] for path in folder.files)
    shown = pa.array(settings.events.exposures, pa.string())
    return any(pc.any(pc.invert(pc.is_in(column, shown))).as_py() for column in types)
