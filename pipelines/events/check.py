"""Check the rows that landed within the look-back, and their volume, with Great Expectations.

The load has checked each row already; this checks its result independently, and what no single row
shows: how many rows came, how late, how many are about items the catalogue does not know, and
whether one user makes much of them.
"""

from __future__ import annotations

import json
import logging
from datetime import date, timedelta
from typing import TYPE_CHECKING

from pipelines.base.config import Settings
from pipelines.base.ids import MAX_ID_LENGTH
from pipelines.base.warehouse import connect
from pipelines.events.day_folders import write_atomically
from pipelines.events.expectations import Check, CheckReport, run_checks
from pipelines.events.feeds import EVENTS, ITEMS
from pipelines.events.user_shares import UserShare, largest_shares
from pipelines.events.volume import BASE_DAYS, RECENT_DAYS, Volume, measure_volume

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

logger = logging.getLogger(__name__)

#: Share of events that should be about items of the item feed.
KNOWN_ITEM_SHARE = 0.9
#: Share of events that should arrive within the look-back.
ON_TIME_SHARE = 0.95

_NOT_NULL = "ExpectColumnValuesToNotBeNull"
_BETWEEN = "ExpectColumnValuesToBeBetween"

EVENTS_FRAME_SQL = """
select
    event_id,
    event_type,
    user_id,
    item_id,
    event_at,
    price,
    length(user_id) as user_id_length,
    length(item_id) as item_id_length,
    date_diff('day', event_at::date, landed_date) as days_late,
    item_id in (select item_id from raw.items where landed_date < $end) as is_known_item
from raw.events
where landed_date >= $start and landed_date < $end
"""
ITEMS_FRAME_SQL = """
select
    item_id,
    title,
    price,
    valid_from,
    length(item_id) as item_id_length,
    date_diff('day', valid_from::date, landed_date) as days_late
from raw.items
where landed_date >= $start and landed_date < $end
"""


def check_events(settings: Settings, as_of: date) -> CheckReport:
    """Check the rows that landed within the look-back before `as_of`, and their volume.

    A day without events is judged by the last seven days against the 28 before them, so a closed
    shop does not stop the night; a feed that ran dry does.

    Parameters
    ----------
    settings : Settings
        Home, look-back, event types, and thresholds of volume and of one user's share.
    as_of : date
        Exclusive end.

    Returns
    -------
    CheckReport
        Also written to `check_events.json`, and as a page to `check_events.html`.

    Raises
    ------
    DataCheckError
        If a critical check fails: names the expectation and what was found. The report is written
        all the same.
    """
    with connect(settings) as connection:
        frames = _read_frames(connection, settings, as_of)
        counts = dict(
            connection.execute(
                # the API's own exposures do not show whether the shop's feed has dried up
                "select landed_date, count(*) from raw.events where landed_date < $end "
                "and landed_date >= $start and not list_contains($exposures, event_type) "
                "group by landed_date",
                {
                    "start": as_of - timedelta(days=RECENT_DAYS + BASE_DAYS),
                    "end": as_of,
                    "exposures": list(settings.events.exposures),
                },
            ).fetchall()
        )
        shares = largest_shares(connection, settings.events, as_of)
        has_items = bool(connection.execute("select 1 from raw.items limit 1").fetchone())
    volume = measure_volume(counts, as_of)
    logger.info("Events of the day before %s: %s", as_of, volume)
    frames["volume"] = _volume_frame(volume)
    frames["shares"] = _share_frame(*shares)
    checks = [
        *_volume_checks(settings, volume),
        *_share_checks(settings, *shares),
        *(_event_checks(settings, has_items) if len(frames["events"]) else ()),
        *(_item_checks() if len(frames["items"]) else ()),
    ]
    run = settings.run_folder(as_of)
    report = run_checks("events", as_of, frames, checks, run.event_checks_page)
    content = json.dumps(report.as_dict(), indent=2, sort_keys=True, default=str)
    write_atomically(run.event_checks, content.encode())
    return report.require_passed()


def _read_frames(
    connection: duckdb.DuckDBPyConnection, settings: Settings, as_of: date
) -> dict[str, pd.DataFrame]:
    bounds = {"start": settings.events.first_day_to_recheck(as_of), "end": as_of}
    return {
        EVENTS.name: connection.execute(EVENTS_FRAME_SQL, bounds).df(),
        ITEMS.name: connection.execute(ITEMS_FRAME_SQL, bounds).df(),
    }


def _volume_frame(volume: Volume) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(
        {
            "day_ratio": [1.0 if volume.day_ratio is None else volume.day_ratio],
            "week_ratio": [1.0 if volume.week_ratio is None else volume.week_ratio],
        }
    )


def _volume_checks(settings: Settings, volume: Volume) -> list[Check]:
    events = settings.events
    checks = []
    if volume.day_ratio is not None:
        bounds = {
            "min_value": 1 - events.volume_drop_warn,
            "max_value": 1 + events.volume_rise_warn,
        }
        meaning = (
            f"yesterday's {volume.day_count} events are {volume.day_ratio:.0%} of the mean of the "
            "days with events in the 28 before"
        )
        arguments = {"column": "day_ratio", **bounds}
        checks.append(Check("volume", _BETWEEN, arguments, "warning", meaning))
    if volume.week_ratio is not None:
        arguments = {"column": "week_ratio", "min_value": 1 - events.volume_drop_fail}
        meaning = (
            f"the last seven days hold {volume.week_ratio:.0%} of the daily events of the 28 days "
            "before; if the shop was closed that long, set events.volume_drop_fail = 1"
        )
        checks.append(Check("volume", _BETWEEN, arguments, "critical", meaning))
    return checks


def _share_frame(of_shop: UserShare | None, of_item: UserShare | None) -> pd.DataFrame:
    import pandas as pd

    shares = {"user_share": of_shop, "item_user_share": of_item}
    return pd.DataFrame({name: [found.share if found else 0.0] for name, found in shares.items()})


def _share_checks(
    settings: Settings, of_shop: UserShare | None, of_item: UserShare | None
) -> list[Check]:
    events = settings.events
    watched = (
        ("user_share", of_shop, events.user_share_warn),
        ("item_user_share", of_item, events.item_user_share_warn),
    )
    return [
        Check(
            "shares",
            _BETWEEN,
            {"column": column, "max_value": limit},
            "warning",
            f"{found.sentence()}; no user should make more than {limit:.0%} (events.{column}_warn)",
        )
        for column, found, limit in watched
        if found is not None
    ]


def _event_checks(settings: Settings, has_items: bool) -> list[Check]:
    types = {"column": "event_type", "value_set": list(settings.events.types)}
    late = {"column": "days_late", "max_value": settings.events.lookback_days}
    known = {"column": "is_known_item", "value_set": [True], "mostly": KNOWN_ITEM_SHARE}
    return [
        *(
            Check("events", _NOT_NULL, {"column": name}, "critical", f"every event has {name}")
            for name in ("event_id", *EVENTS.required)
        ),
        Check("events", "ExpectColumnValuesToBeInSet", types, "critical", "event types are known"),
        *_length_checks("events", ("user_id", "item_id")),
        _price_check("events"),
        _not_ahead("events", "no event is after the day it landed in"),
        Check(
            "events",
            _BETWEEN,
            {**late, "mostly": ON_TIME_SHARE},
            "warning",
            "most events land within events.lookback_days",
        ),
        *(
            [
                Check(
                    "events",
                    "ExpectColumnValuesToBeInSet",
                    known,
                    "warning",
                    "most events are about items of the item feed",
                )
            ]
            if has_items
            else []
        ),
    ]


def _item_checks() -> list[Check]:
    return [
        Check("items", _NOT_NULL, {"column": "item_id"}, "critical", "every item has an id"),
        Check("items", _NOT_NULL, {"column": "valid_from"}, "critical", "every item has a start"),
        Check(
            "items", _NOT_NULL, {"column": "title", "mostly": 0.9}, "warning", "most have a title"
        ),
        *_length_checks("items", ("item_id",)),
        _price_check("items"),
        _not_ahead("items", "no item starts after the day it landed in"),
    ]


def _length_checks(frame: str, ids: tuple[str, ...]) -> list[Check]:
    return [
        Check(
            frame,
            _BETWEEN,
            {"column": f"{name}_length", "min_value": 1, "max_value": MAX_ID_LENGTH},
            "critical",
            f"{name} has 1 to {MAX_ID_LENGTH} characters",
        )
        for name in ids
    ]


def _price_check(frame: str) -> Check:
    arguments = {"column": "price", "min_value": 0}
    return Check(frame, _BETWEEN, arguments, "critical", "no price is below zero")


def _not_ahead(frame: str, meaning: str) -> Check:
    return Check(frame, _BETWEEN, {"column": "days_late", "min_value": 0}, "critical", meaning)
