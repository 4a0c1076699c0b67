from __future__ import annotations

from datetime import timedelta

import pytest

from pipelines.base.errors import NoScoredUsersError
from pipelines.base.tables import SERVING_CHAMPIONS
from pipelines.base.warehouse import connect, replace_slice
from pipelines.gate.select import table_frame
from pipelines.gate.windows import check_windows
from tests.judged_shop import AS_OF, take_shop  # noqa: F401 - pytest finds the fixture by its name

#: Days before the selection window, in it, and in the gate window, of a night with a week's horizon.
BEFORE, SELECTION, GATE = (AS_OF - timedelta(days=days) for days in (20, 10, 3))


@pytest.fixture
def check(make_settings, take_shop):  # noqa: F811 - the fixture imported above
    """Check the windows of a night over rows of (user_id, item_id, event_type, day)."""

    def run(rows, *, unavailable=(), champion=False, **overrides):
        values = {
            "evaluation": {"horizon_days": 7},
            "placements": {"discover": {"exclude": "all"}},
            **overrides,
        }
        settings = make_settings(**values)
        take_shop(settings, rows, unavailable=unavailable)
        if champion:
            row = {"as_of": AS_OF - timedelta(days=1), "placement": "discover", "candidate": "a"}
            row |= {"spec_hash": "1", "spec": "{}", "is_promoted": False, "reason": ""}
            with connect(settings) as warehouse:
                frame = table_frame(SERVING_CHAMPIONS, [row])
                replace_slice(warehouse, SERVING_CHAMPIONS, frame, {"as_of": row["as_of"]})
        return check_windows(settings, AS_OF)

    return run


def bought(user, item, day, event_type="purchase"):
    return (user, item, event_type, day)


#: u1 buys something new in both windows, u2 in the first.
SOUND = [
    bought("u1", "a", BEFORE),
    bought("u2", "b", BEFORE),
    bought("u1", "b", SELECTION),
    bought("u2", "a", SELECTION),
    bought("u1", "c", GATE),
    bought("u2", "b", GATE),
]


def test_users_that_can_be_scored_are_counted_by_placement_and_window(check):
    placements = {"discover": {"exclude": "all"}, "for_you": {"exclude": "none"}}
    assert check(SOUND, placements=placements) == {
        "discover": {"selection": 2, "gate": 1},
        "for_you": {"selection": 2, "gate": 2},
    }


def test_a_log_of_repeats_only_names_the_exclusion(check):
    rows = [bought(user, "a", day) for user in ("u1", "u2") for day in (BEFORE, SELECTION, GATE)]
    with pytest.raises(
        NoScoredUsersError,
        match=r"discover has 0 in the selection window, 2024-02-16 to 2024-02-22: of its 2 users "
        r"with purchase, 2 met only items they knew \(placements.discover.exclude is 'all'\)\. "
        r'.*exclude = "none" or exclude_within_days',
    ):
        check(rows)


def test_another_event_type_than_the_truth_is_named_with_its_count(check):
    rows = [bought(*row[:2], row[3], "view") for row in SOUND]
    with pytest.raises(
        NoScoredUsersError,
        match=r"no event of evaluation.truth_events \(purchase\), but 2 view\. "
        r"Set evaluation.truth_events",
    ):
        check(rows, events={"weights": {"view": 1.0}})


def test_histories_without_a_weight_are_refused(check):
    rows = [bought(*row[:2], row[3], "rating") for row in SOUND]
    with pytest.raises(
        NoScoredUsersError,
        match=r"events.weights is {'purchase': 1.0}, and the log has 2 rating\. Give those",
    ):
        check(rows, evaluation={"horizon_days": 7, "truth_events": ["rating"]})


def test_a_log_shorter_than_the_horizons_says_how_long_they_may_be(check):
    rows = [row for row in SOUND if row[3] != BEFORE]
    with pytest.raises(
        NoScoredUsersError,
        match=r"none of the 2 users with purchase in it is known from before 2024-02-16\. "
        r"evaluation.horizon_days is 7, and 10 days are known before 2024-03-01.*Set it to 2",
    ):
        check(rows)


def test_a_night_long_after_the_log_says_which_night_has_events(check):
    rows = [(user, item, kind, day - timedelta(days=60)) for user, item, kind, day in SOUND]
    with pytest.raises(
        NoScoredUsersError, match=r"the log ends on 2023-12-29\. .*--as-of 2023-12-30"
    ):
        check(rows)


def test_items_that_nobody_may_be_shown_are_named(check):
    with pytest.raises(NoScoredUsersError, match="met no item that may be shown to them"):
        check(SOUND, unavailable=("a", "b", "c"))


def test_no_event_at_all_is_said(check):
    with pytest.raises(NoScoredUsersError, match="no event is known at all"):
        check([(user, item, "impression", day) for user, item, _, day in SOUND])


def test_a_placement_with_a_champion_goes_on_with_a_warning(check, caplog):
    rows = [row for row in SOUND if row[3] != GATE]
    assert check(rows, champion=True) == {"discover": {"selection": 2, "gate": 0}}
    assert "discover keeps its champion: discover has 0 in the gate window" in caplog.text
