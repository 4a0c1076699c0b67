from __future__ import annotations

import os
from datetime import UTC, date, datetime, time, timedelta

import pytest

from pipelines.base.current import POINTER, read_current
from pipelines.base.notify_settings import NotifySettings
from pipelines.experiments.state import start_experiment, stop_experiment
from pipelines.notify.conditions import find_alerts
from pipelines.publications.choose import pin

DEFINITION = """
hypothesis = "More is bought."
placement = "discover"
starts = 2024-03-10
ends = 2024-04-10
goal = "conversion"
expected_users = 4000
[[arms]]
name = "control"
weight = 0.5
[[arms]]
name = "other"
weight = 0.5
candidate = "item_knn"
"""


def after(shop, hours):
    return read_current(shop).known_until + timedelta(hours=hours)


def with_deadline(shop, hour):
    return shop.model_copy(update={"notify": NotifySettings(publish_by=time(hour))})


def test_a_home_without_a_night_is_left_alone(make_settings):
    assert find_alerts(make_settings(), datetime.now(UTC)) == []


def test_lists_are_old_from_stale_hours_on_and_each_publication_is_one_alert(shop, one_night):
    assert find_alerts(shop, after(shop, 29.9)) == []
    (alert,) = find_alerts(shop, after(shop, 30))
    (later,) = find_alerts(shop, after(shop, 90))
    assert alert.subject == "recsys: the live lists are 30 hours old"
    assert one_night in alert.message and alert.facts == {"Night": "2024-03-11"}
    assert f"recsys run --as-of {after(shop, 30).date()}" in alert.command
    assert alert.name == later.name


def test_old_lists_that_are_pinned_are_mended_by_unpin(shop, one_night):
    pin(shop)
    (alert,) = find_alerts(shop, after(shop, 31))
    assert alert.command == f"recsys unpin --home {shop.home}"
    assert "is pinned" in alert.message


def test_a_pointer_to_nothing_is_told(shop, one_night):
    (shop.publications / POINTER).write_text("{")
    (alert,) = find_alerts(shop, datetime.now(UTC))
    assert alert.subject == "recsys: no lists are live"
    assert "PublicationNotFoundError: CURRENT.json must name a publication" in alert.message


@pytest.mark.parametrize(
    ("moment", "subjects"),
    [
        (datetime(2024, 3, 11, 23, 0, tzinfo=UTC), []),
        (datetime(2024, 3, 12, 5, 59, tzinfo=UTC), []),
        (
            datetime(2024, 3, 12, 6, 0, tzinfo=UTC),
            ["recsys: the night of 2024-03-12 is not published"],
        ),
    ],
)
def test_a_night_must_be_published_by_the_deadline(shop, one_night, moment, subjects):
    settings = with_deadline(shop, 6)
    found = [one for one in find_alerts(settings, moment) if "published" in one.subject]
    assert [alert.subject for alert in found] == subjects
    for alert in found:
        assert "must be by 06:00 UTC" in alert.message and "2024-03-11" in alert.message
        assert alert.command == f"recsys run --as-of 2024-03-12 --home {shop.home}"


def test_a_first_night_is_late_too(make_settings):
    settings = with_deadline(make_settings(), 6)
    assert len(find_alerts(settings, datetime(2024, 3, 12, 7, tzinfo=UTC))) == 1


def test_a_rollback_is_told_and_an_ordinary_end_is_not(shop):
    shop.experiments_folder.mkdir()
    for name, reason in (("lost", "rolled back: other: the goal is worse"), ("won", "shipped")):
        (shop.experiments_folder / f"{name}.toml").write_text(DEFINITION)
        start_experiment(shop, name)
        stop_experiment(shop, name, date(2024, 3, 20), reason)
    (alert,) = find_alerts(shop, datetime.now(UTC))
    assert alert.subject == "recsys: experiment lost is rolled back"
    assert alert.message == "rolled back: other: the goal is worse"
    assert "recsys experiment report lost --as-of 2024-03-20" in alert.command
    long_ago = datetime.now(UTC).timestamp() - 8 * 86_400
    os.utime(shop.experiment_state("lost"), (long_ago, long_ago))
    assert find_alerts(shop, datetime.now(UTC)) == []
