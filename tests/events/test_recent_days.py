from __future__ import annotations

from datetime import date, datetime

import pytest

from pipelines.base.errors import DayFilesError
from pipelines.events.exposures import API_FILES
from pipelines.events.load import load_days, load_night
from pipelines.events.recent_days import require_recent_days


@pytest.fixture
def shop(make_settings, write_rows, event):
    """A home whose only day of events is 2024-01-05."""
    settings = make_settings(features={"stale_error_days": 3})
    write_rows(settings, [event(1, event_at=datetime(2024, 1, 5, 9))], day=date(2024, 1, 5))
    return settings


@pytest.mark.parametrize("day", [6, 7, 9])
def test_a_night_whose_days_are_there_goes_on(shop, day):
    require_recent_days(shop, date(2024, 1, day))


def test_a_night_whose_days_are_not_there_is_refused_and_the_newest_that_can_run_is_named(shop):
    with pytest.raises(DayFilesError, match=r"4 whole days are missing.* --as-of 2024-01-06"):
        require_recent_days(shop, date(2024, 1, 10))
    with pytest.raises(DayFilesError, match="No day file of events is of a day before 2024-01-05"):
        require_recent_days(shop, date(2024, 1, 5))


def test_a_refused_night_changes_nothing(shop, dump):
    load_days(shop, date(2024, 1, 6))
    before = dump(shop)
    with pytest.raises(DayFilesError, match="5,0.. whole days are missing"):
        load_night(shop, date(2037, 11, 1))
    assert dump(shop) == before
    assert not shop.run_folder(date(2037, 11, 1)).folder.exists()


def test_days_on_which_lists_were_only_shown_do_not_count(shop, write_rows, event):
    shown = event(2, event_type="served")
    write_rows(shop, [shown], day=date(2024, 1, 9), name=f"{API_FILES}.parquet")
    with pytest.raises(DayFilesError, match="the newest day with events|The newest day"):
        require_recent_days(shop, date(2024, 1, 10))
    clicked = event(3, event_type="click")
    write_rows(shop, [shown, clicked], day=date(2024, 1, 9), name=f"{API_FILES}.parquet")
    require_recent_days(shop, date(2024, 1, 10))
