from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from pipelines.base.errors import ServiceError
from pipelines.serve.log.clock import file_clock
from pipelines.simulate.shops import HttpShop, ServiceShop, SimulatedClock
from tests.serve.publications import Content, packed, publish_by_hand, running_api

AT = datetime(2024, 3, 10, 12)
CONTENT = Content(
    lists={("discover", "u1"): packed(["a", "b"])},
    fallbacks={("discover", ""): packed(["b"], "popularity", "fallback: for anyone")},
    items={name: (name.upper(), None, 1.0, True) for name in "ab"},
)


def event(item, at=AT):
    return {
        **{"event_id": f"e-{item}", "event_type": "click", "user_id": "u1", "item_id": item},
        "event_at": at.isoformat(),
    }


def test_a_clock_is_read_by_another_process_as_it_was_set(tmp_path):
    clock = SimulatedClock(tmp_path / "clock")
    clock.set(AT)
    assert clock() == file_clock(tmp_path / "clock")() == AT.replace(tzinfo=UTC)


def test_the_service_and_the_api_give_the_same_answers(make_settings):
    settings = make_settings(serve={"clock_file": "clock"})
    publish_by_hand(settings, CONTENT, generated_at=AT)
    clock = SimulatedClock(settings.home / "clock")
    clock.set(AT)
    with running_api(settings, clock_file="clock") as api:
        over_http = HttpShop(api.address, clock)
        over_http.follow("2024-03-10-00000000", AT)
        answered = over_http.recommend("u1", "discover", 2, AT)
        over_http.take_events([event("a")], AT)
        over_http.close()
    inside = ServiceShop(settings)
    inside.follow("2024-03-10-00000000", AT)
    same = inside.recommend("u1", "discover", 2, AT)
    # the service read the log of the API: a was clicked, and is kept from the user now
    assert [row["item_id"] for row in answered["items"]] == ["a", "b"]
    assert [row["item_id"] for row in same["items"]] == ["b"]
    inside.close()
    served = sorted((settings.exposures / "date=2024-03-10").glob("served-*.jsonl"))
    assert sum(len(path.read_text().splitlines()) for path in served) == 2


def test_an_event_that_is_refused_stops_the_simulation(make_settings):
    settings = make_settings()
    publish_by_hand(settings, CONTENT, generated_at=AT)
    shop = ServiceShop(settings)
    shop.follow("2024-03-10-00000000", AT)
    with pytest.raises(ServiceError, match="1 rejected"):
        shop.take_events([event("a", datetime(2031, 1, 1))], AT)
    shop.close()


def test_an_api_that_answers_an_error_stops_the_simulation(tmp_path):
    class Broken(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(500)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Broken) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        shop = HttpShop(f"http://127.0.0.1:{server.server_port}", SimulatedClock())
        with pytest.raises(ServiceError, match="Got 500"):
            shop.recommend("u1", "discover", 2, AT)
        shop.close()
        thread.join()


def test_a_connection_that_was_dropped_during_a_night_is_opened_again(tmp_path):
    class Impatient(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = b'{"publication_id": "p"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True  # without a word to the client

        def log_message(self, *words):
            del words

    server = HTTPServer(("127.0.0.1", 0), Impatient)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    shop = HttpShop(f"http://127.0.0.1:{server.server_port}", SimulatedClock(tmp_path / "clock"))
    for _ in range(3):
        shop.follow("p", AT, seconds=5)
    shop.close()
    server.shutdown()
    thread.join()
    server.server_close()
