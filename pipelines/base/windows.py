"""The dates a night works with: `as_of`, the windows before it and their cutoffs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.base.errors import SettingsError


@dataclass(frozen=True)
class Window:
    """A stretch of days whose events are the truth for lists made at its start.

    Parameters
    ----------
    name : str
        ``selection`` or ``gate``.
    start : date
        First day of the truth, and the cutoff: recommenders fitted for this window know
        events with ``event_at < start`` only.
    end : date
        First day after the truth.
    """

    name: str
    start: date
    end: date

    @property
    def cutoff(self) -> date:
        """First day of the truth: events before it are known, later ones are to be predicted."""
        return self.start


@dataclass(frozen=True)
class NightWindows:
    """Windows of the night of `as_of`: selection ``[D-2H, D-H)``, gate ``[D-H, D)``.

    Examples
    --------
    >>> from datetime import date
    >>> night = NightWindows(date(2011, 12, 9), horizon_days=14)
    >>> night.selection.start.isoformat(), night.gate.start.isoformat()
    ('2011-11-11', '2011-11-25')
    >>> [day.isoformat() for day in night.cutoffs]
    ['2011-11-11', '2011-11-25', '2011-12-09']
    """

    as_of: date
    horizon_days: int

    @property
    def selection(self) -> Window:
        """The window on which the challenger is chosen among the candidates."""
        step = timedelta(days=self.horizon_days)
        return Window("selection", self.as_of - 2 * step, self.as_of - step)

    @property
    def gate(self) -> Window:
        """The window on which the challenger is compared with the champion."""
        step = timedelta(days=self.horizon_days)
        return Window("gate", self.as_of - step, self.as_of)

    @property
    def windows(self) -> tuple[Window, Window]:
        """Both windows, earliest first."""
        return (self.selection, self.gate)

    @property
    def cutoffs(self) -> tuple[date, date, date]:
        """Dates at which features are known: selection, gate, serving."""
        return (self.selection.cutoff, self.gate.cutoff, self.as_of)


def parse_day(text: str) -> date:
    """Read an ISO date.

    Raises
    ------
    SettingsError
        If `text` is not of the form YYYY-MM-DD.

    Examples
    --------
    >>> parse_day("2011-12-09")
    datetime.date(2011, 12, 9)
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(
            f"A day must be written YYYY-MM-DD. Got {text!r}. Example: --as-of 2011-12-09."
        ) from error
