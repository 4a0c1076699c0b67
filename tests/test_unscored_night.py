"""A night in whose windows nobody can be scored: an error before anything is fitted, or a report."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from pipelines.base.config import load_settings
from pipelines.base.current import read_current
from pipelines.base.errors import NoScoredUsersError
from pipelines.report.report import build_report
from pipelines.report.report_text import report_document
from pipelines.run.night import run_in_a_row
from tests.conftest import SHOP_SETTINGS, terminal_text, write_day

FIRST, DAYS = date(2024, 1, 1), 56
NIGHT = FIRST + timedelta(days=DAYS)
#: Day from which everybody only buys again what they bought before; none of it is in a window then.
EXPLORED = 38


@pytest.fixture
def settings(tmp_path):
    """24 people who each try 12 of 15 items one by one, and then only buy them again."""
    found = load_settings(SHOP_SETTINGS, tmp_path / "home")
    only = {"discover": found.placements["discover"]}
    found = found.model_copy(update={"placements": only})
    for day in range(DAYS):
        buyers = [user for user in range(24) if (user + day) % 3 == 0]
        at = datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day, hours=9)
        write_day(
            found,
            "events",
            at.date(),
            {
                "event_type": ["purchase"] * len(buyers),
                "user_id": [f"u{user:02}" for user in buyers],
                "item_id": [f"i{(user + day // 3 % 12) % 15:02}" for user in buyers],
                "event_at": [at] * len(buyers),
            },
        )
    return found


def test_a_first_night_with_nobody_to_score_stops_before_anything_is_fitted(settings):
    with pytest.raises(NoScoredUsersError, match="discover has 0 in the .* window"):
        run_in_a_row(settings, NIGHT)
    run = settings.run_folder(NIGHT)
    assert run.snapshot.exists() and not run.plan.exists()


@pytest.mark.slow
def test_a_later_night_keeps_its_champion_and_its_report_says_that_nobody_was_scored(settings):
    earlier = FIRST + timedelta(days=EXPLORED - 7)
    run_in_a_row(settings, earlier)
    run_in_a_row(settings, NIGHT)
    assert read_current(settings).publication_id.startswith(NIGHT.isoformat())
    text = terminal_text(report_document(build_report(settings, NIGHT), is_whole=False))
    assert "leaderboard on the gate window, 0 users" in text
    assert "Nobody could be scored in the gate window" in text
    assert "Gate: KEPT" in text
