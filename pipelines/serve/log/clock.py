"""The API's one clock; whatever depends on the time is given it as an argument."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

#: Returns the present moment, UTC, with its zone.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present moment."""
    return datetime.now(UTC)


def file_clock(path: Path) -> Clock:
    """A clock that shows the moment in a file, for simulations: ISO text, UTC."""

    def read() -> datetime:
        return parse_utc(path.read_text(encoding="utf-8").strip())

    return read


def iso(moment: datetime) -> str:
    """A moment as the API writes it.

    Examples
    --------
    >>> iso(datetime(2024, 3, 1, 12, 30, 5, 250_000, tzinfo=UTC))
    '2024-03-01T12:30:05.250000Z'
    """
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}Z"


def parse_utc(text: str) -> datetime:
    """A moment from ISO text with ``Z`` or an offset; a bare one counts as UTC.

    Raises
    ------
    ValueError
        If it is not ISO 8601.

    Examples
    --------
    >>> parse_utc("2024-03-01T13:30:05+01:00").isoformat()
    '2024-03-01T12:30:05+00:00'
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return day.toordinal() - date(1970, 1, 1).toordinal()
