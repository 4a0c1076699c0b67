from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as law
from hypothesis import strategies as st

from pipelines.base.warehouse import connect
from pipelines.events.feeds import EVENTS
from pipelines.events.load import load_days
from pipelines.events.staging import create_arrived
from pipelines.events.whole_days import REPEATED_ID, count_repeated, find_repeated_keys, judge_days

DAY = date(2024, 3, 1)
AS_OF = date(2024, 3, 2)


@pytest.fixture
def judge(make_settings):
    """Reasons of rows (event_id, user, item, type[, landed date]) of the first of March."""

    def judged(rows, **events):
        settings = make_settings(events=events)
        with connect(settings) as connection:
            create_arrived(connection, EVENTS)
            connection.executemany(
                """
                insert into arrived_events
                    (event_id, user_id, item_id, event_type, landed_date, event_at)
                values (?, ?, ?, ?, ?, ?)
                """,
                [(*(*row, DAY)[:5], datetime(2024, 3, 1)) for row in rows],
            )
            judge_days(connection, settings, EVENTS)
            return connection.execute("select reason from arrived_events").fetchall()

    return judged


def good_and_bad(reasons):
    return [reason for (reason,) in reasons]


@pytest.mark.parametrize(
    ("others", "reason"),
    [
        (("u", "j", "view"), REPEATED_ID),
        (("v", "i", "view"), REPEATED_ID),
        (("u", "i", "purchase"), REPEATED_ID),
        (("u", "i", "view"), None),
        (("u", "j", "view", date(2024, 2, 29)), None),
    ],
)
def test_an_id_of_several_events_of_a_day_is_no_id(judge, others, reason):
    rows = [("e", "u", "i", "view"), ("e", *others), ("f", "u", "i", "view")]
    assert good_and_bad(judge(rows)) == [reason, reason, None]


@pytest.mark.parametrize(
    ("share", "bulk", "reason"),
    [(0.5, 100, "heavy_user"), (0.5, 99, None), (0.95, 100, None), (1.0, 100, None)],
)
def test_a_user_who_makes_most_of_a_day_is_set_aside(judge, share, bulk, reason):
    rows = [(f"b{n}", "bulk", "i", "view") for n in range(bulk)]
    rows += [(f"o{n}", f"u{n}", "i", "view") for n in range(20)]
    rows += [(f"s{n}", "u1", "i", "served") for n in range(500)]  # shown, not done
    found = good_and_bad(judge(rows, user_share_quarantine=share))
    assert found == [reason] * bulk + [None] * 520


def test_rows_set_aside_do_not_count_against_the_limit_of_bad_rows(
    make_settings, event, write_rows, dump
):
    settings = make_settings(events={"user_share_quarantine": 0.5})
    rows = [event(n, user_id="bulk", item_id="i") for n in range(300)]
    write_rows(settings, rows + [event(1000 + n, user_id=f"u{n}") for n in range(50)])
    report = load_days(settings, AS_OF)
    assert report.feeds["events"].reasons == {"heavy_user": 300}
    assert len(dump(settings)) == 50
    assert dump(settings, "raw.quarantine", "distinct reason") == [("heavy_user",)]


EVENT = st.tuples(*[st.sampled_from(["a", "b"])] * 3)


@law(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.lists(EVENT, max_size=12))
def test_no_event_is_lost_as_a_duplicate_of_another(tmp_path_factory, make_settings, rows):
    settings = make_settings(home=tmp_path_factory.mktemp("home"))
    with connect(settings) as connection:
        create_arrived(connection, EVENTS)
        for event_id, user, item in rows:
            connection.execute(
                "insert into arrived_events (event_id, user_id, item_id, event_type, landed_date) "
                "values (?, ?, ?, 'view', '2024-03-01')",
                [event_id, user, item],
            )
        judge_days(connection, settings, EVENTS)
        find_repeated_keys(connection, EVENTS)
        good = connection.execute(
            "select event_id, user_id, item_id from arrived_events where reason is null"
        ).fetchall()
        assert count_repeated(connection, EVENTS) == len(good) - len(set(good))
    assert len({event_id for event_id, *_ in good}) == len(set(good))
    for event_id in {event_id for event_id, *_ in rows}:
        told = {row for row in rows if row[0] == event_id}
        assert len([row for row in good if row[0] == event_id]) == (
            rows.count(next(iter(told))) if len(told) == 1 else 0
        )
