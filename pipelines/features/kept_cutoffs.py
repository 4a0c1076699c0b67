"""Which cutoffs of the feature tables a build must leave alone, though they are old.

Nights share the feature tables. A night's build drops cutoffs that nobody needs any more, counted
from the newest night whose build passed, so that a night which failed drops nothing of others. What
a night has built and not yet frozen in its snapshot is never dropped, however nights interleave.
"""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

from pipelines.base.config import Settings
from pipelines.base.durable import write_text


def begin_reading(settings: Settings, as_of: date) -> None:
    """Keep a night's cutoffs from the builds of other nights, from now until `end_reading`."""
    write_text(settings.run_folder(as_of).reading_features, "")


def end_reading(settings: Settings, as_of: date) -> None:
    """Let other nights drop a night's cutoffs: its snapshot has them."""
    settings.run_folder(as_of).reading_features.unlink(missing_ok=True)


def cutoffs_being_read(settings: Settings) -> list[date]:
    """Cutoffs of the nights whose build has begun and whose snapshot has not been taken, sorted."""
    nights = (
        night for night in settings.nights() if settings.run_folder(night).reading_features.exists()
    )
    return sorted({cutoff for night in nights for cutoff in settings.night(night).cutoffs})


def retained_from(settings: Settings) -> date:
    """The oldest cutoff to keep: `features.retention_days` before the newest night that was built.

    Returns
    -------
    date
        The first of all days if no build has passed.
    """
    built = [night for night in settings.nights() if is_built(settings.run_folder(night).build)]
    if not built:
        return date.min
    return max(built) - timedelta(days=settings.features.retention_days)


def is_built(path: Path) -> bool:
    """Whether a night's `build.json` says that all of it passed."""
    return path.exists() and bool(json.loads(path.read_text(encoding="utf-8"))["is_passed"])
