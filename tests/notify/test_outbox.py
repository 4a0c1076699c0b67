from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from pipelines.notify.alert import Alert
from pipelines.notify.outbox import RETRIED_FOR, retry, send, was_sent
from tests.receivers import dead_receiver, web_receiver

ALERT = Alert("one failure", "publish failed", "disk full", "Free space", "recsys run")


def hooked(make_settings, url):
    return make_settings(notify={"webhook": url, "timeout_seconds": 5})


def test_an_alert_is_sent_once(make_settings):
    with web_receiver() as web:
        settings = hooked(make_settings, web.url)
        assert not was_sent(settings, ALERT)
        assert [one.state for one in send(settings, ALERT)] == ["sent"]
        assert send(settings, ALERT) == [] and was_sent(settings, ALERT)
        send(settings, Alert("another failure", "publish failed", "", "", ""))
    assert len(web.requests) == 2


def test_processes_that_send_the_same_alert_at_once_send_it_once(make_settings):
    with web_receiver() as web:
        settings = hooked(make_settings, web.url)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: send(settings, ALERT), range(8)))
    assert len(web.requests) == 1


def test_what_was_refused_is_tried_again_for_a_day_and_only_where_it_was(make_settings, caplog):
    with web_receiver(503) as web:
        settings = make_settings(
            notify={"webhook": web.url, "command": ["true"], "timeout_seconds": 20}
        )
        assert [one.state for one in send(settings, ALERT)] == ["failed", "sent"]
        assert "alert 'publish failed', webhook: it answered 503" in caplog.text
        web.status, now = 200, datetime.now(UTC)
        assert retry(settings, now + RETRIED_FOR + timedelta(minutes=1)) == []
        assert [one.channel for one in retry(settings, now)] == ["webhook"]
        assert retry(settings, now) == []
    assert len(web.requests) == 2


def test_what_may_have_arrived_is_not_sent_again(make_settings):
    with dead_receiver() as port:
        settings = make_settings(
            notify={"webhook": f"http://127.0.0.1:{port}/", "timeout_seconds": 0.2}
        )
        assert [one.state for one in send(settings, ALERT)] == ["unknown"]
        assert send(settings, ALERT) == [] and retry(settings, datetime.now(UTC)) == []


def test_without_a_channel_nothing_is_written(make_settings):
    settings = make_settings()
    assert send(settings, ALERT) == [] and not settings.alerts.exists()


def test_an_alert_is_sent_also_where_nothing_can_be_written(make_settings, caplog):
    with web_receiver() as web:
        settings = hooked(make_settings, web.url)
        settings.home.mkdir()
        settings.alerts.write_text("a file where the folder must be")
        assert [one.state for one in send(settings, ALERT)] == ["sent"]
    assert "alerts are sent without a lock" in caplog.text
    assert "could not be written down" in caplog.text


def test_a_file_says_what_was_sent_without_the_address(make_settings, caplog):
    caplog.set_level(logging.INFO)
    with web_receiver() as web:
        settings = hooked(make_settings, web.url)
        send(settings, ALERT)
    (path,) = settings.alerts.glob("*.json")
    stored = json.loads(path.read_text())
    assert stored["deliveries"] == {"webhook": {"state": "sent", "detail": "it answered 200"}}
    assert "secret-path" not in path.read_text() + caplog.text


def test_a_damaged_file_is_as_none(make_settings):
    with web_receiver() as web:
        settings = hooked(make_settings, web.url)
        settings.alerts.mkdir(parents=True)
        (settings.alerts / f"{ALERT.name}.json").write_text("{")
        assert [one.state for one in send(settings, ALERT)] == ["sent"]
