"""Compare the number of events that arrived with the days before, as two ratios."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

#: Number of days that recent days are compared with.
BASE_DAYS = 28
#: Number of recent days that are compared as a whole.
RECENT_DAYS = 7
#: Least number of earlier days with events that a comparison needs.
MIN_BASE_DAYS = 3


@dataclass(frozen=True)
class Volume:
    """Number of events of the newest day and week, compared with the days before.

    Parameters
    ----------
    day_count : int
        Events landed on the day before `as_of`.
    day_ratio : float or None
        `day_count` over the mean of the days with events among the 28 before; None if there are
        fewer than `MIN_BASE_DAYS`, or if neither this day nor the one a week earlier has events.
    week_ratio : float or None
        Mean events per day of the last 7 days over that of the 28 before; None if fewer than
        `MIN_BASE_DAYS` of those had events.
    """

    day_count: int
    day_ratio: float | None
    week_ratio: float | None


def measure_volume(counts: Mapping[date, int], as_of: date) -> Volume:
    """Compare the newest day and week with what came before.

    Parameters
    ----------
    counts : mapping of date to int
        Events by landed day; days without files may be left out.
    as_of : date
        Exclusive end; later days are not looked at.

    Returns
    -------
    Volume

    Examples
    --------
    >>> days = {date(2011, 5, day): 100 for day in range(1, 30)} | {date(2011, 5, 30): 60}
    >>> measure_volume(days, date(2011, 5, 31)).day_ratio
    0.6
    """
    newest = as_of - timedelta(days=1)
    day_count = counts.get(newest, 0)
    week_ago = counts.get(newest - timedelta(days=7), 0)
    is_closed_weekday = day_count == 0 and week_ago == 0
    busy = [count for count in _last(counts, newest, BASE_DAYS) if count > 0]
    day_ratio = None
    if len(busy) >= MIN_BASE_DAYS and not is_closed_weekday:
        day_ratio = day_count / (sum(busy) / len(busy))
    recent_start = as_of - timedelta(days=RECENT_DAYS)
    base = _last(counts, recent_start, BASE_DAYS)
    week_ratio = None
    if sum(count > 0 for count in base) >= MIN_BASE_DAYS:
        recent = _last(counts, as_of, RECENT_DAYS)
        # The log may be younger than the base: only its days count.
        base_days = (recent_start - max(min(counts), recent_start - _days(BASE_DAYS))).days
        week_ratio = (sum(recent) / RECENT_DAYS) / (sum(base) / base_days)
    return Volume(day_count, day_ratio, week_ratio)


def _days(number: int) -> timedelta:
    return timedelta(days=number)


def _last(counts: Mapping[date, int], end: date, length: int) -> list[int]:
    return [counts.get(end - _days(back), 0) for back in range(1, length + 1)]
