"""Check tonight's snapshot by a profile of its features, one row per cutoff."""

from __future__ import annotations

import logging
from datetime import date
from typing import TYPE_CHECKING, Any

from pipelines.base.config import Settings
from pipelines.events.expectations import Check, CheckReport, Severity, run_checks
from pipelines.features.read import read_catalogue, read_users

if TYPE_CHECKING:
    import pandas as pd

logger = logging.getLogger(__name__)

FRAME = "cutoffs"
#: Least share of the earlier cutoff's users still known; below 1, users may have been erased.
LOST_USERS_WARN, LOST_USERS_FAIL = 0.95, 0.5
#: Share of items without a title (shown as their id) above which there is a warning.
UNTITLED_WARN = 0.05
#: Columns of users and of items that the profile is computed from.
USER_COLUMNS = (
    "event_count",
    "active_days",
    "repeat_share",
    "revenue",
    "days_since_last_event",
    "days_since_first_event",
    "segment",
)
ITEM_COLUMNS = ("title", "price", "is_available", "purchase_trend")


def check_features(settings: Settings, as_of: date) -> CheckReport:
    """Check tonight's snapshot: counts, null shares and ranges of its features at each cutoff.

    Returns
    -------
    CheckReport
        With its warnings; its page is `check_features.html` of the run folder.

    Raises
    ------
    DataCheckError
        If a critical check failed.
    MissingSnapshotError
        If the night's snapshot has not been taken.
    """
    report = run_checks(
        "features",
        as_of,
        {FRAME: read_profile(settings, as_of)},
        feature_checks(settings),
        settings.run_folder(as_of).feature_checks_page,
    )
    logger.info(
        "features of %s: %d checks, %d warnings, %d failures",
        as_of,
        len(report.results),
        len(report.warnings),
        len(report.failures),
    )
    return report.require_passed()


def read_profile(settings: Settings, as_of: date) -> pd.DataFrame:
    """Counts, shares and ranges of the night's snapshot.

    Returns
    -------
    DataFrame
        One row per cutoff, sorted. Ranges of a table without rows are missing.
        ``kept_user_ratio`` is the number of users over that of the cutoff before; missing at the
        first.
    """
    import pandas as pd

    cutoffs = settings.night(as_of).cutoffs
    profile = pd.DataFrame([_profile_of(settings, as_of, cutoff) for cutoff in cutoffs])
    before = profile["user_count"].shift()
    return profile.assign(kept_user_ratio=profile["user_count"] / before.where(before > 0))


def _profile_of(settings: Settings, as_of: date, cutoff: date) -> dict[str, Any]:
    users = read_users(settings, as_of, cutoff, columns=USER_COLUMNS)
    items = read_catalogue(settings, as_of, cutoff, columns=ITEM_COLUMNS)
    return {
        "cutoff_date": cutoff.isoformat(),
        "user_count": len(users),
        "event_count": int(users["event_count"].sum()),
        "new_user_share": float((users["segment"] == "new").mean()),
        "least_active_days": users["active_days"].min(),
        "least_repeat_share": users["repeat_share"].min(),
        "most_repeat_share": users["repeat_share"].max(),
        "unknown_revenue_share": float(users["revenue"].isna().mean()),
        "days_since_newest_event": users["days_since_last_event"].min(),
        "history_days": users["days_since_first_event"].max(),
        "item_count": len(items),
        "available_count": int(items["is_available"].sum()),
        "untitled_share": float(items["title"].isna().mean()),
        "unpriced_share": float(items["price"].isna().mean()),
        "least_price": items["price"].min(),
        "most_purchase_trend": items["purchase_trend"].max(),
    }


def feature_checks(settings: Settings) -> tuple[Check, ...]:
    """Checks of the profile: what must hold at every cutoff (critical), and warnings."""
    known = (
        "is known at every cutoff; day files must land on the day of their events, and before the "
        "first cutoff, two evaluation.horizon_days before the night"
    )
    return (
        _between("critical", f"a user {known}", "user_count", least=1),
        _between("critical", f"an item {known}", "item_count", least=1),
        _between("critical", "an item can be shown", "available_count", least=1),
        _between("critical", f"an event {known}", "event_count", least=1),
        _between("critical", "most users stay known", "kept_user_ratio", least=LOST_USERS_FAIL),
        _between("warning", "users stay known", "kept_user_ratio", least=LOST_USERS_WARN),
        _between("critical", "users were active", "least_active_days", least=1),
        _between("critical", "a share is at least 0", "least_repeat_share", least=0),
        _between("critical", "a share is at most 1", "most_repeat_share", most=1),
        _between("critical", "revenue is known", "unknown_revenue_share", most=0),
        _between("warning", "prices are not negative", "least_price", least=0),
        _between("warning", "items have titles", "untitled_share", most=UNTITLED_WARN),
        _between("warning", "items have prices", "unpriced_share", most=UNTITLED_WARN),
        _between("critical", "the future is unseen", "days_since_newest_event", least=1),
        _between(
            "warning",
            "events are fresh at every cutoff",
            "days_since_newest_event",
            most=settings.features.stale_warn_days,
        ),
        _between(
            "warning",
            "there is at least a horizon of history at every cutoff",
            "history_days",
            least=settings.evaluation.horizon_days,
        ),
    )


def _between(
    severity: Severity,
    meaning: str,
    column: str,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Check:
    """Check that a column of the profile is within bounds; an empty column passes."""
    bounds: dict[str, Any] = {"min_value": least, "max_value": most}
    return Check(
        FRAME,
        "ExpectColumnValuesToBeBetween",
        {"column": column, **{name: bound for name, bound in bounds.items() if bound is not None}},
        severity,
        meaning,
    )
