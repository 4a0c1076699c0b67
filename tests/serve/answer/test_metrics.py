from __future__ import annotations

from pipelines.serve.answer.metrics import ServeMetrics


def test_requests_answers_warnings_and_rows_are_counted():
    metrics = ServeMetrics()
    metrics.observe("/v1/events", "POST", 200, 0.002)
    metrics.count_answer("popular", ["stale", "short_list"])
    metrics.count_rows("events", [{"status": "accepted"}, {"status": "rejected"}])
    metrics.gauge("ready", "Whether", lambda: 1.0)
    text = metrics.render().decode()
    for line in (
        'recsys_request_seconds_count{method="POST",route="/v1/events",status="200"} 1.0',
        'recsys_request_seconds_bucket{le="0.002",method="POST",route="/v1/events",status="200"} 1.0',
        'recsys_answers_total{source="popular"} 1.0',
        'recsys_answers_total{source="static"} 0.0',
        'recsys_warnings_total{code="stale"} 1.0',
        'recsys_warnings_total{code="store_failure"} 0.0',
        'recsys_rows_total{feed="events",status="rejected"} 1.0',
        "recsys_ready 1.0",
    ):
        assert line in text.splitlines()


def test_each_process_part_has_a_registry_of_its_own():
    first, second = ServeMetrics(), ServeMetrics()
    first.swaps.inc()
    assert second.registry.get_sample_value("recsys_swaps_total") == 0.0
