from __future__ import annotations

import threading
import time
from datetime import timedelta

from pipelines.serve.answer.answers import Query
from pipelines.serve.answer.metrics import ServeMetrics
from pipelines.serve.runtime import Runtime
from tests.serve.publications import AS_OF, publish_by_hand

PURCHASE = {"event_type": "purchase", "user_id": "u1", "item_id": "a"}


def first_item(opened):
    return opened.service.recommend(Query("u1", n=1, is_dry_run=True)).items[0]["item_id"]


def test_threads_follow_the_pointers_and_the_logs_until_they_are_stopped(
    make_settings, content, open_service
):
    settings = make_settings(serve={"poll_seconds": 0.02, "recent_seconds": 0.02})
    other = open_service(content(), settings=settings)
    metrics = ServeMetrics()
    before = threading.active_count()
    runtime = Runtime(settings, metrics, other.clock)
    runtime.start()
    while not runtime.is_ready:
        time.sleep(0.01)
    other.service.take_events([PURCHASE])
    while metrics.registry.get_sample_value("recsys_recent_events") < 1:
        time.sleep(0.01)
    runtime.stop()
    assert threading.active_count() == before
    assert not runtime.is_ready


def test_going_back_to_an_older_night_brings_back_what_it_did_not_know(open_service, content):
    opened = open_service(content())
    opened.service.take_events([PURCHASE])
    assert first_item(opened) == "b"
    old = opened.settings.publications / "CURRENT.json"
    pointer = old.read_bytes()
    opened.clock.go(days=3)
    later = AS_OF + timedelta(days=3)
    publish_by_hand(opened.settings, content(), as_of=later, tag="00000003")
    opened.runtime.poll()
    opened.runtime.poll()
    assert first_item(opened) == "a"  # its night knew the purchase, and lists the item all the same
    old.write_bytes(pointer)
    opened.runtime.poll()
    assert first_item(opened) == "b"


def test_no_more_days_are_held_than_the_settings_say(make_settings, open_service, content):
    opened = open_service(content(), settings=make_settings(serve={"recent_days": 2}))
    opened.service.take_events([PURCHASE])
    opened.clock.go(days=5)
    late = Runtime(opened.settings, ServeMetrics(), opened.clock)
    late.poll()
    assert late.service.recommend(Query("u1", n=1)).items[0]["item_id"] == "a"
    late.stop()


def test_gauges_tell_age_and_readiness(open_service, content):
    opened = open_service(content())
    read = opened.metrics.registry.get_sample_value
    assert read("recsys_ready") == 1.0
    assert read("recsys_publication_age_seconds") == 10 * 3600
    assert read("recsys_publication_stale") == 0.0
    opened.clock.go(hours=20)
    assert read("recsys_publication_stale") == 1.0
    opened.clock.go(hours=24)
    assert read("recsys_publication_stale") == 2.0


def test_a_publication_of_the_running_day_still_hears_of_that_day(open_service, content):
    opened = open_service(content())  # as_of is today: yesterday's events are its own
    opened.service.take_events([PURCHASE])
    tomorrow = AS_OF + timedelta(days=1)
    publish_by_hand(opened.settings, content(), as_of=tomorrow, tag="00000001")
    opened.runtime.poll()
    opened.runtime.poll()
    assert first_item(opened) == "b"  # the night was run before its day had ended
